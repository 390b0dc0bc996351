"""The words of a message → its sentences and clauses, and what is negated in them.

How a thing is said shows in lists of words that the code asks for by name: the frames.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise

from b12qa.matching import Hit

# One of the first words after a comma shows whether a new clause begins, or one more item of a list.
WORDS_OF_AN_ITEM = 3
# How far a "no" reaches, in words.
NEGATION_REACH = 6
# Lists that say how a thing is said. In their phrases nothing may stand between the words: "out of" is not
# "out of the".
FRAMES = frozenset({
    "alternates", "announces", "arranged", "asked_of", "asking", "auxiliary", "background", "body_owner",
    "cites", "claimed", "clause_start", "exaggerated", "explains", "fiction", "fillers", "fills", "follows",
    "generic_person", "going_on", "happening", "harmless", "has", "intense", "jests", "joins", "knows",
    "long_ago", "makes", "may", "negator", "never", "news", "not_asking", "not_negation", "now",
    "opens_clause", "other_matter", "over", "passed", "person", "plain_fact", "pointed_at", "present",
    "rated", "reference", "retold", "ruled_out", "seen_to", "settled", "showing", "stops_negation",
    "supposed_if", "supposed_verb", "teaches", "teaches_after", "teaches_before", "tells_me", "tells_since",
    "undone", "unheard_of", "whether",
})  # fmt: skip
# Where a message speaks of texts, what stands in quotation marks is theirs.
_OF_TEXTS = ("cites", "fiction", "retold")


@dataclass(slots=True)
class Words:
    """The words of a message, where they stand, and which lists they belong to."""

    text: list[str]
    sentence: list[int]  # of each word, its number
    after_comma: set[int]  # or another sign within a sentence
    quoted: set[int]  # between quotation marks
    question_mark: bool  # whether there is one anywhere
    hits: dict[str, list[Hit]]  # by list, in order; shared, not to be changed
    # What is worked out only where a rule matches.
    _members: dict[str, set[int]] = field(default_factory=dict)  # words of a list of frames
    _places: dict[str, list[int]] = field(default_factory=dict)  # the same in order
    _clauses: dict[int, list[int]] = field(default_factory=dict)  # by sentence: where each begins
    _negators: dict[int, dict[int, int]] = field(default_factory=dict)  # by sentence: of which word by which

    def has(self, name: str, start: int, end: int) -> bool:
        """Whether a word in ``[start, end)`` belongs to a list of frames."""
        places = self._places.get(name)
        if places is None:
            places = self._places[name] = sorted(self.all_of(name))
        if not places:
            return False
        nearest = bisect_left(places, start)
        return nearest < len(places) and places[nearest] < end

    def at(self, name: str, i: int) -> bool:
        """Whether a word belongs to a list of frames."""
        return i in self.all_of(name)

    def all_of(self, name: str) -> set[int]:
        """The words of a list of frames."""
        members = self._members.get(name)
        if members is None:
            members = {i for first, past in self.hits.get(name, ()) for i in range(first, past)}
            self._members[name] = members
        return members

    def anywhere(self, name: str) -> bool:
        """Whether any word belongs to a list of frames."""
        return name in self.hits

    def says(self, name: str, start: int = 0, end: int | None = None) -> bool:
        """Whether a phrase of a list begins in ``[start, end)`` and is not denied, as in "no joke"."""
        past = len(self.text) if end is None else end
        places = (i for i, _ in self.hits.get(name, ()) if start <= i < past)
        return any(self.negated_by(i) < 0 and not self.at("not_negation", i) for i in places)

    def sentence_around(self, i: int) -> tuple[int, int]:
        """The first word of the sentence of a word, and one past its last."""
        number = self.sentence[i]
        return bisect_left(self.sentence, number), bisect_left(self.sentence, number + 1)

    def clause_around(self, i: int) -> tuple[int, int]:
        """The first word of the clause of a word, and one past its last."""
        starts = self.clause_starts(i)
        place = bisect_left(starts, i + 1)
        return starts[place - 1], starts[place] if place < len(starts) else self.sentence_around(i)[1]

    def clause_starts(self, i: int) -> list[int]:
        """Where the clauses of the sentence of a word begin."""
        number = self.sentence[i]
        starts = self._clauses.get(number)
        if starts is None:
            starts = self._clauses[number] = _clause_starts(self, *self.sentence_around(i))
        return starts

    def negated_by(self, i: int) -> int:
        """The word that negates a word, or -1."""
        return self._negated_around(i).get(i, -1)

    def of_others(self) -> set[int]:
        """The words that are those of other texts."""
        return self.quoted if any(self.anywhere(name) for name in _OF_TEXTS) else set()

    def negated(self) -> set[int]:
        """All negated words."""
        in_sentences = {self.sentence[first]: first for first, _ in self.hits.get("negator", ())}
        return {i for first in in_sentences.values() for i in self._negated_around(first)}

    def _negated_around(self, i: int) -> dict[int, int]:
        number = self.sentence[i]
        negators = self._negators.get(number)
        if negators is None:
            negators = self._negators[number] = _negators(self, *self.sentence_around(i))
        return negators


def _clause_starts(words: Words, start: int, end: int) -> list[int]:
    """Where the clauses of a sentence begin."""
    clause_start, joins, opens_clause = map(words.all_of, ("clause_start", "joins", "opens_clause"))
    asking, auxiliary, asked_of = map(words.all_of, ("asking", "auxiliary", "asked_of"))
    starts = [start]
    for i in range(start + 1, end):
        begins = (
            i in clause_start
            or (i in joins and i + 1 in opens_clause)
            or (i in words.after_comma and words.has("opens_clause", i, _listed_until(i, words)))
            or (i in asking and i + 1 in auxiliary)
            or (i in auxiliary and i + 1 in asked_of and i - 1 not in asking)
        )
        if begins:
            starts.append(i)
    return starts


def _listed_until(start: int, words: Words) -> int:
    """One past the first words after a comma, which tell a new clause from one more item of a list."""
    end = min(start + WORDS_OF_AN_ITEM, len(words.text))
    return next((i for i in range(start + 1, end) if i in words.after_comma), end)


def _negators(words: Words, start: int, end: int) -> dict[int, int]:
    """The negated words of a sentence, and what negates each."""
    negated: dict[int, int] = {}
    if not words.has("negator", start, end):
        return negated
    negators, not_negation, joins = map(words.all_of, ("negator", "not_negation", "joins"))
    stops_negation, person = map(words.all_of, ("stops_negation", "person"))
    clause_starts = set(words.clause_starts(start))
    lists_end = _ends_of_lists(words, start, end)
    negator, left = -1, 0
    for i in range(start, end):
        if i in negators and i not in not_negation:
            negator, left = i, NEGATION_REACH
            continue
        if not left:
            continue
        if i in words.after_comma or i in joins:
            left = 0 if i in words.after_comma and i == negator + 1 else NEGATION_REACH
        if not left or i in clause_starts or i in stops_negation or i in person or i in lists_end:
            left = 0
            continue
        negated[i] = negator
        left -= 1
    return negated


def _ends_of_lists(words: Words, start: int, end: int) -> set[int]:
    """The commas of a sentence, by the word after each, that end what a "no" before them reaches.

    "No fever or cough, chest pain": a list ends with the item after its "or". "No known allergies, chest
    pain": a background is not listed with complaints, unless an "or" shows that it is. "No chest pain,
    breathless since noon": one comma alone makes no list before words that tell since when.
    """
    commas = [i for i in range(start + 1, end) if i in words.after_comma]
    ends: set[int] = set()
    for before, comma in pairwise([start, *commas]):
        is_listed = words.has("alternates", comma, end)
        tells_since = words.has("tells_since", comma, end) or words.has("now", comma, end)
        apart = words.has("background", before, comma) or (len(commas) == 1 and tells_since)
        if words.has("alternates", before, comma) or (apart and not is_listed):
            ends.add(comma)
    return ends
