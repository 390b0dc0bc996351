from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY

from b12qa.changes import (
    ALIKE,
    LEAST_WORDS_TO_TELL,
    MAX_MAY_BE,
    MAY_BE,
    NEARLY_ONE,
    NEIGHBOURS,
    SectionChanges,
    Wordings,
    may_be_now,
    most_alike,
    reworded_a_little,
    section_changes,
)
from b12qa.chunking import chunk_documents
from b12qa.corpus import parse_document

TEXT = """# Tea

Tea is a drink made of leaves and hot water.

## Kinds

Green tea is not fermented at all.

Black tea is fermented for several hours.

## Brewing

Wait three minutes.
"""


def changes(before: str, after: str) -> dict[str, SectionChanges]:
    sides = []
    for text in (before, after):
        documents = (parse_document("tea", text),)
        sides += [documents, chunk_documents(documents, lambda text: len(text.split()), 1000).chunks]
    return {change.section_path[-1]: change for change in section_changes(*sides)}  # type: ignore[arg-type]


def section(name: str, **counts: int) -> SectionChanges:
    path = ("Tea",) if name == "Tea" else ("Tea", name)
    return SectionChanges("tea", path, **counts)


def test_the_same_text_has_only_unchanged_passages() -> None:
    assert changes(TEXT, TEXT) == {
        "Tea": section("Tea", unchanged=1),
        "Kinds": section("Kinds", unchanged=2),
        "Brewing": section("Brewing", unchanged=1),
    }
    assert not any(change.any for change in changes(TEXT, TEXT).values())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("at all", "in any way", [section("Kinds", changed=1, unchanged=1)]),
        ("Wait three minutes.", "Boil it twice, then pour.", [section("Brewing", changed=1)]),
        (
            "## Brewing",
            "White tea is rare.\n\n## Brewing",
            [section("Kinds", added=1, unchanged=2)],
        ),
        (
            "Green tea",
            "An entirely new beginning.\n\nGreen tea",
            [section("Kinds", added=1, unchanged=2)],
        ),
        (
            "Green tea is not fermented at all.",
            "A beginning.\n\nGreen tea is hardly fermented at all.",
            [section("Kinds", added=1, changed=1, unchanged=1)],
        ),
        ("Black tea is fermented for several hours.\n\n", "", [section("Kinds", removed=1, unchanged=1)]),
        (
            "\n\n## Brewing\n\n",
            "\n\n## Brewing\n\nBlack tea is fermented for several hours.\n\n",
            [section("Brewing", added=1, unchanged=1)],
        ),
        (
            "## Brewing",
            "## How to brew",
            [section("How to brew", moved=1)],
        ),
    ],
)
def test_every_passage_is_counted_once_where_it_stands(
    before: str, after: str, expected: list[SectionChanges]
) -> None:
    assert before in TEXT
    found = changes(TEXT, TEXT.replace(before, after))
    assert [change for change in found.values() if change.any] == expected


def test_a_passage_moved_to_another_section_is_missed_by_none() -> None:
    green = "Green tea is not fermented at all.\n\n"
    found = changes(TEXT, TEXT.replace(green, "") + "\n" + green)
    assert found["Brewing"] == section("Brewing", moved=1, unchanged=1)
    assert found["Kinds"] == section("Kinds", unchanged=1)


def test_a_section_that_is_gone_comes_last_with_what_it_lost() -> None:
    found = changes(TEXT, TEXT.partition("## Kinds")[0] + "## More\n\nWait three minutes.\n")
    assert list(found) == ["Tea", "More", "Kinds", "Brewing"]
    assert found["More"] == section("More", moved=1)
    assert found["Kinds"] == section("Kinds", removed=2)
    assert found["Brewing"] == section("Brewing")


def test_words_for_people_leave_out_what_did_not_happen() -> None:
    assert str(section("Tea", changed=1, unchanged=3)) == "1 changed, 3 unchanged"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The likeness of all texts that are compared word by word."""
    found: list[float] = []

    class Noting(SequenceMatcher[str]):
        def ratio(self) -> float:
            found.append(super().ratio())
            return found[-1]

    monkeypatch.setattr("b12qa.changes.SequenceMatcher", Noting)
    return found


def test_of_a_large_section_rewritten_few_passages_are_compared(compared: list[float]) -> None:
    before = "# Tea\n\n" + "\n\n".join(f"Tea number {i} is old and good." for i in range(1000))
    found = changes(before, before.replace("good", "bad"))
    assert found["Tea"] == section("Tea", changed=1000)
    assert len(compared) <= 1000 * NEIGHBOURS


def test_of_many_passages_only_those_are_compared_that_may_be_the_most_alike(compared: list[float]) -> None:
    texts = [f"on {i} it is {i * 7} and {i * 31} of {i * 53}" for i in range(200)]
    now = Wordings((text.replace("and", "or") for text in texts), str.split)
    assert [most_alike(text, now) for text in texts] == list(range(200))
    assert len(compared) < 2 * len(texts)


# Texts compared by their words.


sentences = st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=9).map(" ".join), max_size=12)


def in_common(one: str, other: str) -> int:
    return (Counter(one.split()) & Counter(other.split())).total()


@PROPERTY
@given(sentences, sentences)
def test_texts_that_are_not_compared_would_change_nothing(gone: list[str], others: list[str]) -> None:
    """Against each of them compared with each."""
    wordings = Wordings(others)
    for text in gone:
        likeness = [SequenceMatcher(None, text.split(), o.split(), autojunk=False).ratio() for o in others]
        best = max(range(len(others)), key=likeness.__getitem__, default=None)
        assert most_alike(text, wordings) == (best if best is not None and likeness[best] >= ALIKE else None)
        backwards = range(len(others))[::-1]
        best = max(backwards, key=likeness.__getitem__, default=None)
        expected = best if best is not None and likeness[best] >= ALIKE else None
        assert most_alike(text, wordings, backwards) == expected
        shorter = [min(len(text.split()), len(other.split())) for other in others]
        shares = sorted(
            (-in_common(text, other) / least, after)
            for after, (other, least) in enumerate(zip(others, shorter, strict=True))
            if least >= LEAST_WORDS_TO_TELL and in_common(text, other) / least >= MAY_BE
        )
        assert may_be_now(text, wordings) == sorted(after for _, after in shares[:MAX_MAY_BE])
    now: dict[int, int] = {}
    pairs = sorted(
        (-in_common(text, other) / ((len(text.split()) + len(other.split())) / 2), before, after)
        for before, text in enumerate(gone)
        for after, other in enumerate(others)
    )
    for share, before, after in pairs:
        if -share >= NEARLY_ONE and before not in now and after not in now.values():
            now[before] = after
    for before, text in enumerate(gone):
        holding = [after for after, other in enumerate(others) if f" {text} " in f" {other} "]
        if before not in now and holding and len(text.split()) >= LEAST_WORDS_TO_TELL:
            now[before] = holding[0]
    assert reworded_a_little(gone, wordings) == now


def test_each_text_is_taken_apart_once() -> None:
    apart: Counter[str] = Counter()

    def words_of(text: str) -> list[str]:
        apart[text] += 1
        return text.split()

    others = Wordings([f"tea number {i} is old and good" for i in range(50)], words_of)
    gone = [f"tea number {i} was old and bad" for i in range(50)]
    for text in gone:
        assert len(may_be_now(text, others)) == MAX_MAY_BE
        assert most_alike(text, others) is not None
    assert len(reworded_a_little(gone, others)) == 50
    assert {apart[text] for text in gone} == {3}  # once for each of the three
    assert apart.total() == 50 + 3 * 50
