"""A message → its words, and which lists of the rules they belong to; in linear time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from b12qa.clauses import FRAMES, Words
from b12qa.disguise import normalized
from b12qa.known_words import NO_MEANING, KnownWords, Meaning, Word
from b12qa.matching import Hit, Phrases

# Words that may stand between those of a phrase, one after the other: "I can't really even feel it".
MAX_FILLED = 2

_TOKEN = re.compile(r"\d+[.,]\d+|[a-z0-9'*@$]+|[.!?;\n:,()\u2026\u2013\u2014\"]|(?<=\s)-(?=\s)")
_LONE_T = re.compile(r" t\b")
_APART_T = re.compile(r"\b(can|don|won|isn|aren|doesn|didn|couldn|hasn|haven|wasn|wouldn) t\b")
_SENTENCE_ENDS = frozenset(".!?;\n\u2026")
_STOPS = frozenset(":,()-\u2013\u2014*@$'")
_SIGNS = _SENTENCE_ENDS | _STOPS | {'"'}


class Reader:
    """Reads messages with the words of the rules."""

    def __init__(self, known: KnownWords) -> None:
        """Know these words."""
        self.known = known
        self.met = _WordsMet(known)

    def read(self, message: str) -> Words:
        """The words of a message as typed, of any length."""
        words, signs = self._split(normalized(message))
        hits = _look_up(words, self.known.fills)
        return Words(words.texts, words.sentence, signs.after_comma, signs.quoted, signs.question_mark, hits)

    def _split(self, text: str) -> tuple[_Meant, _Signs]:
        read: list[Word] = []
        signs = _Signs()
        met, here = self.met, dict[str, tuple[Word, ...]]()
        for token in _TOKEN.findall(_APART_T.sub(r"\1t", text) if _LONE_T.search(text) else text):
            understood = met.get(token) or here.get(token)
            if understood is None:
                if token in _SIGNS:
                    signs.add(token, len(read))
                    continue
                understood = here[token] = met[token]
            if token[0] == "'" and signs.quote is None:
                signs.add_quotation_mark(len(read))
            read += understood
            if token[-1] == "'" and signs.quote is not None:
                signs.add_quotation_mark(len(read))
        sentence = signs.sentences(len(read))
        return _Meant([word for word, _ in read], [meaning for _, meaning in read], sentence), signs


class _WordsMet(dict[str, tuple[Word, ...]]):
    """What was typed, and what it was understood as.

    Kept are only words of the rules and common English ones, so that no question stays in memory.
    """

    def __init__(self, known: KnownWords) -> None:
        super().__init__()
        self._known = known

    def __missing__(self, token: str) -> tuple[Word, ...]:
        understood = tuple(self._known.understood(token))
        if token in self._known.words or token in self._known.common:
            self[token] = understood
        return understood


class _Meant(NamedTuple):
    """The words of a message, one by one."""

    texts: list[str]
    meanings: list[Meaning]
    sentence: list[int]  # the number of each


@dataclass(slots=True)
class _Signs:
    """What stands between words, each sign by the number of words before it."""

    ends: list[int] = field(default_factory=lambda: [0])  # of sentences
    after_comma: set[int] = field(default_factory=set)
    quoted: set[int] = field(default_factory=set)
    quote: int | None = None  # where a quotation began that has not ended
    question_mark: bool = False

    def add(self, sign: str, here: int) -> None:
        if sign in _SENTENCE_ENDS:
            self.question_mark |= sign == "?"
            if here > self.ends[-1]:  # "???" ends one sentence, not three
                self.ends.append(here)
        elif sign in _STOPS:
            self.after_comma.add(here)
        else:
            self.add_quotation_mark(here)

    def add_quotation_mark(self, here: int) -> None:
        """Add one that ends the quotation, or begins one."""
        if self.quote is None:
            self.quote = here
        else:
            self.quoted.update(range(self.quote, here))
            self.quote = None

    def sentences(self, count: int) -> list[int]:
        """The number of the sentence of each of so many words."""
        parts = enumerate(pairwise([*self.ends, count]))
        return [number for number, (start, end) in parts for _ in range(start, end)]


def _look_up(words: _Meant, fills: AbstractSet[str]) -> dict[str, list[Hit]]:
    """Where each list is used, in order."""
    places: dict[Meaning, list[Hit]] = defaultdict(list)
    for start, meaning in enumerate(words.meanings):
        if meaning.keys:
            places[meaning].append((start, start + 1))
    phrases = _phrases_in(words, places, fills)
    found: dict[str, list[list[Hit]]] = defaultdict(list)
    for name, hits in phrases.items():
        found[name].append(hits)
    for meaning, hits in places.items():
        for name in meaning.exact:
            found[name].append(hits)
    harmless = [hit for hits in found.get("harmless", ()) for hit in hits]
    if harmless:
        masked = {i for hit in harmless for i in range(*hit)}
        shortest = dict(sorted(harmless, reverse=True))  # the end of the shortest one from each start
        for name in phrases.keys() - FRAMES:
            hits = phrases[name]
            found[name] = [[h for h in hits if masked.isdisjoint(range(*h)) or _holds_one(h, shortest)]]
        for meaning in {words.meanings[i] for i in masked}:  # few, so that the others are left as they are
            places[meaning] = [hit for hit in places[meaning] if hit[0] not in masked]
    for meaning, hits in places.items():
        for name in meaning.lists:
            found[name].append(hits)
    in_order = {name: _in_order(parts, once=name not in phrases) for name, parts in found.items()}
    return {name: hits for name, hits in in_order.items() if hits}


def _holds_one(hit: Hit, others: Mapping[int, int]) -> bool:
    """Whether a hit holds a whole one of others, given by start and end: a list that names it means it."""
    return any(others.get(start, hit[1] + 1) <= hit[1] for start in range(*hit))


def _in_order(parts: Sequence[list[Hit]], *, once: bool) -> list[Hit]:
    """All hits of a list, which are in order already if they are those of one word alone."""
    return parts[0] if once and len(parts) == 1 else sorted({hit for part in parts for hit in part})


def _phrases_in(
    words: _Meant, places: Mapping[Meaning, Sequence[Hit]], fills: AbstractSet[str]
) -> dict[str, list[Hit]]:
    """Where phrases of two words and more stand, by list; in no order, and some of them twice."""
    found: dict[str, list[Hit]] = defaultdict(list)
    texts, meanings = [*words.texts, ""], [*words.meanings, NO_MEANING]
    for meaning, hits in places.items():
        if meaning.longer:
            for start, end in hits:
                if texts[end] in fills or not meaning.further.isdisjoint(meanings[end].keys):
                    for node in meaning.longer:
                        _follow(node, start, words, fills, found)
    return found


def _follow(
    node: Phrases, start: int, words: _Meant, fills: AbstractSet[str], found: dict[str, list[Hit]]
) -> None:
    """Add the phrases of two words and more that begin at a word."""
    texts, meanings, sentence = words
    here, end_of_text = sentence[start], len(texts)
    ways = [(start + 1, node, 0, False)]
    while ways:
        end, node, filled, ever = ways.pop()
        if end == end_of_text or sentence[end] != here:
            continue
        for key in meanings[end].keys:
            further = node.longer.get(key)
            if further is not None:
                for name in further.lists if ever else (*further.lists, *further.exact):
                    found[name].append((start, end + 1))
                if further.longer:
                    ways.append((end + 1, further, 0, ever))
        if filled < MAX_FILLED and texts[end] in fills:
            ways.append((end + 1, node, filled + 1, True))
