"""What an edit did to the passages of a corpus, section by section."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from b12qa.lexical import words
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
    left = {passage.position: passage for passage in before}
    others = []
    for passage in after:
        alike = _most_alike(passage, left.values())
        if alike is None:
            others.append(passage)
        else:
            del left[alike.position]
    return len(before) - len(left) + sum(passage.position in left for passage in others)


def _most_alike(passage: _Passage, candidates: Iterable[_Passage]) -> _Passage | None:
    near = heapq.nsmallest(NEIGHBOURS, candidates, key=lambda other: abs(other.position - passage.position))
    found = most_alike(passage.text, [other.text for other in near])
    return None if found is None else near[found]


def most_alike(text: str, candidates: Sequence[str]) -> int | None:
    """The position of the text that is most likely another version of one, if any is; the first of equals."""
    likeness = [_likeness(text, other) for other in candidates]
    best = max(range(len(candidates)), key=likeness.__getitem__, default=None)
    return best if best is not None and likeness[best] >= ALIKE else None


def _likeness(text: str, other: str) -> float:
    """The share of words that two texts have in common, in order, 0 to 1."""
    return SequenceMatcher(None, text.split(), other.split(), autojunk=False).ratio()


def reworded_a_little(gone: Sequence[str], others: Sequence[str]) -> dict[int, int]:
    """Which sentences are still there in nearly the same words, by positions; the most alike come first.

    Args:
        gone: sentences that a document held.
        others: sentences that it holds. Each is another version of one at most, and may hold more of them
            word for word.
    """
    old, new = [Counter(words(text)) for text in gone], [Counter(words(text)) for text in others]
    pairs = sorted(
        (-share, before, after)
        for before, own in enumerate(old)
        for after, other in enumerate(new)
        if (share := _share(own, other, (own.total() + other.total()) / 2)) >= NEARLY_ONE
    )
    now: dict[int, int] = {}
    for _, before, after in pairs:
        if before not in now and after not in now.values():
            now[before] = after
    joined = [_joined(text) for text in others]
    for before, own in enumerate(old):
        if before not in now and own.total() >= LEAST_WORDS_TO_TELL:
            held = _joined(gone[before])
            holding = next((after for after, text in enumerate(joined) if held in text), None)
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


def may_be_now(gone: str, others: Sequence[str]) -> list[int]:
    """The positions of what a sentence may have become, in reading order: it may have been cut in several."""
    own = Counter(words(gone))
    shares = []
    for after, text in enumerate(others):
        other = Counter(words(text))
        least = min(own.total(), other.total())
        if least >= LEAST_WORDS_TO_TELL and (share := _share(own, other, least)) >= MAY_BE:
            shares.append((-share, after))
    return sorted(after for _, after in sorted(shares)[:MAX_MAY_BE])


def _share(one: Counter[str], other: Counter[str], of: float) -> float:
    """How many words two texts have in common, in any order, as a share of a number of words."""
    return (one & other).total() / of if of else 0.0


def _joined(text: str) -> str:
    return f" {' '.join(words(text))} "
