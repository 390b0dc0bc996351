"""Index → pairs of texts that an editor should look at: copies, and what seems to disagree.

A pair is found by its embeddings and judged by its words. Nothing here claims that a pair is wrong:
two sentences may well give different numbers for different things.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.index import Index
from b12qa.lexical import terms, words
from b12qa.records import Chunk, Sentence
from b12qa.vectors import Vectors

NEIGHBOURS = 20
ROWS_AT_ONCE = 1024
# A copy has nearly the same vector and nearly the same words; very short texts are alike by chance.
COPY_COSINE = 0.85
COPY_OVERLAP = 0.8
MIN_COPY_TERMS = 3
# One topic: near each other, with words in common. Set by looking at the pairs of the article.
TOPIC_COSINE = 0.55
MIN_SHARED_TERMS = 2
SHOWN_TERMS = 3
# A bare number, or a "not", tells something only between sentences that are worded alike.
ALIKE_OVERLAP = 0.4
# Ninety days and three months are the same.
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts to look at side by side."""

    first: Chunk | Sentence
    second: Chunk | Sentence
    cosine: float
    reason: str  # one sentence


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or a range as it is written, and as it can be compared."""

    text: str
    dimension: str  # "time", "mass", …; "" for a bare number
    low: float  # in the first unit of the dimension
    high: float

    def agrees(self, other: Quantity) -> bool:
        """Whether the two ranges touch, give or take a little."""
        tolerance = TOLERANCE if self.dimension else 0.0
        return (
            self.dimension == other.dimension
            and self.low <= other.high * (1 + tolerance)
            and other.low <= self.high * (1 + tolerance)
        )


def copies(index: Index) -> list[Pair]:
    """Passages that are nearly identical, and sentences that two other passages share; nearest first."""
    passages = list(_copies(index, index.chunks, index.chunk_vectors))
    copied = {(pair.first, pair.second) for pair in passages}
    sentences = [
        pair
        for pair in _copies(index, index.sentences, index.sentence_vectors)
        if _passages(index, pair) not in copied
    ]
    return sorted([*passages, *sentences], key=lambda pair: -pair.cosine)


def disagreements(index: Index) -> list[Pair]:
    """Sentences on one topic whose quantities differ, or of which one says "not"; nearest first."""
    counts = Counter(term for sentence in index.sentences for term in set(terms(index.plain_text(sentence))))
    pairs = []
    for first, second, cosine in _near(_asked_for(index), TOPIC_COSINE):
        a, b = index.sentences[first], index.sentences[second]
        reason = _disagreement(index.plain_text(a), index.plain_text(b), counts)
        if reason:
            pairs.append(Pair(a, b, cosine, reason))
    return sorted(pairs, key=lambda pair: -pair.cosine)


def _copies(index: Index, rows: Sequence[Chunk] | Sequence[Sentence], vectors: Vectors) -> Iterator[Pair]:
    for first, second, cosine in _near(_all(vectors), COPY_COSINE):
        a, b = index.plain_text(rows[first]), index.plain_text(rows[second])
        shared = overlap(words(a), words(b))
        enough = min(len(terms(a)), len(terms(b))) >= MIN_COPY_TERMS
        if enough and shared >= COPY_OVERLAP and not _differing(quantities(a), quantities(b)):
            reason = (
                "Word for word the same." if shared == 1 else f"{shared:.0%} of their words are the same."
            )
            yield Pair(rows[first], rows[second], cosine, reason)


def _asked_for(index: Index) -> FloatMatrix:
    """What each sentence answers: the mean direction of the sentence and its questions in the bank.

    Two sentences that answer the same questions are nearer by it than by their own words.
    """
    sums = _all(index.sentence_vectors)
    answered = np.array([question.sentence for question in index.questions], dtype=int)
    np.add.at(sums, answered, _all(index.question_vectors))
    means: FloatMatrix = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return means


def _all(vectors: Vectors) -> FloatMatrix:
    rows: FloatMatrix = vectors.reconstruct_n(0, vectors.ntotal)
    return rows


def _near(embeddings: FloatMatrix, least: float) -> Iterator[tuple[int, int, float]]:
    """Rows that are near each other, each pair once: the lower row first, and the cosine."""
    seen: set[tuple[int, int]] = set()
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        cosines = embeddings[start : start + ROWS_AT_ONCE] @ embeddings.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -1
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
        for row, place in np.argwhere(np.take_along_axis(cosines, nearest, axis=1) >= least):
            other = int(nearest[row, place])
            pair = (min(start + int(row), other), max(start + int(row), other))
            if pair not in seen:
                seen.add(pair)
                yield *pair, float(cosines[row, other])


def _passages(index: Index, pair: Pair) -> tuple[Chunk | Sentence, Chunk | Sentence]:
    first, second = (
        index.chunks[row.chunk] if isinstance(row, Sentence) else row for row in (pair.first, pair.second)
    )
    return first, second


def overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """The share of different words that two texts have in common, 0 to 1.

    Source: Jaccard, 1912, doi:10.1111/j.1469-8137.1912.tb05611.x.
    """
    a, b = set(first), set(second)
    return len(a & b) / len(a | b) if a | b else 0.0


# Why two sentences seem to disagree.

_NEGATION = re.compile(r"\b(?:not|no|never|without|cannot|neither|nor|none|\w{1,12}n['’]t)\b", re.IGNORECASE)


def _disagreement(first: str, second: str, counts: Mapping[str, int]) -> str:
    """The reason to look at two sentences; empty if there is none."""
    topic = _topic(first, second, counts)
    if len(topic) < MIN_SHARED_TERMS:
        return ""
    about = f"Both speak of {_listed(topic[:SHOWN_TERMS])}"
    alike = overlap(terms(first), terms(second)) >= ALIKE_OVERLAP
    differing = _differing(quantities(first), quantities(second), bare=alike)
    if differing:
        ours, theirs = (_listed(dict.fromkeys(q.text for q in side)) for side in differing)
        return f"{about}; one says {ours}, the other {theirs}."
    negations = [_NEGATION.search(text) for text in (first, second)]
    said = next((found[0] for found in negations if found), "")
    if alike and said and not all(negations):
        return f"{about}; one says “{said}”, the other nothing like it."
    return ""


def _differing(
    first: Sequence[Quantity], second: Sequence[Quantity], *, bare: bool = True
) -> tuple[list[Quantity], list[Quantity]] | None:
    """The quantities of the first dimension in which two sentences have no value in common."""
    for dimension in dict.fromkeys(quantity.dimension for quantity in first):
        ours = [quantity for quantity in first if quantity.dimension == dimension]
        theirs = [quantity for quantity in second if quantity.dimension == dimension]
        agreed = any(a.agrees(b) for a in ours for b in theirs)
        if theirs and not agreed and (dimension or bare):
            return ours, theirs
    return None


def _topic(first: str, second: str, counts: Mapping[str, int]) -> list[str]:
    """The words that two sentences share, as the first one writes them; the rarest first."""
    common = set(terms(first)) & set(terms(second))
    written: dict[str, str] = {}
    for word in words(first):
        stem = next(iter(terms(word)), "")
        if stem in common and not word[0].isdigit() and word not in _UNITS and word not in _NUMBERS:
            written.setdefault(stem, word)
    return [written[stem] for stem in sorted(written, key=lambda stem: counts[stem])]


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


# Quantities.

_NUMBER_WORDS = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_NUMBERS = {word: number for number, word in enumerate(_NUMBER_WORDS, start=1)}
# How many of the first unit each unit holds.
_DIMENSIONS: dict[str, dict[str, float]] = {
    "time": {
        **dict.fromkeys(("second", "seconds"), 1),
        **dict.fromkeys(("min", "minute", "minutes"), 60),
        **dict.fromkeys(("h", "hour", "hours"), 3600),
        **dict.fromkeys(("day", "days"), 86_400),
        **dict.fromkeys(("week", "weeks"), 7 * 86_400),
        **dict.fromkeys(("month", "months"), 365.25 / 12 * 86_400),
        **dict.fromkeys(("year", "years"), 365.25 * 86_400),
    },
    "mass": {
        **dict.fromkeys(("mcg", "µg", "μg", "microgram", "micrograms"), 1),
        **dict.fromkeys(("mg", "milligram", "milligrams"), 1e3),
        **dict.fromkeys(("g", "gram", "grams"), 1e6),
        **dict.fromkeys(("kg", "kilogram", "kilograms"), 1e9),
    },
    "volume": {
        **dict.fromkeys(("ml", "millilitre", "millilitres", "milliliter", "milliliters"), 1),
        **dict.fromkeys(("l", "litre", "litres", "liter", "liters"), 1e3),
    },
    "length": {
        **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 1),
        **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 10),
        **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1e3),
        **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1e6),
    },
    "temperature": dict.fromkeys(("°", "°c", "degree", "degrees"), 1),
    "share": dict.fromkeys(("%", "percent", "per cent"), 1),
}
_UNITS = {unit: (name, size) for name, units in _DIMENSIONS.items() for unit, size in units.items()}
_NUMBER = rf"(?:\d+(?:,\d{{3}})*(?:\.\d+)?|\b(?:{'|'.join(_NUMBERS)})\b)"
_QUANTITY = re.compile(
    rf"(?<![\w.,])({_NUMBER})(?:\s?(?:-|–|to|or)\s?({_NUMBER}))?"
    rf"(?:[\s-]?({'|'.join(sorted(map(re.escape, _UNITS), key=len, reverse=True))})(?!\w))?(?!\w|[.,]\d)",
    re.IGNORECASE,
)


def quantities(text: str) -> list[Quantity]:
    """The numbers of a text with their units: "2-4 weeks", "17 mcg", "93%"; in words up to twelve."""
    return [
        _quantity(match)
        for match in _QUANTITY.finditer(text)
        if match[3] or match[1][0].isdigit()  # a bare "one" is no number
    ]


def _quantity(match: re.Match[str]) -> Quantity:
    dimension, size = _UNITS[match[3].lower()] if match[3] else ("", 1.0)
    low, high = (_value(number) * size for number in (match[1], match[2] or match[1]))
    return Quantity(match[0], dimension, min(low, high), max(low, high))


def _value(number: str) -> float:
    return float(_NUMBERS.get(number.lower()) or number.replace(",", ""))
