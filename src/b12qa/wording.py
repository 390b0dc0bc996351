"""How a message is worded → points: what its words, and each two that follow one another, add up to.

The rules for red flags look at some words near each other. "I fainted" is all that they see of "I fainted
once, in assembly, sixty years ago"; this looks at all the rest. The sum is divided by the root of the length,
so that a long message has no more points than a short one. It is made of the whole message, and of each of
its sentences, alone and with the next: what somebody says in between must not be lost in what they say around
it. The points are ``data/red-flag-wordings.yaml``, found by evals/fit_red_flags.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from b12qa import compiled
from b12qa.errors import YamlError
from b12qa.strict_yaml import compose, texts_by_number

WORDING_FILE = "red-flag-wordings.yaml"
# What is no word, as it stands in the file.
BEGINS, ENDS, STOPS = "<begins>", "<ends>", "<stops>"
NUMBER, ASKS = "<number>", "<asks>"
# Stands before a word that is negated, without a blank.
NOT = "~"
# What any message has; it is not divided.
ALWAYS = "<always>"
# A shorter message is divided by the root of this: there is little to judge by.
MIN_LENGTH = 5
SENTENCES_OF_A_LONG_MESSAGE = 5


class Worded(Protocol):
    """A message as words."""

    text: list[str]  # one by one
    sentence: list[int]  # the number of the sentence of each
    question_mark: bool  # whether there is one anywhere

    def negated(self) -> set[int]:
        """Which of the words are negated."""


def load_wording() -> Mapping[str, int]:
    """The points that come with the package, by word or pair of words."""
    points: dict[str, int] = compiled.rules(WORDING_FILE, read_wording)
    return points


def read_wording(data: bytes, file: str) -> dict[str, int]:
    """Read points.

    Args:
        file: the name for messages.

    Raises:
        YamlError: the file is not of the form that its head explains.
    """
    points: dict[str, int] = {}
    for text, number in texts_by_number(compose(data, file), "wordings", file):
        if text.text in points:
            raise YamlError(file, text.line, f"{text.text!r} stands here twice", "Remove one of them.")
        points[text.text] = number
    return points


class WordingPoints(NamedTuple):
    """What the wording of a message adds up to."""

    whole: int
    part: int  # of the sentence, or the two neighbouring ones, that have most, as if they were all


def points_of(message: Worded, points: Mapping[str, int]) -> WordingPoints:
    """The points of a message."""
    own_signs = [ASKS, ENDS] if message.question_mark else [ENDS]
    sentences = [tokens for tokens in _sentences(message) if tokens]
    always = points.get(ALWAYS, 0)
    if not sentences:
        total = sum(_known([BEGINS, *own_signs], points).values())
        empty = always + round(total / math.sqrt(MIN_LENGTH))
        return WordingPoints(empty, empty)
    known = [_known(tokens, points) for tokens in sentences]
    sums = [sum(found.values()) for found in known]
    lengths = [len(tokens) + 1 for tokens in sentences]
    begins = [points.get(BEGINS, 0) + points.get(f"{BEGINS} {tokens[0]}", 0) for tokens in sentences]

    # What the whole has, and what each two neighbouring sentences add up to.
    everything: dict[str, int] = {}
    of_two: list[int] = []
    for i, (one, other) in enumerate(pairwise(known)):
        stop = _known([sentences[i][-1], STOPS, sentences[i + 1][0]], points)
        everything |= one
        everything |= stop
        # What both sentences have counts once, and so do the words on both sides of the stop.
        new = sum(n for wording, n in stop.items() if wording not in one and wording not in other)
        of_two.append(sums[i] + sums[i + 1] + new - sum(points[w] for w in one.keys() & other.keys()))
    everything |= known[-1]

    def divided(total: int, length: int) -> float:
        return total / math.sqrt(max(length, MIN_LENGTH))

    def ends_with(signs: Sequence[str]) -> list[int]:
        """What it adds to end with these signs, for each sentence."""
        of_signs = sum(_known(signs, points).values())
        return [of_signs + points.get(f"{tokens[-1]} {signs[0]}", 0) for tokens in sentences]

    whole = begins[0] + sum(everything.values()) + ends_with(own_signs)[-1]
    best = -math.inf
    # In a long message a question mark says little of one sentence.
    for signs in (own_signs, [ENDS]) if len(sentences) > SENTENCES_OF_A_LONG_MESSAGE else (own_signs,):
        ends, more = ends_with(signs), len(signs)
        for i, of_one in enumerate(sums):
            best = max(best, divided(begins[i] + of_one + ends[i], lengths[i] + more))
        for i, total in enumerate(of_two):
            length = lengths[i] + lengths[i + 1] + more
            best = max(best, divided(begins[i] + total + ends[i + 1], length))
    of_whole = divided(whole, sum(lengths) + len(own_signs))
    return WordingPoints(always + round(of_whole), always + round(best))


def wordings_of(message: Worded) -> tuple[set[str], int]:
    """The words of a message, and each two that follow one another with a blank between them; its length.

    What is no word and matters too, such as the end of a sentence, counts as a word.
    """
    tokens = [BEGINS]
    for number, sentence in enumerate(_sentences(message)):
        tokens += [STOPS, *sentence] if number else sentence
    tokens += [ASKS, ENDS] if message.question_mark else [ENDS]
    return {*tokens, *map(" ".join, pairwise(tokens))}, len(tokens)


def _known(tokens: Sequence[str], points: Mapping[str, int]) -> dict[str, int]:
    """The wordings that have points, each once."""
    wordings = (*tokens, *map(" ".join, pairwise(tokens)))
    return {wording: points[wording] for wording in wordings if wording in points}


def _sentences(message: Worded) -> Iterator[list[str]]:
    """The words of each sentence; one without words, if there is none."""
    tokens: list[str] = []
    of = message.sentence[0] if message.sentence else 0
    negated = message.negated()
    for i, (word, number) in enumerate(zip(message.text, message.sentence, strict=True)):
        if number != of:
            yield tokens
            tokens, of = [], number
        token = NUMBER if word.replace(".", "").isdigit() else word
        tokens.append(NOT + token if i in negated else token)
    yield tokens
