"""Pairs of texts that are copies, or that seem to disagree."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import HashingEncoder

from b12qa.building import build_index
from b12qa.comparing import Pair, Quantity, copies, disagreements, overlap, quantities
from b12qa.corpus import read_corpus
from b12qa.index import Index, open_index
from b12qa.records import Chunk, Sentence


def index_of(folder: Path, text: str, bank: str = "") -> Index:
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "text.md").write_bytes(text.encode())
    if bank:
        (corpus / "text.questions.yaml").write_bytes(bank.encode())
    build_index(read_corpus(corpus), HashingEncoder(max_tokens=256), folder / "index")
    return open_index(folder / "index")


def words(index: Index, row: Chunk | Sentence) -> str:
    return index.documents[row.document].text[row.start : row.end]


def sides(index: Index, pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(words(index, pair.first), words(index, pair.second)) for pair in pairs]


# Quantities.

DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("within 2-4 weeks", [("2-4 weeks", "time", 14 * DAY, 28 * DAY)]),
        ("for three months", [("three months", "time", 91.3125 * DAY, 91.3125 * DAY)]),
        ("a 30-day trial", [("30-day", "time", 30 * DAY, 30 * DAY)]),
        ("17 mcg and 14.9 mcg", [("17 mcg", "mass", 17, 17), ("14.9 mcg", "mass", 14.9, 14.9)]),
        ("from 0.6 to 6.1 mcg", [("0.6 to 6.1 mcg", "mass", 0.6, 6.1)]),
        ("1,000 mg", [("1,000 mg", "mass", 1e6, 1e6)]),
        ("up to 93% of them", [("93%", "share", 93, 93)]),
        ("6 to 5 %", [("6 to 5 %", "share", 5, 6)]),
        ("90.5 degrees", [("90.5 degrees", "temperature", 90.5, 90.5)]),
        ("since 1998", [("1998", "", 1998, 1998)]),
        ("one of them", []),
        ("vitamin B12", []),
        ("version 1.2.3", []),
        ("5 meals", [("5", "", 5, 5)]),
        ("5 per cent", [("5 per cent", "share", 5, 5)]),
        ("3,5 mg", []),  # a decimal comma is not read, and not read wrongly
    ],
)
def test_quantities(text: str, expected: list[tuple[str, str, float, float]]) -> None:
    assert quantities(text) == [Quantity(*values) for values in expected]


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        ("2-4 weeks", "3 months", False),
        ("2-4 weeks", "one month", False),
        ("4 weeks", "30 days", False),
        ("3 months", "90 days", True),
        ("12 months", "1 year", True),
        ("2-4 weeks", "20 days", True),
        ("1 mg", "1000 mcg", True),
        ("1 mg", "1000 ml", False),
        ("1990", "1991", False),
        ("40 %", "40 percent", True),
    ],
)
def test_quantities_agree_when_their_ranges_touch(first: str, second: str, agree: bool) -> None:
    (a,), (b,) = quantities(first), quantities(second)
    assert a.agrees(b) is agree
    assert b.agrees(a) is agree


def test_overlap_is_the_share_of_common_words() -> None:
    assert overlap(["a", "b", "b"], ["b", "c"]) == pytest.approx(1 / 3)
    assert overlap([], []) == 0


# Disagreements.


def test_other_quantities_on_one_topic_are_a_pair_with_its_reason(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        "# Tea\n\nMost guests taste the difference within 2-4 weeks. Porcelain keeps heat.\n\n"
        "## Later\n\nMost guests taste the difference within 3 months.\n",
    )
    (pair,) = disagreements(index)
    assert sides(index, [pair]) == [
        (
            "Most guests taste the difference within 2-4 weeks.",
            "Most guests taste the difference within 3 months.",
        )
    ]
    assert (
        pair.reason == "Both speak of guests, taste and difference; one says 2-4 weeks, the other 3 months."
    )


def test_a_quantity_that_both_give_is_no_disagreement(tmp_path: Path) -> None:
    text = "Green tea steeps for 3 months in the cellar.\n\nGreen tea steeps for 90 days in the cellar.\n"
    assert disagreements(index_of(tmp_path, text)) == []


def test_a_not_in_one_of_two_like_sentences_is_a_pair(tmp_path: Path) -> None:
    text = "Green tea keeps guests awake.\n\nGreen tea doesn’t keep guests awake.\n\nTea is not coffee.\n"
    index = index_of(tmp_path, text)
    (pair,) = disagreements(index)
    assert (
        pair.reason == "Both speak of green, keeps and guests; one says “doesn’t”, the other nothing like it."
    )


def test_bare_numbers_count_between_sentences_that_are_worded_alike(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        "The old tea house opened in 1990.\n\nThe old tea house opened in 1991.\n\n"
        "In 1850 a tea house of another family stood at the harbour with twenty old tables.\n",
    )
    (pair,) = disagreements(index)
    assert pair.reason.endswith("; one says 1990, the other 1991.")
    assert copies(index) == []  # what disagrees is no copy


def test_sentences_that_answer_the_same_questions_are_on_one_topic(tmp_path: Path) -> None:
    text = (
        "Guests feel calm after 2 weeks.\n\nA calm mood sets in with guests once 3 months of sipping pass.\n"
    )
    questions = "questions: [when does it start to work?, how soon will it work on me?, how long to work?]"
    bank = "sentences:\n" + "".join(
        f"- sentence: {sentence}\n  {questions}\n" for sentence in text.strip().split("\n\n")
    )
    assert disagreements(index_of(tmp_path, text)) == []
    other = tmp_path / "with-bank"
    other.mkdir()
    (pair,) = disagreements(index_of(other, text, bank.replace("me?, how", "you?, how", 1)))
    assert pair.reason == "Both speak of guests and calm; one says 2 weeks, the other 3 months."


# Copies.

COPIED = "Warm the porcelain pot before the leaves go in. Pour the water slowly over them."


def test_a_passage_that_stands_there_twice_is_one_pair(tmp_path: Path) -> None:
    index = index_of(tmp_path, f"# Tea\n\n{COPIED}\n\nTea is a drink.\n\n{COPIED}\n")
    (pair,) = copies(index)
    assert isinstance(pair.first, Chunk)  # and not once more for each sentence
    assert sides(index, [pair]) == [(COPIED, COPIED)]
    assert pair.reason == "Word for word the same."


def test_a_sentence_that_two_passages_share_is_a_pair(tmp_path: Path) -> None:
    sentence = "Warm the porcelain pot before the leaves go in."
    index = index_of(
        tmp_path,
        f"{sentence} Then boil fresh spring water in a kettle of iron.\n\n"
        f"Guests bring cake, biscuits and jam on Sundays. {sentence}\n",
    )
    (pair,) = copies(index)
    assert isinstance(pair.first, Sentence)
    assert sides(index, [pair]) == [(sentence, sentence)]


def test_a_copy_with_one_word_changed_says_how_much_is_the_same(tmp_path: Path) -> None:
    changed = COPIED.replace("slowly", "quickly")
    index = index_of(tmp_path, f"{COPIED}\n\n{changed}\n")
    assert copies(index)[-1].reason == "86% of their words are the same."


def test_short_texts_are_no_copies(tmp_path: Path) -> None:
    assert copies(index_of(tmp_path, "- green tea\n- green tea\n")) == []
