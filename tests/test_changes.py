from __future__ import annotations

import time

import pytest

from b12qa.changes import SectionChanges, section_changes
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


def test_a_large_section_rewritten_is_compared_quickly() -> None:
    before = "# Tea\n\n" + "\n\n".join(f"Tea number {i} is old and good." for i in range(1000))
    started = time.perf_counter()
    found = changes(before, before.replace("good", "bad"))
    assert found["Tea"] == section("Tea", changed=1000)
    assert time.perf_counter() - started < 5
