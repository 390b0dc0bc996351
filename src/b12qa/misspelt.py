"""Words that are spelt wrongly → the words that they may stand for, by letters and by sound."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MIN_LENGTH_FOR_ONE_EDIT = 5
MIN_LENGTH_FOR_TWO_EDITS = 9
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


@dataclass(frozen=True, slots=True)
class Speller:
    """Finds known words that a misspelt one may stand for."""

    by_letters: Mapping[str, tuple[str, ...]]  # known words by what is left of them without a letter or two
    by_sound: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, words: Iterable[str]) -> Speller:
        """A speller that knows these words, those of letters alone and not very short."""
        by_letters: dict[str, list[str]] = defaultdict(list)
        by_sound: dict[str, list[str]] = defaultdict(list)
        for word in sorted(set(words)):
            if word.isalpha() and len(word) >= MIN_LENGTH_TO_CORRECT:
                for left in _shortened(word):
                    by_letters[left].append(word)
                by_sound[_sound(word)].append(word)
        return cls(
            {left: tuple(found) for left, found in by_letters.items()},
            {sound: tuple(found) for sound, found in by_sound.items() if len(sound) >= MIN_SOUNDS},
        )

    def nearest(self, typed: str) -> tuple[str, ...]:
        """Known words one edit away, two for long words, else those that sound the same; or none.

        An edit changes, adds, leaves out or moves a letter. The first letter stays, or changes places with
        the second; in a word of four letters, letters may only change places.

        Source: symmetric deletes, as in SymSpell; no distance is computed.
        """
        if not MIN_LENGTH_TO_CORRECT <= len(typed) <= MAX_LENGTH_TO_CORRECT:
            return ()
        found = {word for left in _shortened(typed) for word in self.by_letters.get(left, ())}
        edits = {word: _letters_apart(typed, word) for word in found if _may_be(typed, word)}
        fewest = min(edits.values(), default=3)
        if fewest <= (2 if len(typed) >= MIN_LENGTH_FOR_TWO_EDITS else 1):
            return tuple(sorted(word for word, count in edits.items() if count == fewest))
        if len(typed) < MIN_LENGTH_FOR_ONE_EDIT:
            return ()
        return tuple(
            word
            for word in self.by_sound.get(_sound(typed), ())
            if abs(len(word) - len(typed)) <= MAX_DIFFERENCE_IN_LENGTH
        )


def _shortened(word: str) -> Iterator[str]:
    """A word, and what is left of it without one letter; without two if it is long."""
    yield word
    long = len(word) >= MIN_LENGTH_FOR_TWO_EDITS
    for i in range(len(word)):
        left = word[:i] + word[i + 1 :]
        yield left
        if long:
            for k in range(i, len(left)):
                yield left[:k] + left[k + 1 :]


def _may_be(typed: str, meant: str) -> bool:
    if typed[0] != meant[0] and typed[:2] != meant[1::-1]:
        return False
    return max(len(typed), len(meant)) >= MIN_LENGTH_FOR_ONE_EDIT or sorted(typed) == sorted(meant)


def _letters_apart(typed: str, meant: str) -> int:
    """Letters that one has more of than the other, at least 1: a letter moved is one edit too."""
    more, less = Counter(typed), Counter(meant)
    return max(sum((more - less).values()), sum((less - more).values()), 1)


def _sound(word: str) -> str:
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
