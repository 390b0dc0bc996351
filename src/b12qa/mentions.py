"""Where a rule's lists stand together → whether it is meant, by how it is said.

- negated, "no chest pain": counts for nothing;
- taught, "can B12 deficiency cause chest pain?": counts only if it is said of somebody, "my chest pain";
- long past, "I had a stroke ten years ago", or supposed, "what if I faint": counts for nothing;
- exaggerated, "I nearly fainted at the price": counts for nothing;
- of another text, "the leaflet says 'crushing pain in the chest'": counts for nothing;
- an illness, "stroke": counts only if it is said to happen, "I think this is a stroke".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from b12qa.clauses import WORDS_OF_AN_ITEM, Words
from b12qa.flag_rules import FlagRule, Mention
from b12qa.matching import Match, any_begins, near_enough, span_of

# So many hits of a list are looked at on each side of the one that a match begins with.
HITS_AROUND = 3
# How far a rule looks at least for words that it must not stand with.
MIN_EXCEPTION_REACH = 3
# How far before a usual value the words stand by which another one is held against it: "7.2, normal is 4".
REFERENCE_REACH = 3
# How many words may stand between a person and what is said of them: "I suddenly feel very faint".
PERSON_REACH = 5
# How far back in a clause the words are looked for that say whose complaint it is.
CLAUSE_REACH = 30
# How many words may stand between an illness and the words that say that it happens.
HAPPENING_REACH = 5
# How far after a complaint the words stand that make it a joke: "I nearly fainted at the price".
EXAGGERATED_REACH = 7
# How far after a complaint the words stand that make it a question of study: "is fainting a symptom?".
TEACHING_REACH = 5


def matches(rule: FlagRule, lists: tuple[str, ...], words: Words) -> Iterator[Match]:
    """Where lists of a rule stand near each other, and no exception of the rule around them.

    Args:
        lists: all lists of the rule, or some.
    """
    if not lists or not words.hits.keys() >= set(lists):
        return
    hits = [words.hits[name] for name in lists]
    for match, (first, last) in near_enough(rule, hits, words.sentence, HITS_AROUND):
        if not _excepted(rule, first, last, words):
            yield match


def _excepted(rule: FlagRule, first: int, last: int, words: Words) -> bool:
    """Whether words stand near that say that it is something else, or nothing new."""
    reach = max(rule.within, MIN_EXCEPTION_REACH)
    sentence_start, sentence_end = words.sentence_around(first)[0], words.sentence_around(last)[1]
    start, end = max(first - reach, sentence_start), min(last + 1 + reach, sentence_end)
    if any_begins(rule.unless, start, end, words.hits) or _all_is_well(rule, start, end, words):
        return True
    usual = any_begins(rule.unless_usual, start, end, words.hits)
    return usual and not words.has("news", sentence_start, sentence_end)


def _all_is_well(rule: FlagRule, start: int, end: int, words: Words) -> bool:
    """Whether a usual value stands near, and not as what another one is held against.

    That is one after "normal is" or "yesterday", and one of two that stand side by side: "(130-170)".
    """
    for name in rule.unless_value:
        places = {i for i, _ in words.hits.get(name, ())}
        for i in places:
            of_range = i - 1 in places or i + 1 in places
            if start <= i < end and not of_range and not words.has("reference", i - REFERENCE_REACH, i):
                return True
    return False


def counts(match: Match, mention: Mention, words: Words, claimed: bool = False) -> bool:
    """Whether a match is a red flag, by how it is said.

    Args:
        claimed: a later message says that it happens to the user.
    """
    first, last = span_of(match)
    own = {i for start, end in match for i in range(start, end)}
    negators = {words.negated_by(i) for i in own} - own - {-1}
    if negators:
        return any(words.at("never", i) for i in negators) and _unheard_of(last, words)
    if mention is Mention.ALWAYS:
        return True
    if own <= words.of_others() and not claimed:
        return False
    claimed = claimed or words.anywhere("claimed")
    context = _Context.of(first, last, words)
    if not _real(context, words, claimed):
        return False
    if mention is Mention.ILLNESS:
        return _had(context, words, claimed)
    if not claimed and any(_asked_apart(start, first, words) for start, _ in match):
        return False
    return claimed or _personal(context, words) or _told_of_nobody(context, words)


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a match stands: its own words, the clauses and the sentences around it."""

    first: int
    last: int
    clause_start: int
    clause_end: int
    sentence_start: int
    sentence_end: int

    @classmethod
    def of(cls, first: int, last: int, words: Words) -> _Context:
        return cls(
            first,
            last,
            words.clause_around(first)[0],
            words.clause_around(last)[1],
            words.sentence_around(first)[0],
            words.sentence_around(last)[1],
        )


def _unheard_of(last: int, words: Words) -> bool:
    """Whether a "never" says how bad it is: "I never had chest pain like this"."""
    return words.has("unheard_of", last + 1, last + 1 + HAPPENING_REACH)


def _real(context: _Context, words: Words, claimed: bool) -> bool:
    """Whether something is neither made up, long past, supposed nor taught right beside it."""
    first, last = context.first, context.last
    exaggerated_until = min(last + 1 + EXAGGERATED_REACH, context.sentence_end)
    return not (
        words.says("fiction", context.sentence_start, context.sentence_end)
        or words.has("exaggerated", last + 1, exaggerated_until)
        or _long_past(context, words)
        or (not claimed and _supposed(context, words))
        or (words.has("teaches_before", first - 3, first) and not words.at("pointed_at", first - 1))
        or words.has("teaches_after", last + 1, last + 2)
    )


def _had(context: _Context, words: Words, claimed: bool) -> bool:
    """Whether an illness is said to happen."""
    first, last = context.first, context.last
    if words.has("follows", first - 3, first) or words.has("rated", last + 1, last + 2):
        return False
    if not _happens(context, words):
        return False
    if claimed or _personal(context, words):
        return True
    return not (_teaches(context, words) or _asked_about(context, words))


def _told_of_nobody(context: _Context, words: Words) -> bool:
    """Whether a complaint counts of which nobody says whose it is: "crushing chest pain"."""
    if words.has("cites", context.sentence_start, context.first) or _asked_in_general(context, words):
        return False
    intense = words.has("intense", context.first - 2, context.first)
    return intense or not _teaches(context, words)


def _long_past(context: _Context, words: Words) -> bool:
    """Whether the clause of a match is about earlier years; a later clause does not make it so."""
    if not words.has("long_ago", context.sentence_start, context.sentence_end):
        return False
    start, end = context.clause_start, context.clause_end
    if words.has("now", start, end):
        return False
    # "I fainted often when I was a child": the words that tell the time may begin the next clause.
    if words.has("long_ago", start, min(end + WORDS_OF_AN_ITEM, context.sentence_end)):
        return not words.has("present", start, context.first)
    earlier = words.has("long_ago", context.sentence_start, start)
    return earlier and not words.has("present", start, end)


def _supposed(context: _Context, words: Words) -> bool:
    for i in range(max(context.clause_start, context.first - CLAUSE_REACH), context.last + 1):
        if words.at("supposed_if", i) and not words.at("whether", i):
            return not words.has("going_on", i + 1, context.first + 1)
        if not words.at("may", i) or context.first - i > PERSON_REACH:
            continue
        someone = words.has("person", i + 1, i + 2) or words.has("generic_person", i + 1, i + 2)
        if someone and words.has("supposed_verb", i + 2, i + 4) and not words.has("going_on", i + 2, i + 5):
            return True
        if words.has("makes", i + 1, context.first):
            return True
    return False


def _personal(context: _Context, words: Words) -> bool:
    """Whether something is said of somebody, and of this very moment."""
    first, last = context.first, context.last

    def far(start: int) -> bool:
        return words.has("teaches", start + 1, first) or words.has("knows", start + 1, first)

    for i in range(max(context.clause_start, first - CLAUSE_REACH), last + 1):
        if words.at("body_owner", i) and first - i <= PERSON_REACH and not far(i):
            return True
        if not words.at("person", i) or words.at("tells_me", i) or words.at("may", i - 1):
            continue
        if first - i <= PERSON_REACH and not far(i):
            return True
        if words.has("has", i + 1, i + 4) and not far(i):
            return True
    shown = words.has("showing", first - PERSON_REACH, first)
    return shown or words.has("now", context.sentence_start, context.sentence_end)


def _teaches(context: _Context, words: Words) -> bool:
    if words.has("tells_me", context.clause_start, context.first):
        return True
    return words.has(
        "teaches", context.clause_start, min(context.last + 1 + TEACHING_REACH, context.clause_end)
    )


def _asked_in_general(context: _Context, words: Words) -> bool:
    clause = range(context.clause_start, context.clause_end)
    if any(words.at("person", i) and not words.at("tells_me", i) for i in clause):
        return False
    start = context.clause_start
    while start < context.first and words.at("fillers", start):
        start += 1
    asks = words.at("asking", start) or (words.at("auxiliary", start) and not words.at("not_asking", start))
    return asks or words.has("generic_person", context.clause_start, context.clause_end)


def _asked_apart(i: int, first: int, words: Words) -> bool:
    """Whether a word stands in another sentence, which asks in general and of nobody."""
    if words.sentence[i] == words.sentence[first]:
        return False
    start, end = words.clause_around(i)
    of_somebody = words.has("person", start, end) or words.has("body_owner", start, end)
    asks = words.at("asking", start) or (words.at("auxiliary", start) and not words.at("not_asking", start))
    return asks and not of_somebody


def _asked_about(context: _Context, words: Words) -> bool:
    """Whether an illness is asked about: "what happens in a stroke?", but not "is this a stroke?"."""
    general = words.has("generic_person", context.clause_start, context.clause_end)
    return general or words.has("asking", context.clause_start, context.clause_start + 1)


def _happens(context: _Context, words: Words) -> bool:
    start = max(context.first - HAPPENING_REACH, context.sentence_start)
    end = min(context.last + 1 + HAPPENING_REACH, context.sentence_end)
    return words.has("happening", start, end)
