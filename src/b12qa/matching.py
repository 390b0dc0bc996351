"""Lists of phrases → where a message uses them → where a rule's lists stand together.

A phrase is compared by the keys of its words. A hit is the first word of a phrase and one past its last; the
hits of a list are sorted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypedDict, TypeVar

import Stemmer

Hit = tuple[int, int]
Match = tuple[Hit, ...]  # one hit of each list of a rule
# The end of a sentence is as far as so many words.
SENTENCE_GAP = 2

# No cache: it would keep the words of questions in memory.
_STEMMER = Stemmer.Stemmer("english", 0)


def key_of(word: str) -> str:
    """What words are compared by: the stem; or "=" and the word itself, or "#", where a file says so."""
    return word if word.startswith(("=", "#")) else str(_STEMMER.stemWord(word))


def keys_of(words: Iterable[str], known: Container[str]) -> Iterator[str]:
    """The keys of words, as far as they are known."""
    return (key for word in words for key in (_STEMMER.stemWord(word), f"={word}") if key in known)


class Phrases(NamedTuple):
    """What may follow a word: one node of the tree of all phrases."""

    lists: list[str]  # that hold the phrase that ends here
    exact: list[str]  # that hold it only as written, nothing in between
    longer: dict[str, Phrases]  # by the next key


class PhrasesByKey(dict[str, Phrases]):
    """The tree of all phrases, by their first keys; a branch is read when its key is first met."""

    def __init__(self, written: WrittenPhrases) -> None:
        super().__init__()
        self._written = written

    def __missing__(self, key: str) -> Phrases:
        names, branch = self._written["lists"], Phrases([], [], {})
        written = self._written["by_key"].get(key)
        if written is None:  # the word of somebody's question, which is not kept
            return branch
        for line in written.splitlines():
            keys, some, exactly = line.split("\t")
            node = branch
            for further in keys.split():
                node = node.longer.setdefault(further, Phrases([], [], {}))
            node.lists.extend(names[int(number)] for number in some.split())
            node.exact.extend(names[int(number)] for number in exactly.split())
        self[key] = branch
        return branch


class WrittenPhrases(TypedDict):
    """Phrases as text: thousands of lines are read faster than a tree of them."""

    lists: list[str]  # names
    by_key: dict[str, str]  # by the first key: a line with the further keys, and the lists by their numbers


def written_phrases(
    phrases: Iterable[tuple[str, Sequence[str]]], exact: Container[str] = ()
) -> WrittenPhrases:
    """Write phrases for a `PhrasesByKey`.

    Args:
        phrases: names of lists, each with the keys of one phrase.
        exact: lists whose phrases are found only as written.
    """
    numbers: dict[str, int] = {}
    found: dict[str, dict[str, tuple[list[str], list[str]]]] = {}
    for name, (first, *further) in phrases:
        number = str(numbers.setdefault(name, len(numbers)))
        of_phrase = found.setdefault(first, {}).setdefault(" ".join(further), ([], []))
        of_phrase[name in exact].append(number)
    lines = {
        first: [f"{keys}\t{' '.join(some)}\t{' '.join(exactly)}" for keys, (some, exactly) in rest.items()]
        for first, rest in found.items()
    }
    return {"lists": list(numbers), "by_key": {first: "\n".join(some) for first, some in lines.items()}}


@dataclass(frozen=True, slots=True)
class Rule:
    """Lists of words that must stand near each other."""

    lists: tuple[str, ...]
    ordered: bool
    within: int  # at most so many other words between the first and the last
    unless: tuple[str, ...]  # no word of these lists may stand around


FindsT = TypeVar("FindsT")
RuleT = TypeVar("RuleT", bound=Rule)


class RulesByList(Generic[FindsT, RuleT]):
    """Rules, each under the one of its lists that the fewest rules name.

    A message uses few lists, so few rules are tried; to try all took as long as to read the message.
    """

    def __init__(self, rules: Iterable[tuple[FindsT, RuleT]]) -> None:
        """Take rules that have lists, each with what it finds."""
        rules = list(rules)
        often = Counter(name for _, rule in rules for name in set(rule.lists))
        self._by_list: dict[str, list[tuple[FindsT, RuleT, frozenset[str]]]] = defaultdict(list)
        for finds, rule in rules:
            rarest = min(rule.lists, key=often.__getitem__)
            self._by_list[rarest].append((finds, rule, frozenset(rule.lists)))

    def possible(self, lists: AbstractSet[str]) -> Iterator[tuple[FindsT, RuleT]]:
        """The rules whose lists are all among these, each with what it finds."""
        lists = frozenset(lists)
        for name in lists & self._by_list.keys():
            for finds, rule, needs in self._by_list[name]:
                if needs <= lists:
                    yield finds, rule


def near_enough(
    rule: Rule, hits: Sequence[Sequence[Hit]], sentence: Sequence[int], reach: int
) -> Iterator[tuple[Match, Hit]]:
    """Where lists of a rule stand in its order, if it has one, with no more words between than it allows.

    Each with its first word and its last.

    Args:
        hits: of each list, at least one list.
        sentence: of each word of the message, its number.
        reach: as in `near`.
    """
    for match in in_order(hits) if rule.ordered else near(hits, reach):
        first, last = span_of(match)
        own = sum(end - start for start, end in match)
        between = last - first + 1 - own + SENTENCE_GAP * (sentence[last] - sentence[first])
        if between <= rule.within:
            yield match, (first, last)


def span_of(match: Match) -> Hit:
    """The first word of a match, and its last."""
    return min(match)[0], max(end for _, end in match) - 1


def any_begins(lists: Iterable[str], start: int, end: int, hits: Mapping[str, Sequence[Hit]]) -> bool:
    """Whether a hit of one of the lists begins in ``[start, end)``."""
    for name in lists:
        found = hits.get(name)
        if found and bisect_left(found, (start, 0)) < bisect_left(found, (end, 0)):
            return True
    return False


def in_order(hits: Sequence[Sequence[Hit]]) -> Iterator[Match]:
    """From each hit of the first list, the nearest ones of the further lists behind one another."""
    for anchor in hits[0]:
        match = [anchor]
        for further in hits[1:]:
            place = bisect_left(further, (match[-1][1], 0))
            if place == len(further):
                return
            match.append(further[place])
        yield tuple(match)


def near(hits: Sequence[Sequence[Hit]], reach: int) -> Iterator[Match]:
    """From each hit of the rarest list, the nearest ones of the others that share no word, in any order.

    Args:
        reach: so many hits of a list on each side are looked at, which keeps the time linear.
    """
    rarest = min(range(len(hits)), key=lambda n: len(hits[n]))
    for anchor in hits[rarest]:
        match = [anchor]
        for number, others in enumerate(hits):
            if number != rarest:
                nearest = _nearest(others, match, reach)
                if nearest is None:
                    break
                match.append(nearest)
        else:
            yield tuple(match)


def _nearest(hits: Sequence[Hit], match: Sequence[Hit], reach: int) -> Hit | None:
    """The hit nearest to the first of a match that shares no word with it."""
    anchor = match[0]
    place = bisect_left(hits, anchor)
    around = hits[max(place - reach, 0) : place + reach + 1]
    free = [hit for hit in around if all(hit[1] <= start or end <= hit[0] for start, end in match)]
    return min(free, key=lambda hit: abs(hit[0] - anchor[0]), default=None)
