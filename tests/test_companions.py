"""What is shown with a quote: the notes on it, its partners, and what stands before a barred one."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from bare import bare_index, noted, passage_of
from conftest import HashingEncoder
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY, markdown_texts

from b12qa import rendering
from b12qa.answering import HELD_BACK, Assistant
from b12qa.building import build_index
from b12qa.companions import Company
from b12qa.corpus import Corpus, read_corpus
from b12qa.embedding import Encoder, FloatMatrix
from b12qa.fairness import quote_around, quote_passage, rows_in
from b12qa.index import Index, open_index
from b12qa.records import Answer, NotedSentence, NoticeKind, Outcome, Quote, QuoteRole
from b12qa.retrieval import Retriever

TEXT = """# Tea

Tea heals. Tea is old.

Tea was never tested. Nobody knows.

Cups are round. Milk is white.

## Warnings

Tea is hot.
"""
HEALS, OLD, TESTED, KNOWS, CUPS, MILK, HOT = range(7)
ANSWER, PARTNER, WARNING = QuoteRole.ANSWER, QuoteRole.PARTNER, QuoteRole.WARNING


def tea(*notes: NotedSentence) -> Index:
    return replace(bare_index(TEXT), notes=notes, warning_sections=((0, 1),))


def found(index: Index, *rows: int) -> list[Quote]:
    return [quote_passage(index, passage_of(index, row)) for row in rows]


def shown(quotes: Iterable[Quote]) -> list[tuple[QuoteRole, str]]:
    return [(quote.role, quote.text) for quote in quotes]


PLAIN = bare_index(TEXT)


def test_without_notes_quotes_are_shown_as_they_were_found() -> None:
    index = tea()
    answers = found(index, HEALS, CUPS)
    composed = Company(index).compose(answers)
    assert (list(composed.quotes), composed.held_back) == (answers, False)


def test_every_noted_sentence_of_a_passage_brings_its_note_also_where_another_is_highlighted() -> None:
    index = tea(noted(PLAIN, HEALS), noted(PLAIN, OLD), noted(PLAIN, CUPS))
    (quote,) = Company(index).compose(found(index, OLD)).quotes
    assert [one.text for one in quote.notes] == ["note on 0", "note on 1"]
    assert [(one.start, one.end) for one in quote.notes] == [
        (index.sentences[row].start, index.sentences[row].end) for row in (HEALS, OLD)
    ]


def test_a_partner_stands_right_after_the_quote_that_needs_it() -> None:
    index = tea(noted(PLAIN, HEALS, [KNOWS]))
    composed = Company(index).compose(found(index, HEALS, CUPS))
    assert shown(composed.quotes) == [
        (ANSWER, "Tea heals. Tea is old."),
        (PARTNER, "Nobody knows."),
        (ANSWER, "Cups are round. Milk is white."),
    ]


def test_partners_that_are_neighbours_are_one_quote_and_others_come_in_their_own_order() -> None:
    index = tea(noted(PLAIN, HEALS, [MILK, TESTED, KNOWS]))
    assert shown(Company(index).compose(found(index, HEALS)).quotes)[1:] == [
        (PARTNER, "Milk is white."),
        (PARTNER, "Tea was never tested. Nobody knows."),
    ]


def test_a_partner_that_another_quote_shows_is_not_repeated() -> None:
    index = tea(noted(PLAIN, HEALS, [KNOWS]))
    composed = Company(index).compose(found(index, HEALS, TESTED))
    assert [role for role, _ in shown(composed.quotes)] == [ANSWER, ANSWER]


def test_a_partner_brings_its_own_note_and_its_own_partner_once() -> None:
    index = tea(noted(PLAIN, HEALS, [TESTED]), noted(PLAIN, TESTED, [MILK]), noted(PLAIN, MILK, [HEALS]))
    composed = Company(index).compose(found(index, HEALS))
    assert shown(composed.quotes)[1:] == [(PARTNER, "Tea was never tested."), (PARTNER, "Milk is white.")]
    assert [one.text for quote in composed.quotes for one in quote.notes] == [
        "note on 0",
        "note on 2",
        "note on 5",
    ]


def test_the_partner_of_a_barred_sentence_stands_before_it() -> None:
    index = tea(noted(PLAIN, HEALS, [KNOWS], barred=True))
    composed = Company(index).compose(found(index, HEALS, CUPS))
    assert [role for role, _ in shown(composed.quotes)] == [PARTNER, ANSWER, ANSWER]
    assert composed.quotes[0].text == "Nobody knows."
    assert not composed.held_back


def test_a_barred_sentence_without_a_partner_lets_another_answer_go_first() -> None:
    index = tea(noted(PLAIN, HEALS, barred=True), noted(PLAIN, TESTED, barred=True))
    composed = Company(index).compose(found(index, HEALS, TESTED, CUPS))
    assert [text for _, text in shown(composed.quotes)] == [
        "Cups are round. Milk is white.",
        "Tea heals. Tea is old.",
        "Tea was never tested. Nobody knows.",
    ]
    assert not composed.held_back


def test_a_barred_sentence_that_is_not_highlighted_may_stand_in_the_first_quote() -> None:
    index = tea(noted(PLAIN, HEALS, barred=True))
    assert Company(index).compose(found(index, OLD)).quotes[0].text == "Tea heals. Tea is old."


def test_a_barred_partner_does_not_stand_first() -> None:
    index = tea(noted(PLAIN, HEALS, [KNOWS], barred=True), noted(PLAIN, KNOWS, barred=True))
    composed = Company(index).compose(found(index, HEALS, CUPS))
    assert [text for _, text in shown(composed.quotes)] == [
        "Cups are round. Milk is white.",
        "Tea heals. Tea is old.",
        "Nobody knows.",
    ]


def test_a_barred_sentence_that_nothing_can_precede_is_held_back() -> None:
    index = tea(noted(PLAIN, HEALS, barred=True))
    composed = Company(index).compose(found(index, HEALS), spare=found(index, HEALS, CUPS, TESTED))
    assert shown(composed.quotes) == [
        (PARTNER, "Cups are round. Milk is white."),
        (ANSWER, "Tea heals. Tea is old."),
    ]
    assert composed.held_back
    nothing = Company(index).compose(found(index, HEALS), spare=found(index, HEALS))
    assert (nothing.quotes, nothing.held_back) == ((), True)


def test_warnings_follow_the_first_answer_and_precede_it_where_it_is_barred() -> None:
    index = tea(noted(PLAIN, OLD, warnings=True))
    assert Company(index).wants_warnings(found(index, HEALS))
    assert not Company(index).wants_warnings(found(index, CUPS))
    assert not Company(index).wants_warnings(found(index, HEALS, HOT))
    hot = quote_around(index, HOT, WARNING)
    roles = [quote.role for quote in Company(index).compose(found(index, HEALS, CUPS), [hot]).quotes]
    assert roles == [ANSWER, WARNING, ANSWER]
    barred = tea(noted(PLAIN, HEALS, barred=True))
    roles = [quote.role for quote in Company(barred).compose(found(barred, HEALS, CUPS), [hot]).quotes]
    assert roles == [WARNING, ANSWER, ANSWER]


@st.composite
def noted_indexes(draw: st.DrawFn) -> Index:
    index = bare_index(draw(markdown_texts))
    rows = range(len(index.sentences))
    if not rows:
        return index
    row = st.sampled_from(rows)
    chosen = sorted(draw(st.sets(row, max_size=6)))
    return replace(
        index,
        notes=tuple(
            noted(index, one, draw(st.lists(row, max_size=3, unique=True)), barred=draw(st.booleans()))
            for one in chosen
        ),
    )


@PROPERTY
@given(noted_indexes(), st.data())
def test_in_any_document_no_noted_sentence_is_shown_without_note_and_partner(
    index: Index, data: st.DataObject
) -> None:
    if not index.sentences:
        return
    passages = {sentence.chunk: row for row, sentence in enumerate(index.sentences)}
    quotes = found(index, *data.draw(st.permutations(sorted(passages.values())))[:5])
    composed = Company(index).compose(quotes[:2], spare=quotes[2:])
    assert_kept(index, composed.quotes)
    if not composed.held_back:
        assert sorted(q.start for q in composed.quotes if q.role is ANSWER) == sorted(
            q.start for q in quotes[:2]
        )


def assert_kept(index: Index, quotes: Sequence[Quote]) -> None:
    """What holds wherever quotes are shown."""
    numbers = {document.name: number for number, document in enumerate(index.documents)}
    by_row = {one.sentence: one for one in index.notes}

    def rows(quote: Quote) -> list[int]:
        parts = [*quote.context, quote]
        return [r for part in parts for r in rows_in(index, numbers[quote.document], part.start, part.end)]

    everything = {row for quote in quotes for row in rows(quote)}
    for quote in quotes:
        assert quote.text == index.documents[numbers[quote.document]].text[quote.start : quote.end]
        here = sorted({row for row in rows(quote) if row in by_row})
        assert list(quote.notes) == [by_row[row].note for row in here]
        for row in here:
            assert set(by_row[row].partners) <= everything
    for quote in quotes[:1]:
        for start, end in quote.highlights:
            for row in rows_in(index, numbers[quote.document], start, end):
                assert row not in by_row or not by_row[row].barred


# Through the assistant.

NOTES = """
warnings:
- Warnings
notes:
- sentence: Tea heals.
  sha256: {heals}
  kind: unsafe alone
  note: Our words on healing.
  source: a source
  barred: true
  warnings: true
"""


def written(folder: Path, text: str, notes: str = NOTES) -> Corpus:
    """A corpus with notes on its first sentence."""
    folder.mkdir()
    (folder / "tea.md").write_text(text)
    (folder / "tea.notes.yaml").write_text(notes.format(heals=hashlib.sha256(b"Tea heals.").hexdigest()))
    return read_corpus(folder)


def assistant_for(folder: Path, corpus: Corpus, encoder: Encoder) -> Assistant:
    build_index(corpus, encoder, folder)
    return Assistant(Retriever(open_index(folder), encoder))


@pytest.fixture
def small(tmp_path: Path) -> Assistant:
    return assistant_for(tmp_path / "index", written(tmp_path / "corpus", TEXT), HashingEncoder(1024))


def test_max_quotes_counts_the_quotes_that_were_found(small: Assistant) -> None:
    for most in (1, 2):
        answer = small.ask("tea heals", max_quotes=most)
        assert [quote.role for quote in answer.quotes][:2] == [WARNING, ANSWER]
        assert len(answer.found) == min(most, len(answer.found)) <= most
        assert answer.found[0].text == "Tea heals. Tea is old."


def test_a_search_ranks_as_if_there_were_no_notes(small: Assistant) -> None:
    first = small.search("tea heals")[0]
    assert first.text == "Tea heals. Tea is old."


def test_what_a_search_finds_carries_its_notes_on_every_surface(small: Assistant) -> None:
    index = small.retriever.index
    noted_sentences = {n.sentence: n.note for n in index.notes}
    results = small.search("tea")
    on_any = 0
    for result in results:
        rows = rows_in(index, 0, result.start, result.end)
        expected = [noted_sentences[row] for row in rows if row in noted_sentences]
        assert list(result.notes) == expected
        on_any += len(expected)
        assert all(note.text in str(result) and note.text not in result.text for note in expected)
        assert result._repr_html_().count('role="note"') == (1 if expected else 0)
    assert on_any
    assert rendering.results_html(results).count('role="note"') == sum(bool(r.notes) for r in results)


def test_json_carries_roles_and_notes(small: Assistant) -> None:
    quotes = json.loads(json.dumps(small.ask("tea heals").to_dict()))["quotes"]
    assert quotes[0]["role"] == "warning"
    barred = next(quote for quote in quotes if quote["text"].startswith("Tea heals"))
    (said,) = barred["notes"]
    assert said["kind"] == "unsafe alone"
    assert said["text"] == "Our words on healing."
    assert said["reviewer"] == "not yet clinically reviewed"
    assert TEXT[said["start"] : said["end"]] == "Tea heals."


def test_words_that_must_not_be_read_alone_are_held_back_with_honest_words(tmp_path: Path) -> None:
    text, notes = "# Tea\n\nTea heals.\n\nCups are round.\n", NOTES.replace("warnings:\n- Warnings", "")
    corpus = written(tmp_path / "corpus", text, notes)
    answer = assistant_for(tmp_path / "index", corpus, HashingEncoder(1024)).ask("tea heals", max_quotes=1)
    assert answer.outcome is Outcome.RELATED
    assert [n.text for n in answer.notices if n.kind is NoticeKind.OUTCOME] == [HELD_BACK]
    assert shown(answer.quotes) == [(PARTNER, "Cups are round."), (ANSWER, "Tea heals.")]


class Listening(HashingEncoder):
    """Remembers what it was given to embed."""

    def __init__(self) -> None:
        super().__init__(1024)
        self.heard: list[str] = []

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        self.heard += texts
        return super().encode(texts)


def test_notes_are_never_embedded_or_searched(tmp_path: Path) -> None:
    encoder = Listening()
    assistant = assistant_for(tmp_path / "index", written(tmp_path / "corpus", TEXT), encoder)
    assert any("Tea heals." in text for text in encoder.heard)
    assert not any("Our words" in text for text in encoder.heard)
    assert assistant.ask("our words on healing, a source").outcome is Outcome.NOT_COVERED


# The article.


class Parts(HTMLParser):
    """The words inside quotes, and those inside notes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.quoted: list[str] = []
        self.noted: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "blockquote":
            self.quoted.append("")
        if tag == "aside":
            assert ("role", "note") in attrs
            assert ("aria-label", rendering.NOTE_HEADING) in attrs
            self.noted.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not {"figure", "blockquote", "aside"}.issubset(self.open)
        if "blockquote" in self.open:
            self.quoted[-1] += data
        if "aside" in self.open:
            assert "figure" not in self.open
            self.noted[-1] += data


def assert_rendered(answer: Answer) -> None:
    """Notes stand in notes, quotes in quotes, on the page and in the terminal."""
    parts = Parts(rendering.answer_html(answer))
    assert parts.quoted == [
        "".join(rendering.plain(excerpt) for excerpt in (*quote.context, quote)) for quote in answer.quotes
    ]
    notes = [one for quote in answer.quotes for one in quote.notes]
    assert sum(said.count("Source: ") for said in parts.noted) == len(notes)
    text = str(answer)
    for one in notes:
        assert any(one.text in said for said in parts.noted)
        assert all(one.text not in quoted for quoted in parts.quoted)
        assert all(one.text not in quote.text for quote in answer.quotes)
        assert one.text in text
    for quote in answer.quotes:
        copied = str(quote)
        assert all(one.text in copied and one.source in copied for one in quote.notes)
        assert quote.section_path[-1] in copied


@pytest.mark.model
def test_every_sentence_of_the_article_is_shown_with_its_note_and_partners(assistant: Assistant) -> None:
    index = assistant.retriever.index
    assert len(index.notes) == 43
    asked = defaultdict(list)
    for question in index.questions:
        asked[question.sentence].append(question.text)
    highlighted = set()
    for one in index.notes:
        for words in asked[one.sentence][:3]:
            answer = assistant.ask(words)
            assert_kept(index, answer.quotes)
            assert_rendered(answer)
            firsts = {tuple(quote.highlights[0]) for quote in answer.found}
            highlighted |= {one.sentence} if (one.note.start, one.note.end) in firsts else set()
            if one.warnings and (one.note.start, one.note.end) in firsts:
                assert any("Contraindications" in quote.section_path[-1] for quote in answer.quotes)
    assert len(highlighted) >= 40  # so that this is no test of other sentences
