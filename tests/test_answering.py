from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, HashingEncoder

import b12qa
from b12qa import caution
from b12qa.answering import ANSWERED_FROM, HELD_BACK, NEAREST_WORDS, NO_MORE, Assistant, reason_for
from b12qa.building import build_index
from b12qa.corpus import Corpus, parse_document, read_corpus
from b12qa.embedding import Encoder, FloatMatrix
from b12qa.errors import (
    DamagedIndexError,
    EmptyCorpusError,
    MissingIndexError,
    ModelError,
    QueryError,
    StaleIndexError,
)
from b12qa.folders import corpus_folder
from b12qa.index import open_index
from b12qa.lexical import terms
from b12qa.records import (
    Answer,
    Document,
    Excerpt,
    NoticeKind,
    OpenQuestion,
    Outcome,
    QuoteRole,
    SearchResults,
    Span,
)
from b12qa.retrieval import Retriever
from b12qa.safety import DISCLAIMER

SECOND_CORPUS = ROOT / "tests" / "second_corpus"
ARTICLE = "Vitamin B12 and its role in circulation-related nerve symptoms"


@pytest.fixture
def tea(tmp_path: Path, small_corpus: Path) -> Assistant:
    """Answers from the small document, with the stand-in encoder."""
    return assistant_for(tmp_path / "index", read_corpus(small_corpus).documents[0].text, name="tea")


@pytest.fixture(scope="module")
def bicycles(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Assistant:
    """Answers from the second document, with the real model."""
    folder = tmp_path_factory.mktemp("bicycles")
    build_index(read_corpus(SECOND_CORPUS), encoder, folder)
    return Assistant(Retriever(open_index(folder), encoder))


def assistant_for(folder: Path, text: str, name: str = "text") -> Assistant:
    encoder = HashingEncoder(dimension=1024)  # wide enough that different words hardly ever meet
    build_index(Corpus((parse_document(name, text),), {}), encoder, folder)
    return Assistant(Retriever(open_index(folder), encoder))


def assert_keeps_the_promises(assistant: Assistant, answer: Answer) -> None:
    """What holds for every answer, whatever was asked."""
    documents = {document.name: document for document in assistant.documents}
    for quote in answer.quotes:
        document = documents[quote.document]
        assert quote.text == document.text[quote.start : quote.end] != ""
        assert quote.title == document.title
        assert quote.section_path in {section.path for section in document.sections}
        for highlight in quote.highlights:
            assert quote.start <= highlight.start < highlight.end <= quote.end
        for excerpt in quote.context:
            assert excerpt.text == document.text[excerpt.start : excerpt.end] != ""
    assert [notice.text for notice in answer.notices if notice.kind is NoticeKind.DISCLAIMER] == [DISCLAIMER]
    assert 0 <= answer.confidence <= 1
    assert (len(answer.quotes) > 0) == (answer.outcome in (Outcome.ANSWERED, Outcome.RELATED))
    record = json.loads(json.dumps(answer.to_dict()))
    assert record["outcome"] == str(answer.outcome)
    assert record["quotes"] == [json.loads(json.dumps(quote.to_dict())) for quote in answer.quotes]


def nearest_sections(answer: Answer) -> list[str]:
    return [s.path[-1] for n in answer.notices if n.kind is NoticeKind.NEAREST_SECTIONS for s in n.sections]


# The article, with the real model.


@pytest.mark.model
def test_every_sentence_of_the_article_answers_with_itself(assistant: Assistant) -> None:
    text = assistant.documents[0].text
    sentences = assistant.retriever.index.sentences
    assert len(sentences) > 100
    for sentence in sentences:
        words = text[sentence.start : sentence.end]
        answer = assistant.ask(words)
        assert answer.confidence >= ANSWERED_FROM, words
        held_back = [n.text for n in answer.notices if n.kind is NoticeKind.OUTCOME]
        assert held_back == ([] if answer.outcome is Outcome.ANSWERED else [HELD_BACK]), words
        # Where the sentence must not come first, another quote does.
        own = next(q for q in answer.found if q.start <= sentence.start < sentence.end <= q.end)
        assert own.highlights[0] == (sentence.start, sentence.end), words
        assert_keeps_the_promises(assistant, answer)


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "section", "words"),
    [
        (
            "can heartburn pills cause low b12?",
            "Contraindications and warnings",
            "",
        ),
        (
            "how much b12 in clams",
            "Food sources of B12",
            "Seafood also excels, with clams providing 17 mcg and oysters 14.9 mcg per serving.",
        ),
        (
            "numb toes first, why?",
            "Connection between B12 and nerve symptoms",
            "explaining why symptoms typically begin in toes and feet before progressing upward.",
        ),
    ],
)
def test_a_question_gets_the_passage_that_answers(
    assistant: Assistant, question: str, section: str, words: str
) -> None:
    answer = assistant.ask(question)
    assert answer.outcome in (Outcome.ANSWERED, Outcome.RELATED)
    first = answer.quotes[0]
    assert (first.document, first.section_path) == ("vitamin-b12", (ARTICLE, section))
    assert words in first.text
    assert answer.question == answer.query == question
    assert nearest_sections(answer) == []
    assert_keeps_the_promises(assistant, answer)


@pytest.mark.model
def test_the_sentence_that_answers_is_highlighted(assistant: Assistant) -> None:
    text = assistant.documents[0].text
    first = assistant.ask("how much b12 in clams").quotes[0]
    assert [text[a:b] for a, b in first.highlights] == [
        "Seafood also excels, with clams providing 17 mcg and oysters 14.9 mcg per serving."
    ]


@pytest.mark.model
def test_a_question_that_the_article_does_not_answer_gets_no_quote(assistant: Assistant) -> None:
    answer = assistant.ask("what is the capital of France?")
    assert answer.outcome is Outcome.NOT_COVERED
    assert answer.quotes == ()
    assert answer.confidence < 0.25
    sections = {section.path[-1] for section in assistant.documents[0].sections}
    assert 1 <= len(nearest_sections(answer)) == len(set(nearest_sections(answer))) <= 3
    assert set(nearest_sections(answer)) <= sections
    assert_keeps_the_promises(assistant, answer)


@pytest.mark.model
@pytest.mark.parametrize(
    "question",
    [
        "",
        " \n\t ",
        "\u200b\u00a0",
        "😀🦶",
        "b",
        "12345",
        "?!…",
        "\0",
        "b12 \0 dose",
        "\ud800 numb toes",  # half a character, as a terminal passes on bytes that are no UTF-8
        "numb toes \U000e0001",
        "<script>alert(1)</script>",
        "ما هو فيتامين ب12؟",
        "x" * 20_000,
        "why " * 5_000,
        "numb toes\n" * 2_000,
    ],
)
def test_no_question_is_too_odd(assistant: Assistant, question: str) -> None:
    for history in ((), ("how much b12 in clams",), (question, "", question)):
        answer = assistant.ask(question, history)
        assert answer.question in (question, question.encode("utf-8", "replace").decode())
        assert_keeps_the_promises(assistant, answer)
    assistant.search(question)


@pytest.mark.model
@pytest.mark.parametrize("question", ["", "  ", "😀", "?!"])
def test_a_question_without_words_is_asked_for_again(assistant: Assistant, question: str) -> None:
    for history in ((), ("how much b12 in clams",)):
        answer = assistant.ask(question, history)
        assert (answer.outcome, answer.quotes, answer.confidence) == (Outcome.NOT_COVERED, (), 0.0)
        assert answer.query == ""  # nothing was searched
        assert "Please type a question in words." in [notice.text for notice in answer.notices]


@pytest.mark.model
@pytest.mark.parametrize("replied", ["are you a doctor?", "hello", "thanks"])
def test_what_we_replied_to_ourselves_is_no_topic(assistant: Assistant, replied: str) -> None:
    foods = "which foods have b12?"
    assert assistant.ask("and for vegans?", [foods, replied]).query == f"{foods} and for vegans?"
    assert assistant.ask("and for vegans?", [replied]).query == "and for vegans?"


@pytest.mark.model
def test_nonsense_is_no_question_on_the_treatment_before(assistant: Assistant) -> None:
    answer = assistant.ask("asdf qwer zxcv", ["what is methylcobalamin"])
    assert answer.outcome is Outcome.NOT_COVERED
    assert not answer.found


@pytest.mark.model
def test_a_follow_up_is_searched_with_the_question_before(assistant: Assistant) -> None:
    answer = assistant.ask("and in oysters?", ["how much b12 in clams"])
    assert answer.question == "and in oysters?"
    assert answer.query == "how much b12 in clams and in oysters?"
    assert [n.text for n in answer.notices if n.kind is NoticeKind.SEARCHED_FOR] == [
        f"Searched for: {answer.query}"
    ]
    assert "oysters 14.9 mcg" in answer.quotes[0].text
    assert_keeps_the_promises(assistant, answer)


@pytest.mark.model
def test_search_shows_what_ask_ranks(assistant: Assistant) -> None:
    question, history = "and in oysters?", ["how much b12 in clams"]
    results, answer = assistant.search(question, history), assistant.ask(question, history)
    assert len(results) == 5
    assert [(q.start, q.end, q.highlights[:1]) for q in answer.found] == [
        (r.start, r.end, r.highlights) for r in results[: len(answer.found)]
    ]
    assert assistant.search(question, history, top_k=2) == results[:2]


@pytest.mark.model
@pytest.mark.usefixtures("from_export")
def test_the_same_question_gets_the_same_answer(assistant: Assistant, article_index: Path) -> None:
    again = Assistant.load(article_index, corpus=ROOT / "corpus")
    for question in ("how much b12 in clams", "what is the capital of France?"):
        assert assistant.ask(question) == assistant.ask(question) == again.ask(question)


# The second document.


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "words", "section", "context"),
    [
        (
            "which way does the front wheel lever point?",
            "at the front wheel, point the lever upwards along the fork",
            ("Before every ride",),
            "The check takes one minute. Go through these points in order:",
        ),
        (
            "which fluid do SRAM brakes need",
            "| SRAM     | DOT 5.1     | every year     |",
            ("Brakes", "Disc brakes", "Fluid"),
            "| Maker    | Fluid       | Change it      |",
        ),
        (
            "when should I replace disc brake pads?",
            "Replace the pads when less than 1 mm of lining is left.",
            ("Brakes", "Disc brakes", "Pads"),
            None,
        ),
        (
            "how do I store my bike over winter?",
            "Hang the bicycle up by its frame",
            ("Winter storage",),
            None,
        ),
    ],
)
def test_the_second_document_is_quoted_with_what_must_be_read_first(
    bicycles: Assistant, question: str, words: str, section: tuple[str, ...], context: str | None
) -> None:
    answer = bicycles.ask(question)
    assert_keeps_the_promises(bicycles, answer)
    quote = next(quote for quote in answer.quotes if words in quote.text)
    assert quote.section_path == ("Looking after a bicycle", *section)
    assert (quote.context[0].text if quote.context else None) == context


@pytest.mark.model
def test_who_asks_for_more_reads_what_was_not_shown_yet(bicycles: Assistant) -> None:
    def shown(answer: Answer) -> list[tuple[int, int]]:
        return [(quote.start, quote.end) for quote in answer.found]

    mend = "How do I mend a puncture?"
    first = bicycles.ask(mend)
    second = bicycles.ask("tell me more", [mend])
    third = bicycles.ask("ok, anything else?", [mend, "tell me more"])
    for answer in (first, second, third):
        assert_keeps_the_promises(bicycles, answer)
        assert answer.outcome is Outcome.ANSWERED
        assert {quote.section_path[-1] for quote in answer.found} == {"Punctures"}
        assert NO_MORE not in {notice.text for notice in answer.notices}
    everything = [*shown(first), *shown(second), *shown(third)]
    assert len(everything) == len(set(everything)) == 8  # all of the section
    last = bicycles.ask("more", [mend, "tell me more", "ok, anything else?"])
    assert (shown(last), last.notices[0].text) == (shown(first), NO_MORE)
    assert shown(bicycles.ask("more", [mend, *["more"] * 7])) == shown(first)
    # What the page offers below an answer is not offered once more.
    answer, further = bicycles.ask_with_more("more", [mend], max_quotes=1, further=2)
    assert shown(answer) == shown(first)[1:2]
    assert [(quote.start, quote.end) for quote in further] == [*shown(first)[2:], shown(second)[0]]


@pytest.mark.model
def test_who_asks_for_more_than_was_found_reads_on_in_the_section(assistant: Assistant) -> None:
    foods = "what foods have b12"
    (first,) = assistant.ask(foods).found
    read = [first]
    for times in range(1, 4):
        answer = assistant.ask("more", [foods, *["more"] * (times - 1)])
        if NO_MORE in {notice.text for notice in answer.notices}:
            break
        read += answer.found
    (document,) = assistant.documents
    section = document.sections[document.section_at(first.start)]
    blocks = [block for block in document.quoted_blocks if first.start <= block.start < section.end]
    # Nothing of it is passed over.
    assert [(quote.start, quote.end) for quote in read] == [(block.start, block.end) for block in blocks]
    assert len(read) > 3


def test_who_asks_for_more_gets_no_more_cut_out_than_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# Tea\n\n" + "\n\n".join(f"Tea number {number} is good." for number in range(200))
    assistant = assistant_for(tmp_path, text)
    assistant.ask("is tea good?")
    cut = []
    excerpt = Document.excerpt

    def counted(document: Document, span: Span) -> Excerpt:
        cut.append(span)
        return excerpt(document, span)

    monkeypatch.setattr(Document, "excerpt", counted)
    answer = assistant.ask("more", ["is tea good?"])
    assert len(answer.found) == 3
    assert len(cut) < 60


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "outcome"),
    [
        ("Is vitamin D good for nerves?", Outcome.NOT_COVERED),
        ("B6 toxicity", Outcome.NOT_COVERED),
        ("Does folate hide a B12 deficiency?", None),
        ("Does vitamin D go with B12 supplementation of diabetics with neuropathy?", None),
    ],
)
def test_another_nutrient_is_not_answered_for_the_one_that_the_article_is_about(
    assistant: Assistant, question: str, outcome: Outcome | None
) -> None:
    found = assistant.ask(question)
    if outcome is None:
        assert found.outcome is not Outcome.NOT_COVERED
    else:
        assert (found.outcome, found.quotes) == (outcome, ())


@pytest.mark.model
def test_who_asks_for_more_than_nothing_is_told_so_once_more(bicycles: Assistant) -> None:
    answer = bicycles.ask("more", ["How do I bake bread?"])
    assert answer.outcome is Outcome.NOT_COVERED
    assert NO_MORE not in {notice.text for notice in answer.notices}


@pytest.mark.model
def test_the_second_document_does_not_answer_about_vitamins(bicycles: Assistant) -> None:
    answer = bicycles.ask("can heartburn pills cause low b12?")
    assert answer.outcome is Outcome.NOT_COVERED
    assert nearest_sections(answer)
    assert_keeps_the_promises(bicycles, answer)


DROOP = "my husband suddenly can't speak and his face droops"


@pytest.mark.model
@pytest.mark.parametrize(
    ("history", "question", "searched"),
    [
        ((DROOP,), "sorry, that was a story from the tv, what foods have b12", ""),
        (
            ("which foods have b12?", DROOP, "false alarm, he is fine"),
            "and seaweed?",
            "which foods have b12?",
        ),
    ],
)
def test_what_told_of_an_emergency_is_not_searched_with_what_comes_after_it(
    assistant: Assistant, history: tuple[str, ...], question: str, searched: str
) -> None:
    answer = assistant.ask(question, history)
    assert answer.outcome is not Outcome.URGENT
    assert "husband" not in answer.query
    assert answer.query.startswith(searched)
    assert not [notice for notice in answer.notices if "the tv" in notice.text and "not say" in notice.text]


@pytest.mark.model
@pytest.mark.parametrize("question", ["what is the dose for nerve pain", "dose for numb feet"])
def test_a_general_question_on_a_dose_that_names_nothing_is_answered_with_its_warnings(
    assistant: Assistant, question: str
) -> None:
    answer = assistant.ask(question)
    assert answer.outcome is Outcome.ANSWERED
    assert {QuoteRole.ANSWER, QuoteRole.WARNING} <= {quote.role for quote in answer.quotes}


PREAMBLE = "We keep bees and sell the honey at the market on Saturdays, whatever the weather. " * 20


@pytest.mark.model
def test_the_question_at_the_end_of_a_long_message_is_searched(assistant: Assistant) -> None:
    answer = assistant.ask(f"{PREAMBLE}\n\nDoes metformin lower B12?")
    assert answer.outcome is Outcome.ANSWERED
    assert answer.query == "Does metformin lower B12?"
    assert "Metformin" in answer.quotes[0].text
    assert [n.text for n in answer.notices if n.kind is NoticeKind.SEARCHED_FOR] == [
        "Searched for: Does metformin lower B12?"
    ]
    assert assistant.ask(f"{PREAMBLE}\n\nWhen does the last bus leave?").outcome is Outcome.NOT_COVERED


@pytest.mark.model
def test_what_a_long_message_tells_of_a_person_holds_for_its_question(assistant: Assistant) -> None:
    told = f"I am pregnant. {PREAMBLE}"
    answer = assistant.ask(f"{told}How often are injections usually given?")
    assert answer.outcome is Outcome.RELATED
    assert caution.NO_DOSE in [notice.text for notice in answer.notices]
    assert assistant.ask(f"{PREAMBLE}How often are injections usually given?").outcome is Outcome.ANSWERED


# Plumbing, with the stand-in encoder.


def test_the_outcomes_differ_in_confidence_and_in_words(tea: Assistant) -> None:
    """The document's own words, mixed with ever more that it does not know."""
    outcomes: dict[Outcome, Answer] = {}
    confidences = []
    for strangers in range(60):
        answer = tea.ask("Use water at 90 degrees. " + " ".join(f"marble{i}" for i in range(strangers)))
        assert_keeps_the_promises(tea, answer)
        outcomes.setdefault(answer.outcome, answer)
        confidences.append(answer.confidence)
    assert list(outcomes) == [Outcome.ANSWERED, Outcome.RELATED, Outcome.NOT_COVERED]
    assert confidences[0] > 0.9 > 0.1 > confidences[-1]
    words = {outcome: [notice.text for notice in answer.notices] for outcome, answer in outcomes.items()}
    # Nobody has written questions for it.
    assert words[Outcome.ANSWERED] == [NEAREST_WORDS, DISCLAIMER]
    assert words[Outcome.RELATED][0] == "This is close, but may not answer your question."
    assert words[Outcome.NOT_COVERED][0] == "The article does not say."


def test_at_most_so_many_quotes_are_shown(tmp_path: Path) -> None:
    text = "\n\n".join(["Green tea is good."] * 5 + ["Coffee wakes.", "Water is wet."])
    assistant = assistant_for(tmp_path, text)
    assert len(assistant.ask("green tea is good").quotes) == 3
    for wanted in (1, 2, 4, 5):
        quotes = assistant.ask("green tea is good", max_quotes=wanted).quotes
        assert [quote.start for quote in quotes] == [20 * number for number in range(wanted)]
    assert len(assistant.ask("green tea is good", max_quotes=7).quotes) == 5


@pytest.mark.parametrize("max_quotes", [5, 1000])
def test_a_small_document_may_have_fewer_quotes_than_wanted(tea: Assistant, max_quotes: int) -> None:
    answer = tea.ask("green tea", max_quotes=max_quotes)
    assert answer.quotes[0].text == "green tea"
    assert len(answer.quotes) <= 4


@pytest.mark.parametrize("max_quotes", [0, -1, "3", True])
def test_fewer_than_one_quote_cannot_be_asked_for(tea: Assistant, max_quotes: object) -> None:
    with pytest.raises(
        QueryError, match=f"Expected a whole number of at least 1 as max_quotes, got {max_quotes!r}"
    ):
        tea.ask("green tea", max_quotes=max_quotes)  # type: ignore[arg-type]


@pytest.mark.parametrize("literal", ["yes", "", None, 1])
def test_literal_is_true_or_false(tea: Assistant, literal: Any) -> None:
    with pytest.raises(QueryError, match=f"Expected True or False as literal, got {literal!r}"):
        tea.ask("green tea", literal=literal)


@pytest.mark.parametrize("question", ["green tea", "?!"])
@pytest.mark.parametrize("top_k", [0, -1, "5", 2.0, True])
def test_a_search_for_an_impossible_number_is_refused(tea: Assistant, question: str, top_k: Any) -> None:
    with pytest.raises(QueryError, match=rf"Expected a whole number .*as top_k, got {top_k!r}\."):
        tea.search(question, top_k=top_k)


def test_a_search_for_more_passages_than_there_are_gives_all(tea: Assistant) -> None:
    assert len(tea.search("green tea", top_k=4)) == 4
    assert tea.search("green tea", top_k=5) == tea.search("green tea", top_k=4)


def test_what_a_search_found_is_ready_for_json(tea: Assistant) -> None:
    found = tea.search("green tea", top_k=2)
    record = json.loads(json.dumps(found.to_dict()))
    assert record == {"results": [json.loads(json.dumps(each.to_dict())) for each in found]}
    assert record["results"][0]["text"] == found[0].text
    assert (record["results"][1]["rank"], record["results"][1]["document"]) == (2, found[1].document)
    assert tea.search("?").to_dict() == {"results": []}


@pytest.mark.parametrize("question", ["", " \n", "?!", "\U0001f9aa", "\u2026"])
def test_a_search_for_nothing_finds_nothing(tea: Assistant, question: str) -> None:
    found = tea.search(question, ["is there green tea?"], top_k=3)
    assert found == ()
    assert isinstance(found, SearchResults)
    assert DISCLAIMER in str(found)


def test_a_passage_that_is_no_slice_of_its_document_is_not_shown(
    tea: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Retriever.results

    def invent(self: Retriever, *args: Any, **options: Any) -> SearchResults:
        found = find(self, *args, **options)
        return SearchResults(dataclasses.replace(r, text=r.text.replace("green", "blue")) for r in found)

    monkeypatch.setattr(Retriever, "results", invent)
    with pytest.raises(DamagedIndexError, match=r"A passage of tea is no slice of it\. Run: b12qa build"):
        tea.ask("green tea")


def test_several_documents_are_quoted_by_name(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    documents = (
        parse_document("tea", "# Tea\n\nGreen tea calms."),
        parse_document("coffee", "# Coffee\n\nBlack coffee wakes."),
    )
    build_index(Corpus(documents, {}), encoder, tmp_path)
    assistant = Assistant(Retriever(open_index(tmp_path), encoder))
    for question, name in (("green tea calms", "tea"), ("black coffee wakes", "coffee")):
        answer = assistant.ask(question)
        assert (answer.quotes[0].document, answer.quotes[0].section_path) == (name, (name.title(),))
        assert_keeps_the_promises(assistant, answer)


def test_a_document_of_one_word_answers(tmp_path: Path) -> None:
    assistant = assistant_for(tmp_path, "Tea")
    assert assistant.ask("tea").quotes[0].text == "Tea"
    assert_keeps_the_promises(assistant, assistant.ask("something else entirely"))


def test_loading_and_asking_write_nothing_anywhere(
    tea: Assistant, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = Assistant(Retriever(open_index(tmp_path / "index"), tea.retriever.encoder))
    again.ask("a very private question", ["another private one"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "private" not in "".join(capfd.readouterr()) + caplog.text


# Loading.


class Loads:
    """Stands in for the model that `load` looks for, and counts what was embedded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.embedded: list[int] = []
        loads = self

        class CountingEncoder(HashingEncoder):
            def encode(self, texts: Sequence[str]) -> FloatMatrix:
                loads.embedded.append(len(texts))
                return super().encode(texts)

        monkeypatch.setattr("b12qa.answering.find_model", lambda model=None: HashingEncoder())
        monkeypatch.setattr("b12qa.answering.load_encoder", lambda model=None: CountingEncoder())


def test_load_builds_only_when_asked_and_only_when_needed(
    tmp_path: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, index = Loads(monkeypatch), tmp_path / "index"
    with pytest.raises(MissingIndexError, match="Run: b12qa build"):
        b12qa.load(index, corpus=small_corpus)
    assert not index.exists()

    progress: list[tuple[int, int]] = []
    assistant = b12qa.load(
        index, corpus=small_corpus, build=True, on_progress=lambda done, total: progress.append((done, total))
    )
    assert progress[-1] == (10, 10)
    assert sum(loads.embedded) == 10
    assert assistant.ask("green tea").quotes[0].text == "green tea"

    loads.embedded.clear()
    b12qa.load(index, corpus=small_corpus, build=True)
    assert loads.embedded == []

    (small_corpus / "tea.md").write_text("# Tea\n\nBlue tea is rare.\n")
    with pytest.raises(StaleIndexError, match=r"another text of tea\.md"):
        b12qa.load(index, corpus=small_corpus)
    assert (
        b12qa.load(index, corpus=small_corpus, build=True).ask("blue tea").quotes[0].text
        == "Blue tea is rare."
    )

    (index / "CURRENT").write_text("damaged")
    with pytest.raises(DamagedIndexError):
        b12qa.load(index, corpus=small_corpus)
    assert b12qa.load(index, corpus=small_corpus, build=True).documents[0].name == "tea"


def test_the_corpus_beside_the_index_is_the_default(
    tmp_path: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Loads(monkeypatch)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for index in (tmp_path / "index", Path("..") / "index", str(tmp_path / "index")):
        assert b12qa.load(index, build=True).documents[0].name == "tea"
        assert corpus_folder(index).resolve() == small_corpus
    shutil.move(small_corpus, elsewhere / "corpus")
    assert corpus_folder(tmp_path / "index").resolve() == elsewhere / "corpus"  # or else the one here
    assert b12qa.load(tmp_path / "index").documents[0].name == "tea"
    assert corpus_folder(tmp_path / "index", "named") == Path("named")


@pytest.mark.parametrize("build", [False, True])
def test_a_corpus_that_is_not_there_is_named(tmp_path: Path, build: bool) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(EmptyCorpusError, match="Name the right folder: --corpus DIR") as refusal:
        b12qa.load(tmp_path / "index", corpus=missing, build=build)
    assert str(missing) in str(refusal.value)
    assert not (tmp_path / "index").exists()


def test_a_model_that_is_not_there_is_named(tmp_path: Path, small_corpus: Path) -> None:
    with pytest.raises(ModelError, match="Expected a folder, or owner/name@revision"):
        b12qa.load(tmp_path / "index", corpus=small_corpus, model="no-such-model", build=True)


def test_a_question_mark_that_nobody_typed_changes_no_answer(assistant: Assistant) -> None:
    for question in ("How much B12 is in mushrooms", "which foods have b12", "can I get B12 from a patch"):
        with_mark, without = assistant.ask(f"{question}?"), assistant.ask(question)
        assert (without.outcome, without.confidence) == (with_mark.outcome, with_mark.confidence)
        assert [quote.text for quote in without.quotes] == [quote.text for quote in with_mark.quotes]
    assert assistant.ask("how much b12 is in mushrooms").outcome is not Outcome.ANSWERED


def test_a_card_for_what_is_only_vague_stands_above_the_answer(assistant: Assistant) -> None:
    answer = assistant.ask("her legs feel funny today, is low b12 a cause of numb legs?")
    assert answer.care_card is not None
    assert answer.care_card.concept == "unsure"
    assert answer.outcome is not Outcome.URGENT
    assert answer.quotes
    assert answer.notices[0].kind is NoticeKind.CARE


NEAR_CHILDREN = (
    ("Can one overdose a child with adult tablets?", "does not mention children's overdose", 0.83),
    ("Which tablets do kids like?", "gives no taste of tablets", 0.8),
    ("Can children take the spray?", "does not mention children", 0.56),
    ("Can children swim?", "does not mention swimming", 0.5),
)


KNOWN = frozenset(terms("vitamin tablets spray"))


@pytest.mark.parametrize(
    ("question", "lowered", "reason"),
    [
        ("can children take it?", 0.0, "does not mention children"),
        ("can a child take too much of it, an overdose?", 0.0, "does not mention children's overdose"),
        ("can children take it?", 0.07, ""),  # none is near any more
        ("how do the tablets taste?", 0.0, "gives no taste of tablets"),
        ("how is it made?", 0.0, ""),  # near, and of something else
    ],
)
def test_what_is_missing_is_what_was_asked_for(question: str, lowered: float, reason: str) -> None:
    near = [(OpenQuestion(text, 0, 0, reason), cosine - lowered) for text, reason, cosine in NEAR_CHILDREN]
    assert reason_for(set(terms(question)), near, KNOWN) == reason


def test_a_reason_may_name_more_than_was_asked_unless_its_question_does() -> None:
    """ "Gives no dose in pregnancy" fits "may I take it in pregnancy?", whose word for a dose is "take"."""
    asked = set(terms("may I take it in pregnancy?"))
    near = OpenQuestion("How much should a woman take in pregnancy?", 0, 0, "gives no dose in pregnancy")
    assert reason_for(asked, [(near, 0.8)], KNOWN) == near.reason
    other = near._replace(text="What is the dose in pregnancy?")
    assert reason_for(asked, [(other, 0.6)], KNOWN) == ""


def test_who_asks_the_same_in_nearly_the_same_words_is_told_the_reason_whatever_it_names() -> None:
    asked = set(terms("who wrote this?"))
    near = OpenQuestion("Who wrote it?", 0, 0, "names no author")
    assert reason_for(asked, [(near, 0.91)], KNOWN) == near.reason
    assert reason_for(asked, [(near, 0.89)], KNOWN) == ""


def test_a_reason_that_an_edit_made_untrue_is_not_given() -> None:
    asked = set(terms("do snails contain it?"))
    near = OpenQuestion("Do snails contain it?", 0, 0, "does not mention snails")
    assert reason_for(asked, [(near, 0.9)], KNOWN) == near.reason
    assert reason_for(asked, [(near, 0.9)], KNOWN | set(terms("snail"))) == ""


def test_a_reason_that_names_nothing_leaves_the_place_to_the_next() -> None:
    asked = set(terms("do snails contain it?"))
    empty = OpenQuestion("Do snails contain it?", 0, 0, "does not say")
    near = OpenQuestion("Is it in snails?", 0, 0, "does not mention snails")
    assert reason_for(asked, [(empty, 0.95), (near, 0.9)], KNOWN) == near.reason


def test_a_reason_that_names_only_what_the_article_names_needs_the_same_question() -> None:
    """Its letter is no word: "does not mention vitamin A" seems to name vitamins alone."""
    near = OpenQuestion("How much retinol is in liver?", 0, 0, "does not mention vitamin A")
    asked = set(terms("which vitamin is it?"))
    assert reason_for(asked, [(near, 0.59)], KNOWN) == ""


@pytest.mark.parametrize(
    ("question", "history", "message"),
    [
        (None, [], "Expected a text as question, got NoneType"),
        (b"tea", [], "Expected a text as question, got bytes"),
        ("is that dangerous?", "I have chest pain", r"got one text\. Write history=\[\.\.\.\]"),
        ("is that dangerous?", None, "Expected a list of earlier questions as history, got NoneType"),
        ("is that dangerous?", b"x", "Expected a list of earlier questions as history, got bytes"),
        ("is that dangerous?", {"x": "y"}, "Expected a list of earlier questions as history, got dict"),
        ("is that dangerous?", {"x", "y"}, "Expected a list of earlier questions as history, got set"),
        ("is that dangerous?", ["tea", 3], "Expected texts in the history, got int"),
    ],
)
def test_what_is_no_text_is_refused_with_words(
    tea: Assistant, question: Any, history: Any, message: str
) -> None:
    for asked in (tea.ask, tea.search):
        with pytest.raises(QueryError, match=message):
            asked(question, history)


def test_a_history_may_be_anything_that_gives_texts(tea: Assistant) -> None:
    texts: Any = (text for text in ["I have chest pain"])
    answer = tea.ask("is that dangerous?", texts)
    assert answer.outcome is Outcome.URGENT


def test_an_assistant_fits_on_one_line(tea: Assistant) -> None:
    assert len(repr(tea)) < 500
