"""Where lists of words were found in a message → where a rule's lists stand together.

A hit is the first word of a phrase and one past its last; the hits of a list are sorted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

Hit = tuple[int, int]
Match = tuple[Hit, ...]  # one hit of each list of a rule


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
