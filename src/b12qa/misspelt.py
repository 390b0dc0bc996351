"""Words that are spelt wrongly → the words that they may stand for.

`EditDistanceSpeller` counts edits alone, and is for what is searched or asked about treatment. `Speller` is
for what may tell of danger: it forgives less in short words, and knows words by their sound as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

MIN_LENGTH_FOR_ONE_EDIT = 5
MIN_LENGTH_FOR_TWO_EDITS = 9
# Shorter words have too many neighbours one edit away.
MIN_LENGTH_TO_CORRECT = 4
MAX_LENGTH_TO_CORRECT = 24
# How much longer or shorter a word may be that sounds the same.
MAX_DIFFERENCE_IN_LENGTH = 3
# A shorter sound fits too many words.
MIN_SOUNDS = 3

# Spellings that sound alike, in this order; capitals stand for one sound each.
_SOUNDS = (
    ("scious", "Ss"), ("cious", "Ss"), ("tious", "Ss"), ("shus", "Ss"), ("tion", "Sn"), ("sion", "Sn"),
    ("shun", "Sn"), ("cian", "Sn"), ("ache", "ake"), ("mach", "mak"), ("ght", "t"), ("ough", "of"),
    ("ph", "f"), ("sch", "sk"), ("tch", "C"), ("sh", "S"), ("ch", "C"), ("th", "T"), ("ck", "k"),
    ("ce", "se"), ("ci", "si"), ("cy", "sy"), ("c", "k"), ("q", "k"), ("x", "ks"), ("z", "s"), ("wr", "r"),
    ("kn", "n"), ("mb", "m"), ("dge", "je"), ("ge", "je"), ("gi", "ji"), ("gy", "jy"), ("ae", "e"),
)  # fmt: skip
_UNHEARD = str.maketrans("", "", "aeiouyhw")
_VOWELS = frozenset("aeiouy")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_BITS = {letter: 2 << place for place, letter in enumerate(_ALPHABET)}


class EditDistanceSpeller:
    """Finds the known words that are the fewest edits away.

    It compares with every word whose letters nearly fit, and so needs no index that takes a third of a
    second to build. Source: optimal string alignment distance, by symspellpy.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Know some words, and how often each occurs."""
        self._words = sorted(counts, key=lambda word: -counts[word])
        self._longest = max(map(len, self._words), default=0)

    def nearest(self, word: str, edits: int) -> list[str]:
        """All known words at the least distance, if that is at most `edits`; the most frequent first."""
        from symspellpy.editdistance import DistanceAlgorithm, EditDistance

        if not self._words or len(word) > self._longest + edits:
            return []
        # One edit takes a letter away, adds one, or both.
        differences = np.abs(self._letters - np.array(_letter_counts(word), dtype=np.int16)).sum(axis=1)
        compare = EditDistance(DistanceAlgorithm.DAMERAU_OSA).compare
        found = [
            (self._words[row], compare(word, self._words[row], edits))
            for row in np.flatnonzero(differences <= 2 * edits)
        ]
        least = min((distance for _, distance in found if distance >= 0), default=-1)  # -1: too far
        return [known for known, distance in found if distance == least >= 0]

    @cached_property
    def _letters(self) -> npt.NDArray[np.int16]:
        """How often each word holds each letter, shape (n_words, 27)."""
        return np.array([_letter_counts(word) for word in self._words], dtype=np.int16)


def _letter_counts(word: str) -> list[int]:
    """How often a word holds each letter, and any other character."""
    counts = [word.count(letter) for letter in _ALPHABET]
    return [*counts, len(word) - sum(counts)]


@dataclass(frozen=True, slots=True)
class _Alike:
    """Known words that begin alike."""

    words: tuple[str, ...]
    letters: npt.NDArray[np.uint32]  # which letters each holds, one bit for each of the alphabet

    @classmethod
    def of(cls, words: Iterable[str]) -> _Alike:
        words = tuple(words)
        return cls(words, np.array([_letters(word) for word in words]))

    def near(self, typed: str, edits: int) -> Iterator[str]:
        """Words so few edits away, and a few more: an edit takes a letter away, adds one, or both."""
        differences = np.bitwise_count(self.letters ^ _letters(typed))
        for row in np.flatnonzero(differences <= 2 * edits).tolist():
            word = self.words[row]
            if abs(len(word) - len(typed)) <= edits:
                yield word


@dataclass(frozen=True)
class Speller:
    """Finds known words that a misspelt one may stand for.

    It knows them by their letters, so that it is ready at once; an index by all ways to leave letters out
    took a third of a second to build.
    """

    words: tuple[str, ...]  # sorted

    @classmethod
    def of(cls, words: Iterable[str]) -> Speller:
        """A speller that knows these words, those of letters alone and not very short."""
        known = {word for word in words if word.isalpha() and len(word) >= MIN_LENGTH_TO_CORRECT}
        return cls(tuple(sorted(known)))

    def nearest(self, typed: str) -> tuple[str, ...]:
        """Known words one edit away, two for long words, else those that sound the same; or none.

        An edit changes, adds, leaves out or moves a letter. The first letter stays, or changes places with
        the second; in a word of four letters, letters may only change places.

        Two words are so few edits away if leaving so many letters out of both leaves the same.
        """
        if not MIN_LENGTH_TO_CORRECT <= len(typed) <= MAX_LENGTH_TO_CORRECT:
            return ()
        most = _most_edits(typed)
        alike: dict[int, list[str]] = defaultdict(list)
        for word in self._near(typed, most):
            if may_be_meant(typed, word):
                alike[_letters_apart(typed, word)].append(word)
        for fewest in range(1, most + 1):
            if fewest in alike:
                in_common = _Subsequence.of(typed)
                found = [
                    word
                    for word in alike[fewest]
                    if in_common.length(word) >= max(len(typed) - most, len(word) - _most_edits(word))
                ]
                if found:
                    return tuple(sorted(found))
        if len(typed) < MIN_LENGTH_FOR_ONE_EDIT:
            return ()
        return tuple(
            word
            for word in self._by_sound.get(sound(typed), ())
            if abs(len(word) - len(typed)) <= MAX_DIFFERENCE_IN_LENGTH
        )

    def _near(self, typed: str, edits: int) -> Iterator[str]:
        """Known words that may be so few edits away; the first two letters may be swapped."""
        starts = (typed[0],) if typed[0] == typed[1] else (typed[0], typed[1::-1])
        for alike in filter(None, map(self._by_start.get, starts)):
            yield from alike.near(typed, edits)

    @cached_property
    def _by_start(self) -> Mapping[str, _Alike]:
        """Words by their first letter, and by the first two."""
        alike: dict[str, list[str]] = defaultdict(list)
        for word in self.words:
            alike[word[0]].append(word)
            alike[word[:2]].append(word)
        return {start: _Alike.of(words) for start, words in alike.items()}

    @cached_property
    def _by_sound(self) -> Mapping[str, tuple[str, ...]]:
        by_sound: dict[str, list[str]] = defaultdict(list)
        for word in self.words:
            by_sound[sound(word)].append(word)
        return {sound: tuple(found) for sound, found in by_sound.items() if len(sound) >= MIN_SOUNDS}


def _letters(word: str) -> np.uint32:
    """Which letters a word holds, as bits; all that are not of the alphabet share one."""
    bits = 0
    for letter in word:
        bits |= _BITS.get(letter, 1)
    return np.uint32(bits)


def _most_edits(word: str) -> int:
    return 2 if len(word) >= MIN_LENGTH_FOR_TWO_EDITS else 1


@dataclass(frozen=True, slots=True)
class _Subsequence:
    """How many letters of a word another one has in the same order.

    Source: Hyyro, Bit-parallel LCS-length computation revisited, AWOCA 2004.
    """

    places: Mapping[str, int]  # of each letter, as bits
    all_places: int

    @classmethod
    def of(cls, word: str) -> _Subsequence:
        places: dict[str, int] = {}
        for place, letter in enumerate(word):
            places[letter] = places.get(letter, 0) | 1 << place
        return cls(places, (1 << len(word)) - 1)

    def length(self, other: str) -> int:
        """Of the longest common subsequence."""
        unmatched = self.all_places
        for letter in other:
            matched = unmatched & self.places.get(letter, 0)
            unmatched = (unmatched + matched | unmatched - matched) & self.all_places
        return (self.all_places ^ unmatched).bit_count()


def may_be_meant(typed: str, meant: str) -> bool:
    """A misspelling keeps the first letter, or swaps the first two; in a short word it only swaps letters."""
    if typed[0] != meant[0] and typed[:2] != meant[1::-1]:
        return False
    return max(len(typed), len(meant)) >= MIN_LENGTH_FOR_ONE_EDIT or sorted(typed) == sorted(meant)


def _letters_apart(typed: str, meant: str) -> int:
    """Letters that one has more of than the other, at least 1: a letter moved is one edit too."""
    more = less = 0
    for letter in {*typed, *meant}:
        difference = typed.count(letter) - meant.count(letter)
        if difference > 0:
            more += difference
        else:
            less -= difference
    return max(more, less, 1)


def sound(word: str) -> str:
    """The consonants of a word as they are heard."""
    for spelt, heard in _SOUNDS:
        if spelt in word:
            word = word.replace(spelt, heard)
    first = "a" if word[0] in _VOWELS else word[0]
    rest = word[1:].translate(_UNHEARD)
    heard = first
    for letter in rest:
        if letter != heard[-1]:
            heard += letter
    return heard
