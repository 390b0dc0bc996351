from __future__ import annotations

import math
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY

from b12qa.errors import YamlError
from b12qa.redflags import load_red_flags
from b12qa.wording import (
    ALWAYS,
    MIN_LENGTH,
    WORDING_FILE,
    load_wording,
    points_of,
    read_wording,
    wordings_of,
)

READ = load_red_flags().reader.read
POINTS = {"<begins> i": 6, "faint": 8, "faint <ends>": 12, "ago": -30, "<asks>": -4, "<stops>": 3, ALWAYS: 1}
TEXTS = st.lists(
    st.sampled_from(["I faint", "years ago", "I", "faint", "ago", ".", "?", "7", "tea tea tea"]), max_size=12
).map(" ".join)


def points(message: str) -> tuple[int, int]:
    return points_of(READ(message), POINTS)


def test_words_and_pairs_add_up_and_are_divided_by_the_root_of_the_length() -> None:
    assert points("I faint") == (1 + round(26 / math.sqrt(5)),) * 2  # four with both ends
    assert points("does a lack of it make me faint?") == (1 + round((8 - 4) / math.sqrt(11)),) * 2


def test_a_word_that_is_negated_is_another_word() -> None:
    names, _ = wordings_of(READ("no pain today, my foot hurts"))
    assert {"no", "~pain", "no ~pain", "hurts"} <= names
    assert "pain" not in names
    of_faint = {"faint": 10, "~faint": -10}
    said, denied = (points_of(READ(text), of_faint).whole for text in ("I faint", "I do not faint"))
    assert said > 0 > denied


def test_a_word_said_twice_counts_once() -> None:
    whole, _ = points("ago " * 50)
    assert whole == 1 + round(-30 / math.sqrt(52))


@given(TEXTS)
@PROPERTY
def test_the_whole_is_what_its_wordings_add_up_to(message: str) -> None:
    names, length = wordings_of(READ(message))
    total = sum(POINTS.get(name, 0) for name in names)
    assert points(message)[0] == 1 + round(total / math.sqrt(max(length, MIN_LENGTH)))


@given(
    st.lists(st.sampled_from(["I faint", "years ago", "I", "faint", "7"]), min_size=1, max_size=6),
    st.lists(st.sampled_from(["It was years ago", "We had tea", "He left"]), max_size=30),
)
@PROPERTY
def test_no_sentence_loses_its_points_by_what_stands_around_it(said: list[str], around: list[str]) -> None:
    sentence = " ".join(said)
    alone, _ = points(sentence)
    assert points(". ".join([*around, sentence, *around]))[1] >= alone


SENTENCES = st.lists(st.sampled_from(["I", "faint", "ago", "7"]), min_size=1, max_size=5).map(" ".join)


@given(SENTENCES, SENTENCES)
@PROPERTY
def test_two_sentences_are_the_whole_of_a_message_of_two(one: str, other: str) -> None:
    whole, part = points(f"{one}. {other}")
    assert part == max(whole, points(one)[0], points(other)[0])


def test_the_packaged_points_are_of_words_and_pairs() -> None:
    assert load_wording()[ALWAYS]
    assert load_wording()["tonight"] > 0 > load_wording()["years ago"]
    data = (files("b12qa") / "data" / WORDING_FILE).read_bytes()
    assert read_wording(data, WORDING_FILE) == dict(load_wording())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3: [faint]\n-3: [faint]\n", "'faint' stands here twice"),
        ("many: [faint]\n", "expected a number as points, got 'many'"),
        ("- faint\n", "expected lists of wordings by points"),
        ("3: faint\n", "expected"),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(YamlError, match=message):
        read_wording(text.encode(), "w.yaml")
