"""A message, the ones before it → the most severe red flag in them: rules, and no model.

The rules (`flag_rules.py`) say which words must stand near each other. A message is read whole, in linear
time (`messages.py`). What a match means depends on how it is said (`mentions.py`); how the whole message is
worded (`wording.py`) must agree, and may be enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from typing import NamedTuple

from b12qa.clauses import FRAMES, Words
from b12qa.flag_rules import SHORT, Concept, FlagRule, FlagRules, Mention, load_flag_rules, read_flag_rules
from b12qa.mentions import counts, matches
from b12qa.messages import Reader
from b12qa.records import CareLevel
from b12qa.wording import points_of

# Earlier messages that are read together with the last one.
EARLIER_MESSAGES = 2
# How a part of a message is worded is less sure than the whole, most of all where no rule has found anything.
FEWER_POINTS_BESIDE_A_MATCH = 12
FEWER_POINTS_IN_PART = 27
# Where so much is told, a danger among it is short beside the rest; few people tell so much of no danger.
WORDS_OF_A_LONG_MESSAGE = 250
FEWER_POINTS_BESIDE_A_MATCH_IN_LONG = 4
FEWER_POINTS_IN_PART_OF_LONG = 14
# Two messages read as one need so many, as where no rule has found anything: for what both say together, and
# for what the earlier one said to last.
LEAST_POINTS_OF_TWO = -16
LEAST_POINTS_TO_LAST = 5
# Beside what a rule says should be seen soon, points alone count only if there are so many more.
MORE_POINTS_BESIDE_A_NAME = 23
# A longer sentence is read in parts.
WORDS_OF_A_PART = 25
# A whole message of so few words has points of its own: there is little to judge by.
WORDS_OF_A_SHORT_MESSAGE = 9
# Points alone say nothing of a message of so few words: "leg ulcer" is a subject.
WORDS_OF_A_SUBJECT = 2
# A message of so few words says little without the one before.
MAX_WORDS_OF_A_FRAGMENT = 4


@dataclass(frozen=True, slots=True)
class RedFlags:
    """The rules, and a reader of messages that knows their words."""

    rules: FlagRules
    reader: Reader

    @classmethod
    def of(cls, rules: FlagRules) -> RedFlags:
        """The rules, with a reader that has met no word."""
        return cls(rules, Reader(rules.known))

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """All red flags, the most severe level first."""
        return self.rules.concepts

    def find(self, message: str, history: Sequence[str] = ()) -> Concept | None:
        """The most severe red flag of a message, or none. Arguments as in `meet`."""
        return self.meet(message, history).concept

    def meet(self, message: str, history: Sequence[str] = ()) -> Met:
        """What is to be met before anything is searched: the most severe red flag of a message, if any.

        A flag of an earlier message counts through no more than two later ones, so that no card sticks for
        ever, and only if none of them takes it back. An emergency counts through both though its signs have
        gone, and whatever they ask or tell of other things that the rules know as such (`background`). The
        two messages before the last one are also read together with it: "my leg is swollen", "only the left
        one, and it is hot". Both ways the two, read as one, must be worded as a red flag is, unlike "black
        stools since I started the iron", "it is from the iron, the doctor tested it"; but for what was said
        outright, and where the last one claims it.

        Args:
            message: as typed, of any length.
            history: the user's earlier messages, oldest first.
        """
        texts = (*history[-2 * EARLIER_MESSAGES :], message)
        *before, last = (_Turn(text, self.reader.read(text)) for text in texts)
        earlier = before[-EARLIER_MESSAGES:]
        goes_on = bool(earlier) and _goes_on_asking(earlier[-1].words, last.words)
        told_now = set() if goes_on else flagged(last.words, self.rules)
        found = set(told_now)
        if earlier and _is_seen_to(last):
            found.difference_update(number for number, _ in self.rules.by_points)
        else:
            found |= self._told_together(earlier, last)
        lasting = self._told_before(before, last)
        # An emergency of the last message is news, most of all one that it tells alone; what lasts was shown.
        emergencies = self._emergencies(told_now & found) or self._emergencies(found)
        first = min(emergencies or found | lasting, default=None)
        return Met(
            None if first is None else self.concepts[first],
            told_before=first is not None and first not in found,
            asks_who=_asks_who(last.words, self.rules),
        )

    def _emergencies(self, numbers: AbstractSet[int]) -> set[int]:
        return {number for number in numbers if self.concepts[number].level is CareLevel.EMERGENCY}

    def _told_together(self, earlier: Sequence[_Turn], last: _Turn) -> set[int]:
        """What an earlier message and the last one tell only together."""
        found: set[int] = set()
        for place, turn in enumerate(earlier, start=1):
            if any(_taken_back(later.words) or _is_seen_to(later) for later in earlier[place:]):
                continue
            together = _flagged_together(turn.words, last.words, self.rules)
            if together:  # what the earlier message said by itself was answered then
                together -= flagged(turn.words, self.rules)
            claimed = last.words.anywhere("claimed")
            if together and (claimed or self._points_of_both(turn, last) >= LEAST_POINTS_OF_TWO):
                found |= together
        return found

    def _told_before(self, before: Sequence[_Turn], last: _Turn) -> set[int]:
        """What the newest earlier messages told that lasts."""
        found: set[int] = set()
        later, seen_to, arranged = last, False, False
        for place in range(len(before) - 1, max(-1, len(before) - 1 - EARLIER_MESSAGES), -1):
            turn = before[place]
            taken_back = _taken_back(later.words)
            # "I have felt like this for years" takes no wish to die back, nor does "just kidding".
            may_last = _says(later.words, "jests", "settled")
            if _says(later.words, "over") or (taken_back and not may_last):
                break
            seen_to |= taken_back or _says(later.words, "other_matter") or _is_seen_to(later)
            arranged |= _is_so(later.words, "arranged", "ruled_out")
            lasting = self._lasting(turn, before[max(0, place - EARLIER_MESSAGES) : place], later, last)
            found |= {n for n in lasting if self._still_shown(n, seen_to, arranged)}
            later = turn
        return found

    def _still_shown(self, number: int, seen_to: bool, arranged: bool) -> bool:
        """Whether a concept that lasts is shown, though somebody sees to it, or will see to it today."""
        concept = self.concepts[number]
        if concept.lasts:
            return True
        return not seen_to and (concept.level is CareLevel.EMERGENCY or not arranged)

    def _lasting(self, turn: _Turn, before: Sequence[_Turn], later: _Turn, last: _Turn) -> set[int]:
        """What a message told that lasts until the last one, by what the next one says of it.

        Args:
            before: the messages before it. What points alone tell goes on from what those named.
        """
        claimed = later.words.anywhere("claimed")
        told_here = flagged(turn.words, self.rules, claimed)
        if not told_here.isdisjoint(number for number, _ in self.rules.by_points):
            told_here = told_here.union(*(flagged(one.words, self.rules) for one in before))
        levels = {n: self.concepts[n].level for n in told_here}
        # What should be seen soon has been said, and is no reason to say it again.
        told = {number for number, level in levels.items() if level is not CareLevel.SOON}
        emergencies = self._emergencies(told)
        whatever = {number for number in told if self.concepts[number].lasts}
        if later.words.says("jests"):
            return whatever
        if later.words.anywhere("passed"):
            told = emergencies | whatever  # a stroke whose signs have gone, too
        if not told or claimed:
            return told
        points = self._points_of_both(turn, last)
        if points >= LEAST_POINTS_TO_LAST:
            return told
        # Whoever has told of an emergency may ask for something else, or go on about other things. But what
        # they say of it may be why it is none: "it is from the iron, the doctor tested it".
        goes_on = points >= LEAST_POINTS_OF_TWO or not _explains(last.words)
        goes_on = goes_on and (later is last or not _explains(later.words))
        return whatever | (emergencies if goes_on else told & _said_outright(turn.words, self.rules))

    def _points_of_both(self, earlier: _Turn, last: _Turn) -> int:
        """How much an earlier message and the last one, read as one, are worded as a red flag is."""
        return points_in(self.reader.read(f"{earlier.text}\n{last.text}"), self.rules).alone


class Met(NamedTuple):
    """What a message says before it asks anything."""

    concept: Concept | None  # the most severe red flag
    told_before: bool  # by an earlier message alone
    asks_who: bool  # it asks who or what is answering


class _Turn(NamedTuple):
    """One message of a conversation."""

    text: str
    words: Words


@cache
def load_red_flags() -> RedFlags:
    """The rules that come with the package."""
    return RedFlags.of(load_flag_rules())


def read_red_flags(data: bytes, file: str) -> RedFlags:
    """Read the rules. Arguments and errors as of `read_flag_rules`."""
    return RedFlags.of(read_flag_rules(data, file))


# One message. Concepts are told by their positions.


def flagged(words: Words, rules: FlagRules, claimed: bool = False) -> set[int]:
    """The concepts that are in a message.

    Args:
        claimed: a later message says that it happens to the user: "that just happened to me".
    """
    points = points_in(words, rules)
    likely = claimed or words.anywhere("claimed") or points.for_a_match >= rules.least
    found: set[int] = set()
    for number, rule in rules.by_list.possible(words.hits.keys()):
        soon = rules.concepts[number].level is CareLevel.SOON
        may_count = likely or soon or rule.mention in (Mention.ALWAYS, Mention.STATED)
        if may_count and number not in found and _is_in(rule, rule.lists, words, claimed):
            found.add(number)
    only_announced = any(end == len(words.text) for _, end in words.hits.get("announces", ()))
    if len(words.text) <= WORDS_OF_A_SUBJECT or only_announced or _only_facts(words):
        return found
    more = MORE_POINTS_BESIDE_A_NAME if found else 0
    return found | {number for number, least in rules.by_points if points.alone >= least + more}


def _only_facts(words: Words) -> bool:
    """Whether a message is nothing but plain facts: "my mum is 75 and diabetic"."""
    covered = {i for start, end in words.hits.get("plain_fact", ()) for i in range(start, end)}
    return len(covered) == len(words.text)


def _said_outright(words: Words, rules: FlagRules) -> set[int]:
    """The concepts of which a rule finds what counts however it is said."""
    return {
        number
        for number, rule in rules.by_list.possible(words.hits.keys())
        if rule.mention is Mention.ALWAYS and _is_in(rule, rule.lists, words)
    }


def _is_in(rule: FlagRule, lists: tuple[str, ...], words: Words, claimed: bool = False) -> bool:
    """Whether lists of a rule, all or some, stand together in a message and count."""
    return any(counts(match, rule.mention, words, claimed) for match in matches(rule, lists, words))


def _asks_who(words: Words, rules: FlagRules) -> bool:
    return any(True for rule in rules.about.rules for _ in matches(rule, rule.lists, words))


# What a message adds up to.


class Points(NamedTuple):
    """What a message adds up to."""

    for_a_match: int  # that shows whether a match counts
    alone: int  # that may be a red flag without a match


def points_in(words: Words, rules: FlagRules) -> Points:
    """The points of a message: of its best part, and of how it is worded, as a whole or in part."""
    points, wording = _most_points(words, rules), points_of(words, rules.wording)
    if len(words.text) > WORDS_OF_A_LONG_MESSAGE:
        fewer, fewer_alone = FEWER_POINTS_BESIDE_A_MATCH_IN_LONG, FEWER_POINTS_IN_PART_OF_LONG
    else:
        fewer, fewer_alone = FEWER_POINTS_BESIDE_A_MATCH, FEWER_POINTS_IN_PART
    return Points(
        points // 2 + max(wording.whole, wording.part - fewer),
        points // 2 + max(wording.whole, wording.part - fewer_alone),
    )


def _most_points(words: Words, rules: FlagRules) -> int:
    """The points of the part of a message that has most, alone or with the next one."""
    parts = listed_in_parts(words, rules.points) or [{}]
    together = [first | second for first, second in pairwise(parts)]
    # What every part has: the points of any message, and of how this one speaks.
    start = rules.start + sum(rules.anywhere[name] for name in words.hits if name in rules.anywhere)
    return start + max(sum(part.values()) for part in [*parts, *together])


def listed_in_parts(words: Words, points: Mapping[str, int]) -> list[dict[str, int]]:
    """The lists whose words stand in each part of a message, with their points.

    What is negated or of other texts is left out. A part is a sentence, or so many words of a long one.
    """
    part_of = _parts_of(words)
    listed: list[dict[str, int]] = [{} for _ in range(part_of[-1] + 1 if part_of else 0)]
    if len(words.text) <= WORDS_OF_A_SHORT_MESSAGE and listed and SHORT in points:
        listed[0][SHORT] = points[SHORT]
    left_out = words.negated() | words.of_others()
    for name, hits in words.hits.items():
        worth = points.get(name)
        if worth is not None:
            counts_always = not left_out or name in FRAMES
            for start, _ in hits:
                if counts_always or start not in left_out:
                    listed[part_of[start]][name] = worth
    return listed


def _parts_of(words: Words) -> list[int]:
    """The number of the part in which each word stands."""
    parts: list[int] = []
    part, begun, before = -1, 0, -1
    for i, sentence in enumerate(words.sentence):
        if sentence != before or i - begun == WORDS_OF_A_PART:
            part, begun, before = part + 1, i, sentence
        parts.append(part)
    return parts


# Two messages of one conversation.


def _flagged_together(earlier: Words, last: Words, rules: FlagRules) -> set[int]:
    """The concepts of which the last message adds what an earlier one lacked."""
    found: set[int] = set()
    for number, rule in rules.by_list.possible(earlier.hits.keys() | last.hits.keys()):
        if number not in found and rule.mention is not Mention.ILLNESS and _completed(rule, earlier, last):
            found.add(number)
    return found


def _completed(rule: FlagRule, earlier: Words, last: Words) -> bool:
    """Whether some lists of a rule stand in the last message, and the others in an earlier one."""
    return any(
        _is_in(rule, part, last) and _is_in(rule, tuple(n for n in rule.lists if n not in part), earlier)
        for part in _some_of(rule.lists)
    )


def _some_of(lists: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(lists)):
        yield from combinations(lists, size)


def _goes_on_asking(earlier: Words, last: Words) -> bool:
    """Whether a few words add to a question in general: "is fainting a symptom?", "and breathlessness?"."""
    count = len(last.text)
    adds = last.has("joins", 0, 1) or last.has("asking", 0, 1)
    if not adds or count > MAX_WORDS_OF_A_FRAGMENT + 1:
        return False
    of_somebody = any(last.anywhere(name) for name in ("person", "body_owner", "now"))
    of_somebody = of_somebody or earlier.anywhere("person") or earlier.anywhere("body_owner")
    return _begins_to_ask(earlier) and not of_somebody


def _begins_to_ask(words: Words) -> bool:
    """Whether a message begins as a question does."""
    return words.at("asking", 0) or words.at("auxiliary", 0)


def _says(words: Words, *names: str) -> bool:
    """Whether one of some lists is used in a message, and not denied."""
    return any(words.says(name) for name in names)


def _is_seen_to(turn: _Turn) -> bool:
    """Whether a message tells that somebody sees to what was told before: "the ambulance is here"."""
    return _is_so(turn.words, "seen_to")


def _is_so(words: Words, *names: str) -> bool:
    """Whether a message tells outright, and not with a "but", what one of some lists says."""
    told = {i for name in names for start, end in words.hits.get(name, ()) for i in range(start, end)}
    undone = any(start not in told for start, _ in words.hits.get("undone", ()))
    return _says(words, *names) and not undone and not _begins_to_ask(words)


def _explains(words: Words) -> bool:
    """Whether a message may tell why what was told before is none: "it is from the iron"."""
    return words.anywhere("explains") and not (words.question_mark or _begins_to_ask(words))


def _taken_back(words: Words) -> bool:
    """Whether a message says that what was told is old, settled or made up: "that was 2009, he's fine"."""
    settled = words.hits.get("settled", [])
    now = [hit for hit in words.hits.get("now", ()) if not any(a <= hit[0] < b for a, b in settled)]
    # That somebody is well now tells nothing of when it was; signs that have gone may come back.
    told = ["long_ago"] if words.anywhere("now") else ["long_ago", "settled"]
    # "I have been a smoker for years" tells nothing of a tight chest.
    of_it = words.anywhere("points_back") or words.at("clause_start", 0) or not words.anywhere("background")
    return not now and _says(words, "fiction", *(told if of_it else []))
