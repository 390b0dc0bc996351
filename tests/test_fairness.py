from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from bare import bare_index, passage_of, words_of
from conftest import ROOT
from hypothesis import given
from strategies import PROPERTY, markdown_texts

from b12qa.chunking import units
from b12qa.corpus import read_corpus
from b12qa.errors import DamagedIndexError
from b12qa.fairness import leaned_on, leans, quote_passage, quote_sentences, rows_in
from b12qa.index import Index
from b12qa.records import Passage, Quote, QuoteRole, Span


@pytest.mark.parametrize(
    "words",
    [
        "However, it is dear.",
        "This helps.",
        "These changes come late.",
        "They match it.",
        "It has 40 mg.",
        "Such cases are rare.",
        "Simultaneously, acid builds up.",
        "First, warm the pot.",
        "Secondly, wait.",
        "Patients on these medications need more.",
        "Because of this, wait.",
        "If they hurt, stop.",
        "In contrast, tea is cheap.",
        "On the other hand, tea is cheap.",
        "The latter is cheap.",
        "“But why?”",
        "(Also in winter.)",
    ],
)
def test_a_sentence_that_points_back_leans(words: str) -> None:
    assert leans(words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "…",
        "Tea is a drink.",
        "First aid comes first.",
        "Still water runs deep.",
        "Although tea is cheap, few drink it.",
        "Those with weak hearts should ask first.",
        "Itching may follow.",
        "Thistles grow here.",
        "The first cup is best.",
        "Water boils at 100 degrees, and this is hot.",
    ],
)
def test_a_sentence_that_stands_alone_does_not(words: str) -> None:
    assert not leans(words)


TEXT = """# Tea

Tea is dear. It is good. However, it is hot.

They like it. Wait.

## Kinds

These vary.

Mind:

- It is hot. This hurts.
- Cold tea.
"""


def shown(quote: Quote) -> list[str]:
    return [*(excerpt.text for excerpt in quote.context), quote.text]


def highlighted(index: Index, quote: Quote) -> list[str]:
    return [index.documents[0].text[a:b] for a, b in quote.highlights]


def test_what_a_sentence_leans_on_is_found_transitively_and_ends_at_the_heading() -> None:
    index = bare_index(TEXT)
    words = [words_of(index, row) for row in range(len(index.sentences))]
    brought = {words[row]: [words[r] for r in leaned_on(index, row)] for row in range(len(words))}
    assert brought == {
        "Tea is dear.": [],
        "It is good.": ["Tea is dear."],
        "However, it is hot.": ["Tea is dear.", "It is good."],
        "They like it.": ["Tea is dear.", "It is good.", "However, it is hot."],
        "Wait.": [],
        "These vary.": [],  # the heading is all that it can mean
        "Mind:": [],
        "It is hot.": [],  # the lead-in of its list introduces it
        "This hurts.": ["It is hot."],
        "Cold tea.": [],
    }


def test_a_highlight_extends_to_what_its_sentence_leans_on_and_the_found_one_comes_first() -> None:
    index = bare_index(TEXT)
    quote = quote_passage(index, passage_of(index, 2))
    assert shown(quote) == ["Tea is dear. It is good. However, it is hot."]
    assert highlighted(index, quote) == ["However, it is hot.", "Tea is dear.", "It is good."]


def test_a_passage_that_leans_on_the_one_before_shows_its_last_sentences_above() -> None:
    index = bare_index(TEXT)
    quote = quote_passage(index, passage_of(index, 4))
    assert shown(quote) == ["Tea is dear.", "It is good.", "However, it is hot.", "They like it. Wait."]
    assert highlighted(index, quote) == ["Wait."]


def test_a_sentence_cut_out_of_its_passage_brings_what_it_leans_on() -> None:
    index = bare_index(TEXT)
    quote = quote_sentences(index, [1], QuoteRole.PARTNER)
    assert (shown(quote), quote.role) == (["Tea is dear. It is good."], QuoteRole.PARTNER)
    assert highlighted(index, quote) == ["It is good.", "Tea is dear."]
    assert shown(quote_sentences(index, [4], QuoteRole.PARTNER)) == ["Wait."]


def test_a_list_item_brings_its_lead_in() -> None:
    index = bare_index(TEXT)
    assert shown(quote_passage(index, passage_of(index, 8))) == ["Mind:", "It is hot. This hurts."]
    assert shown(quote_sentences(index, [9], QuoteRole.PARTNER)) == ["Mind:", "Cold tea."]


def test_a_sentence_that_the_model_cannot_read_whole_is_quoted_whole() -> None:
    long = "Tea " + "and milk " * 40 + "is not safe."
    index = bare_index(f"Before it. {long} After it.", max_tokens=16)
    assert len(index.chunks) > 5
    for row in range(1, len(index.sentences) - 1):
        quote = quote_passage(index, passage_of(index, row))
        assert long in quote.text
        assert highlighted(index, quote) == [long]


def test_quoting_cuts_no_text_into_sentences_again(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "It is tea " + "and milk " * 40 + "and is not safe."
    index = bare_index(f"Tea is dear.\n\nIt is good. {long} After it.", max_tokens=16)
    monkeypatch.setitem(sys.modules, "sentencex", None)  # what cuts cannot be imported any more
    for row in range(len(index.sentences)):
        assert quote_passage(index, passage_of(index, row)).highlights
        assert quote_sentences(index, [row], QuoteRole.PARTNER).highlights


def test_a_passage_that_is_no_slice_of_its_document_is_refused() -> None:
    index = bare_index(TEXT)
    other = Passage(text="Tea is free.", start=7, end=19, document="text")
    with pytest.raises(DamagedIndexError, match="no slice of it"):
        quote_passage(index, other)


def assert_fair(index: Index, quote: Quote, whole: Sequence[Span]) -> None:
    """Nothing is cut inside a sentence, and nothing that leans stands without what it leans on."""
    document = index.documents[0]
    assert quote.text == document.text[quote.start : quote.end] != ""
    parts = [Span(excerpt.start, excerpt.end) for excerpt in (*quote.context, quote)]
    assert parts == sorted(parts)
    for start, end in (*parts, *quote.highlights):
        assert not [unit for unit in whole if cuts(unit, start, end)]
    seen = [row for part in parts for row in rows_in(index, 0, *part)]
    chunk = index.chunks[index.sentences[rows_in(index, 0, quote.start, quote.end)[0]].chunk]
    for part in parts:
        for row in rows_in(index, 0, *part):
            assert chunk.context or set(leaned_on(index, row)) <= set(seen)
    for span in quote.highlights:
        for row in rows_in(index, 0, *span):
            own = [r for r in leaned_on(index, row) if index.sentences[r].start >= quote.start]
            marked = [r for other in quote.highlights for r in rows_in(index, 0, *other)]
            assert set(own) <= set(marked)


@pytest.mark.parametrize(("language", "leaned"), [("en", (0,)), ("de", ())])
def test_words_that_lean_are_english(language: str, leaned: tuple[int, ...]) -> None:
    text = f"---\nlanguage: {language}\n---\nTee ist warm. Also, Kaffee ist es auch.\n"
    index = bare_index(text)
    assert leaned_on(index, 1) == leaned


def units_in(index: Index) -> list[Span]:
    return [unit for block in index.documents[0].blocks for unit in units(index.documents[0], block)]


def cuts(unit: Span, start: int, end: int) -> bool:
    return unit.start < start < unit.end or unit.start < end < unit.end


@pytest.mark.parametrize("max_tokens", [32, 1000])
def test_every_sentence_of_the_article_is_quoted_fairly(max_tokens: int) -> None:
    (article,) = read_corpus(ROOT / "corpus").documents
    index = bare_index(article, max_tokens)
    assert max_tokens < 1000 or len(index.sentences) == 115
    whole = units_in(index)
    for row, sentence in enumerate(index.sentences):
        for quote in (
            quote_passage(index, passage_of(index, row)),
            quote_sentences(index, [row], QuoteRole.PARTNER),
        ):
            assert_fair(index, quote, whole)
            first = quote.highlights[0]
            assert first.start <= sentence.start < sentence.end <= first.end


@PROPERTY
@given(markdown_texts)
def test_every_passage_and_sentence_of_any_document_is_quoted_fairly(text: str) -> None:
    index = bare_index(text)
    whole = units_in(index)
    for row in range(len(index.sentences)):
        assert_fair(index, quote_passage(index, passage_of(index, row)), whole)
        assert_fair(index, quote_sentences(index, [row], QuoteRole.PARTNER), whole)
