"""Lists of phrases → where a message uses them → where a rule's lists stand together.

A phrase is compared by the keys of its words. A hit is the first word of a phrase and one past its last; the
hits of a list are sorted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple, TypedDict, TypeVar

Hit = tuple[int, int]
Match = tuple[Hit, ...]  # one hit of each list of a rule
RuleT = TypeVar("RuleT")


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


def by_rarest_list(rules: Iterable[tuple[RuleT, Sequence[str]]]) -> dict[str, list[RuleT]]:
    """Rules by the one of their lists that the fewest rules name.

    Args:
        rules: each with the names of its lists, at least one.
    """
    rules = list(rules)
    often = Counter(name for _, lists in rules for name in set(lists))
    by_list: dict[str, list[RuleT]] = defaultdict(list)
    for rule, lists in rules:
        by_list[min(lists, key=often.__getitem__)].append(rule)
    return dict(by_list)
