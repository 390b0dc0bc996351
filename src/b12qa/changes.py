"""What an edit did to the passages of a corpus, section by section."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from b12qa.lexical import IntVector, words
from b12qa.records import Chunk, Document

# Two passages that share this much of their words, in order, are versions of one.
ALIKE = 0.5
# An edit seldom carries a passage further than this within its section.
NEIGHBOURS = 8
# Two sentences that share this much of their words, in any order, are one that was reworded a little. Of five
# documents no two sentences share more than 0.62.
NEARLY_ONE = 0.65
# A sentence that shares this much of the shorter one's words may be what became of another, or part of it.
MAY_BE = 0.5
MAX_MAY_BE = 3
LEAST_WORDS_TO_TELL = 3

# Words with which a sentence says the opposite of what it says without them, or with their partner.
_TURNS_AROUND = frozenset(
    words(
        """not no never nor neither without cannot non none nothing hardly rarely seldom t unlikely unless
        except fails lacks avoid stop safe unsafe more less fewer most least higher lower high low increase
        increases increased decrease decreases decreased raise raises reduce reduces improve improves worsen
        worsens better worse before after with against always sometimes all some only effective ineffective
        harmful harmless harms helps contraindicated recommended reversible irreversible"""
    )
)

Shares = npt.NDArray[np.float64]
Place = tuple[str, tuple[str, ...]]  # a document's name and a section's path


@dataclass(frozen=True, slots=True)
class SectionChanges:
    """How many passages of a section an edit touched."""

    document: str
    section_path: tuple[str, ...]
    added: int = 0
    changed: int = 0  # another wording, or another text in the same place
    moved: int = 0  # word for word from another section
    removed: int = 0
    unchanged: int = 0

    @property
    def any(self) -> bool:
        """Whether the section is not as it was."""
        return bool(self.added or self.changed or self.moved or self.removed)

    def __str__(self) -> str:
        counts = {name: getattr(self, name) for name in ("added", "changed", "moved", "removed", "unchanged")}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


class _Passage(NamedTuple):
    place: Place
    position: int  # among the passages of its section
    text: str


def section_changes(
    documents_before: Sequence[Document],
    chunks_before: Sequence[Chunk],
    documents: Sequence[Document],
    chunks: Sequence[Chunk],
) -> tuple[SectionChanges, ...]:
    """Compare two sets of passages: the sections in reading order, then those that are gone."""
    before, after = list(_passages(documents_before, chunks_before)), list(_passages(documents, chunks))
    counts: dict[Place, Counter[str]] = {passage.place: Counter() for passage in (*after, *before)}
    before, after, unchanged = _paired(before, after, lambda passage: (passage.place, passage.text))
    before, after, moved = _paired(before, after, lambda passage: passage.text)
    for kind, passages in (("unchanged", unchanged), ("moved", moved)):
        for passage in passages:
            counts[passage.place][kind] += 1
    old, new = _by_place(before), _by_place(after)
    for place, count in counts.items():
        changed = _count_changed(old[place], new[place])
        count.update(changed=changed, removed=len(old[place]) - changed, added=len(new[place]) - changed)
    return tuple(
        SectionChanges(
            document,
            path,
            added=count["added"],
            changed=count["changed"],
            moved=count["moved"],
            removed=count["removed"],
            unchanged=count["unchanged"],
        )
        for (document, path), count in counts.items()
    )


def _passages(documents: Sequence[Document], chunks: Sequence[Chunk]) -> Iterator[_Passage]:
    positions: Counter[Place] = Counter()
    for chunk in chunks:
        document = documents[chunk.document]
        place = (document.name, document.sections[chunk.section].path)
        yield _Passage(place, positions[place], document.text[chunk.start : chunk.end])
        positions[place] += 1


def _paired(
    before: Sequence[_Passage], after: Sequence[_Passage], key: Callable[[_Passage], Hashable]
) -> tuple[list[_Passage], list[_Passage], list[_Passage]]:
    """What has no partner before, what has none after, and what has one after."""
    waiting: dict[Hashable, list[_Passage]] = defaultdict(list)
    for passage in reversed(before):
        waiting[key(passage)].append(passage)
    alone: list[_Passage] = []
    paired: list[_Passage] = []
    for passage in after:
        partners = waiting[key(passage)]
        (paired if partners else alone).append(passage)
        if partners:
            partners.pop()
    left = Counter(key(passage) for partners in waiting.values() for passage in partners)
    return [passage for passage in before if _take(left, key(passage))], alone, paired


def _take(left: Counter[Hashable], key: Hashable) -> bool:
    left[key] -= 1
    return left[key] >= 0


def _by_place(passages: Sequence[_Passage]) -> dict[Place, list[_Passage]]:
    found: dict[Place, list[_Passage]] = defaultdict(list)
    for passage in passages:
        found[passage.place].append(passage)
    return found


def _count_changed(before: Sequence[_Passage], after: Sequence[_Passage]) -> int:
    """How many passages of a section are versions of old ones: alike, or else in the same place."""
    texts = Wordings((passage.text for passage in before), str.split)
    row_of = {passage.position: row for row, passage in enumerate(before)}
    left = list(row_of)  # in reading order
    others = []
    for passage in after:
        near = [row_of[position] for position in _nearest(left, passage.position)]
        alike = most_alike(passage.text, texts, near)
        if alike is None:
            others.append(passage.position)
        else:
            del left[bisect_left(left, before[alike].position)]
    return len(before) - len(left) + len(set(left).intersection(others))


def _nearest(positions: Sequence[int], position: int) -> list[int]:
    """The nearest of some positions, which are in order; the lower one of two that are equally near first."""
    at = bisect_left(positions, position)
    around = positions[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
    return sorted(around, key=lambda other: abs(other - position))[:NEIGHBOURS]


class Wordings:
    """Texts to compare others with, each of them taken apart into words once."""

    def __init__(self, texts: Iterable[str], words_of: Callable[[str], Sequence[str]] = words) -> None:
        """Take texts apart.

        Args:
            words_of: how, which is how the texts that are compared with them are taken apart as well.
        """
        self.words_of = words_of
        self.words = [words_of(text) for text in texts]
        self.lengths = np.array([len(own) for own in self.words], dtype=np.int64)
        rows: dict[tuple[str, int], list[int]] = defaultdict(list)
        for row, own in enumerate(self.words):
            for word in _numbered(own):
                rows[word].append(row)
        self._rows = {word: np.array(some, dtype=np.int64) for word, some in rows.items()}

    def shared(self, own: Iterable[str]) -> IntVector:
        """How many of some words each text holds, in any order; one that comes twice counts twice."""
        rows = [self._rows[word] for word in _numbered(own) if word in self._rows]
        none = np.zeros(0, dtype=np.int64)
        return np.bincount(np.concatenate([none, *rows]), minlength=len(self.words))


def _numbered(own: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Words, each with how often it came before: so many of them are shared as two sets have in common."""
    seen: Counter[str] = Counter()
    for word in own:
        yield word, seen[word]
        seen[word] += 1


def most_alike(text: str, others: Wordings, among: Sequence[int] | None = None) -> int | None:
    """The position of the text that is most likely another version of one, if any is; the first of equals.

    Args:
        among: positions of those to look at, in the order that decides between equals; by default all.
    """
    own = others.words_of(text)
    rows = np.arange(len(others.words)) if among is None else np.array(among, dtype=np.int64)
    # Words in common, in whatever order, are at least as many as in order.
    most = _shares(others.shared(own)[rows], (len(own) + others.lengths[rows]) / 2)
    best: tuple[float, int] | None = None  # the likeness, and the place from the end
    for place in np.argsort(-most, kind="stable").tolist():
        at_most = (float(most[place]), -place)
        if at_most[0] < ALIKE or (best is not None and at_most < best):
            break
        likeness = SequenceMatcher(None, own, others.words[rows[place]], autojunk=False).ratio()
        if likeness >= ALIKE and (best is None or (likeness, -place) > best):
            best = (likeness, -place)
    return None if best is None else int(rows[-best[1]])


def reworded_a_little(gone: Sequence[str], others: Wordings) -> dict[int, int]:
    """Which sentences are still there in nearly the same words, by positions; the most alike come first.

    Args:
        gone: sentences that a document held.
        others: sentences that it holds. Each is another version of one at most, and may hold more of them
            word for word.
    """
    old = [others.words_of(text) for text in gone]
    pairs = []
    for before, own in enumerate(old):
        shares = _shares(others.shared(own), (len(own) + others.lengths) / 2)
        pairs += [(-share, before, after) for after, share in _at_least(NEARLY_ONE, shares)]
    now: dict[int, int] = {}
    taken: set[int] = set()
    for _, before, after in sorted(pairs):
        if before not in now and after not in taken:
            now[before] = after
            taken.add(after)
    for before, own in enumerate(old):
        if before not in now and len(own) >= LEAST_WORDS_TO_TELL:
            held = _joined(own)
            with_all = np.flatnonzero(others.shared(own) == len(own)).tolist()
            holding = next((after for after in with_all if held in _joined(others.words[after])), None)
            if holding is not None:
                now[before] = holding
    return now


def turned_around(before: str, now: str) -> str:
    """The words that a sentence has lost and those that are new, if with them it may say the opposite."""
    old, new = words(before), words(now)
    lost, added = _without(old, Counter(new)), _without(new, Counter(old))
    if _TURNS_AROUND.isdisjoint({*lost, *added}):
        return ""
    gone, there = (", ".join(some) or "nothing" for some in (lost, added))
    return f"lost: {gone}; new: {there}"


def _without(own: Iterable[str], others: Counter[str]) -> list[str]:
    left = []
    for word in own:
        if others[word] > 0:
            others[word] -= 1
        else:
            left.append(word)
    return left


def may_be_now(gone: str, others: Wordings) -> list[int]:
    """The positions of what a sentence may have become, in reading order: it may have been cut in several."""
    own = others.words_of(gone)
    least = np.minimum(len(own), others.lengths)
    shares = _shares(others.shared(own), np.where(least >= LEAST_WORDS_TO_TELL, least, 0))
    likely = sorted((-share, after) for after, share in _at_least(MAY_BE, shares))
    return sorted(after for _, after in likely[:MAX_MAY_BE])


def _shares(shared: IntVector, of: npt.NDArray[Any]) -> Shares:
    """Numbers of words in common as shares of other numbers; 0 where those are 0."""
    shares: Shares = np.divide(shared, of, out=np.zeros(len(shared)), where=of > 0)
    return shares


def _at_least(least: float, shares: Shares) -> list[tuple[int, float]]:
    """The positions of the shares that are large enough, and what they are."""
    return [(int(row), float(shares[row])) for row in np.flatnonzero(shares >= least)]


def _joined(own: Iterable[str]) -> str:
    return f" {' '.join(own)} "
