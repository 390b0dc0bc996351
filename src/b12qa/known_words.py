"""A word as typed → the words that may be meant, and the lists and phrases of the rules that know them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from b12qa.clauses import FRAMES
from b12qa.disguise import plain_words
from b12qa.lexical import WrittenWords, english_ranks
from b12qa.matching import Phrases, PhrasesByKey, key_of, keys_of, written_phrases
from b12qa.misspelt import MIN_LENGTH_TO_CORRECT, Speller

# Rarer words of the English list may well be misspelt ones: "paining", "breths".
COMMON_RANK = 40_000
MIN_LENGTH_TO_SPLIT = 6
MAX_LENGTH_TO_SPLIT = 30
MAX_LENGTH_OF_A_PART = 14

# "6.9" and "6,9" are one number, "2,340" is another.
_WITH_DECIMALS = re.compile(r"(\d{1,9})[.,](\d{1,9})")
_DIGITS_OF_A_THOUSAND = 3

_REPEATED = re.compile(r"(.)\1{2,}")
# Short words that are often typed together with the next one.
_GLUED = frozenset({
    "a", "an", "and", "arm", "can", "die", "eye", "has", "he", "her", "his", "hot", "i", "im", "in", "is",
    "it", "leg", "me", "my", "no", "not", "of", "on", "pee", "red", "she", "the", "to",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What the rules know of a word, or of all that it may stand for."""

    keys: tuple[str, ...]
    lists: tuple[str, ...]
    exact: tuple[str, ...]  # lists that hold it only as written
    longer: tuple[Phrases, ...]  # phrases that begin with it
    further: frozenset[str]  # the keys that come next in those

    @classmethod
    def of(cls, keys: tuple[str, ...], phrases: PhrasesByKey) -> Meaning:
        """What the phrases say of these keys."""
        nodes = [phrases[key] for key in keys]
        return cls(
            keys,
            tuple(dict.fromkeys(name for node in nodes for name in node.lists)),
            tuple(dict.fromkeys(name for node in nodes for name in node.exact)),
            tuple(node for node in nodes if node.longer),
            frozenset(key for node in nodes for key in node.longer),
        )


NO_MEANING = Meaning((), (), (), (), frozenset())
Word = tuple[str, Meaning]  # as it is compared


@dataclass(frozen=True, slots=True)
class KnownWords:
    """The words of the rules, and common English ones."""

    phrases: PhrasesByKey  # of all lists
    words: frozenset[str]  # as written in the file, one by one
    keys: frozenset[str]
    common: Container[str] = field(repr=False)  # common English words
    fills: frozenset[str]  # words that may stand inside a phrase
    speller: Speller = field(repr=False)

    @staticmethod
    def write(lists: Mapping[str, Iterable[str]]) -> dict[str, Any]:
        """The words of lists as plain data, all that takes time done."""
        phrases = list(_phrases(lists))
        keys = {word: key_of(word) for _, phrase in phrases for word in phrase}
        by_keys = ((name, [keys[word] for word in phrase]) for name, phrase in phrases)
        return {
            "phrases": written_phrases(by_keys, FRAMES),
            "words": sorted({word.lstrip("=") for word in keys}),
            "keys": sorted(set(keys.values())),
            "common": WrittenWords.write(w for w, rank in english_ranks().items() if rank < COMMON_RANK),
            "fills": sorted({word for phrase in lists["fills"] for word in phrase.split()}),
        }

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> KnownWords:
        """The words that `write` wrote."""
        return cls(
            PhrasesByKey(written["phrases"]),
            frozenset(written["words"]),
            frozenset(written["keys"]),
            WrittenWords(written["common"]),
            frozenset(written["fills"]),
            Speller.of(written["words"]),
        )

    def understood(self, token: str) -> Iterator[Word]:
        """What was typed as words, each with its meaning, or that of what it is a misspelling of.

        A number with decimals means its whole part as well: "40.6" is one of "#40-43".
        """
        if found := _WITH_DECIMALS.fullmatch(token):
            whole, decimals = found.groups()
            thousands = len(decimals) == _DIGITS_OF_A_THOUSAND
            texts = [whole + decimals] if thousands else [f"{whole}.{decimals}", whole]
            yield texts[0], self._meaning(texts)
            return
        for typed in plain_words(token.strip("'*")):
            yield from self._respelt(typed)

    def _respelt(self, typed: str) -> list[Word]:
        meaning = self._meaning([typed])
        unclear = len(typed) >= MIN_LENGTH_TO_CORRECT and typed.isalpha()
        if meaning.keys or not unclear or typed in self.common:
            return [(typed, meaning)]
        shorter = _REPEATED.sub(r"\1", typed)
        if shorter != typed:
            return self._respelt(shorter)
        meant = self.speller.nearest(typed)
        if meant:
            return [(meant[0], self._meaning(meant))]
        return [(word, self._meaning([word])) for word in _unglued(typed, self.words)]

    def _meaning(self, words: Iterable[str]) -> Meaning:
        keys = tuple(dict.fromkeys(keys_of(words, self.keys)))
        return Meaning.of(keys, self.phrases) if keys else NO_MEANING


def _phrases(lists: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, list[str]]]:
    """All lists with the words of each of their phrases."""
    fills = set(lists["fills"])
    for name, expressions in lists.items():
        for expression in expressions:
            phrase = expression.split()
            if name not in FRAMES and len(phrase) > 2:
                # "half my body" is also found as "half of the body", and as "half body".
                phrase = [phrase[0], *(w for w in phrase[1:-1] if w not in fills), phrase[-1]]
            yield name, phrase


def _unglued(typed: str, words: Container[str]) -> list[str]:
    """Known words that were typed without blanks between them, as few as possible."""
    if not MIN_LENGTH_TO_SPLIT <= len(typed) <= MAX_LENGTH_TO_SPLIT:
        return [typed]
    best: dict[int, list[str]] = {0: []}
    for start in range(len(typed)):
        way = best.get(start)
        if way is None:
            continue
        for end in range(start + 1, min(start + MAX_LENGTH_OF_A_PART, len(typed)) + 1):
            part = typed[start:end]
            fewer = end not in best or len(best[end]) > len(way) + 1
            if fewer and _may_be_glued(part) and part in words:
                best[end] = [*way, part]
    return best.get(len(typed), [typed])


def _may_be_glued(part: str) -> bool:
    """Whether a part is long enough, or so common that it is often typed together with others."""
    return len(part) >= MIN_LENGTH_TO_CORRECT or part in _GLUED
