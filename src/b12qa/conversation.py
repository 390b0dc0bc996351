"""Question and history → the query that is searched, and why.

A follow-up leaves out what was said before. How much it leaves out shows in its words: "why?" has no
topic of its own, "are they safe?" points to one, "what about eggs" swaps a part of it, and a full
question has it all. The topic that is carried is the chain of questions back to the last full one,
never the whole conversation: old topics only pollute the search. Of a question that hangs on others, both
readings are searched, alone and joined to its topic, and their scores added; one that stands alone is
searched alone, so that a new topic is never dragged back to the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import takewhile
from typing import NamedTuple

from b12qa.lexical import terms, words
from b12qa.plain import one_line, writable
from b12qa.retrieval import Reading, Topics

NO_TOPICS = Topics(frozenset(), frozenset(), frozenset())
# A topic is at most so many questions long.
MAX_TOPIC = 2

# Words that ask for more without saying of what.
_EMPTY_WORDS = frozenset(
    terms(
        """more else other anything something source sources elaborate exactly say says article details
        detail reference references explain expand further ok okay yes thanks continue go on really sure
        evidence quote show again back return returning going earlier question sorry mean meant next keep"""
    )
)
# Who says one of these, and only what stands around it, has read the answer and wishes for more.
_MORE = re.compile(
    r"\b(?:more|else|any other|are there others|and others|further|continue|next|go on|carry on|keep going)\b"
)
_NOT_MORE = re.compile(r"is it|can i|could i")  # "can I go on?"
_MORE_AND_AROUND = frozenset(
    words(
        """a about ahead and any anything are article can carry continue could d did does else for further go
        going i is it keep know let like me more much next ok okay on one ones or other others please read say
        says show so some something tell thank thanks that the there this to very want what would yeah you"""
    )
)
_POINTER = re.compile(
    r"\b(it|its|they|them|their|theirs|that|this|these|those|ones?|same|there|he|she|her|him|both|first|second"
    r"|latter|former|either)\b",
    re.IGNORECASE,
)
_CONTINUATION = re.compile(
    r"(?:(?:ok(?:ay)?|so|well),? )*(?:and|but|or|also|vs|versus|compared|than|for|in|from|with|what about"
    r"|how about)\b",
    re.IGNORECASE,
)
# "my feet are numb" begins anew, whatever was asked before.
_TELLS_ANEW = re.compile(
    r"(?:my|his|her|our) \w+ (?:is|are|feels?|hurts?|keeps?|gets?|goes|has|have|tingles?)\b", re.IGNORECASE
)
_CORRECTION = re.compile(
    r"\A(?:no|nope|sorry|oops|not|i mean|i meant|actually|rather)\b|\bi meant?\b", re.IGNORECASE
)
# "not b12, vitamin d", "vegan, not vegetarian": what was wrong in the question before, and what is right.
_SORRY = "no|nope|sorry|oops|wait|hang on|actually"
_LEADS_IN = rf"\A(?:(?:{_SORRY}|i mean|i meant)(?:, ?| )){{0,3}}"
_NAMED = r"(?:(?:for|in|with|the|an?) ){{0,2}}(?P<{}>[^,;.?!]{{1,40}}?)"
_WRONG_AND_RIGHT = tuple(
    re.compile(f"{_LEADS_IN}{form}[.?!]*\\Z", re.IGNORECASE)
    for form in (
        rf"not {_NAMED.format('wrong')}(?:[,;.]| but) ?(?:i meant? )?{_NAMED.format('right')}",
        rf"{_NAMED.format('right')},? (?:and not|not|instead of|rather than) {_NAMED.format('wrong')}",
    )
)
# "sorry, I meant clams": what is meant instead of something in the question before.
_MEANT = re.compile(
    rf"\A(?:(?:{_SORRY})(?:, ?| )){{0,3}}i meant?,? {_NAMED.format('right')}(?: ones?)?[.?!]*\Z",
    re.IGNORECASE,
)
_CONTRASTS = re.compile(r"\b(?:not|rather than|instead of)\b", re.IGNORECASE)
_FIGURE = re.compile(r"\d")
# What is put right is named, and not asked: "and who must not take too much?".
_ASKED_OR_TOLD = re.compile(
    r"\b(?:i|we|you|is|are|am|was|were|do|does|did|can|could|should|shall|will|would|must|may|might|have|has"
    r"|who|why|if|ok|or|but|sorry|thanks|thank|please|fine|that|this|it)\b",
    re.IGNORECASE,
)
_RETURN = re.compile(
    r"\b(?:back to|return(?:ing)? to|again|earlier|going back|come back"
    r"|you (?:say|said|mention|mentioned|told me|wrote) (?:about|on))\b",
    re.IGNORECASE,
)
_QUESTION_WORD = (
    r"(?:what|what's|how|why|when|which|who|whose|where|is|are|was|were|does|do|did|can|could|should|shall|will"
    r"|would|has|have|had|in which|in what|at what|to what|for how|by how)\b"
)
# Between two questions in one message.
_SEVERAL = re.compile(
    r"(?<=\?) "
    rf"|[,;:]? (?:and|but|plus|also|or)(?: (?:then|also|if so))?,? (?={_QUESTION_WORD})"
    rf"|[,;] (?={_QUESTION_WORD})",
    re.IGNORECASE,
)
_AND_SO = r"(?:(?:and|but|plus|also|or|so|then|if so|now),? )*"
_BEGINS_A_QUESTION = re.compile(rf"{_AND_SO}(?:tell me|{_QUESTION_WORD})", re.IGNORECASE)
# "When it has gone, what is left?" supposes where "when was it, and who did it?" asks.
_SUPPOSES = re.compile(rf"{_AND_SO}(?:when|where)(?:ever)? (?!{_QUESTION_WORD})", re.IGNORECASE)
MAX_PARTS = 3
# In a message of more words what is asked may drown: the questions are searched beside the whole.
WORDS_OF_A_LONG_MESSAGE = 60
# Of a message of more words the model reads the beginning alone: only the questions are searched.
MAX_WORDS_READ = 180
IN_A_LONG_MESSAGE = "it is asked in a long message"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n")
# So many words that are everywhere in a document say something together.
MIN_TERMS_OF_A_QUESTION = 3
# A pointer in a long question usually points inside it.
_MAX_TERMS_WITH_POINTER = 4


class Weights(NamedTuple):
    """How much each of two readings counts."""

    alone: float
    joined: float


class Dependence(Enum):
    """How a question hangs on the ones before: why it was joined, and what that means for the search.

    Of two readings the better ranking is unknown, so both count. "vs gabapentin?" joined to an answered
    question looks answered: so what the question says alone counts in the confidence as well.
    """

    EMPTY = ("it asks for more of the same", Weights(0.0, 1.0), Weights(0.0, 1.0))
    RETURN = ("it comes back to an earlier question", Weights(1.0, 1.0), Weights(0.5, 0.5))
    CORRECTION = ("it corrects the question before", Weights(1.0, 1.0), Weights(0.0, 1.0))
    FRAGMENT = ("it is too short to stand alone", Weights(1.0, 1.0), Weights(0.5, 0.5))
    CONTINUATION = ("it continues the question before", Weights(1.0, 1.0), Weights(0.5, 0.5))
    POINTER = ("it points back to the question before", Weights(1.0, 1.0), Weights(0.5, 0.5))
    NONE = ("", Weights(1.0, 0.0), Weights(1.0, 0.0))

    def __init__(self, reason: str, ranking: Weights, confidence: Weights) -> None:
        self.reason = reason
        self.ranking = ranking
        self.confidence = confidence


# "and mushrooms?" joined to a question about clams looks answered; its own words know better.
NEW_WORD = Weights(0.8, 0.2)


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for a question."""

    question: str  # as typed, on one line
    text: str
    reason: str  # why it differs from what was typed; empty when it does not
    readings: tuple[Reading, ...]  # what is searched, best understood last
    parts: tuple[Query, ...] = ()  # the questions in it, if there are several
    more: int = 0  # how often in a row more is asked for, this message included


def to_query(question: str, history: Sequence[str] = (), topics: Topics = NO_TOPICS) -> Query:
    """Understand a question in its conversation.

    Args:
        question: as typed.
        history: the user's earlier questions, oldest first.
        topics: which words can name a topic in these documents.
    """
    whole = _in_conversation(question, history, topics)
    parts = [part for part in _questions_in(whole.question) if _content(part, topics)]
    if not 1 < len(parts) <= MAX_PARTS:
        return _beside_its_question(whole, asked_at_length(question), history, topics)
    # A later part may point to an earlier one, as a later question does.
    queries = [_in_conversation(part, [*history, *parts[:i]], topics) for i, part in enumerate(parts)]
    return replace(whole, parts=tuple(_reading_the_whole(query, whole) for query in queries))


class AskedAtLength(NamedTuple):
    """What is asked in a long message."""

    told: str  # what stands right before the questions
    asked: str  # the questions, at most so many as a message may have parts
    must_be_cut: bool  # a model would read the beginning of the message alone


def asked_at_length(message: str) -> AskedAtLength | None:
    """The last questions of a long message; nothing if it is short, asks nothing, or is all questions."""
    length = len(message.split())
    if length <= WORDS_OF_A_LONG_MESSAGE:
        return None
    sentences = [_one_line(sentence) for sentence in _SENTENCE_END.split(message) if sentence.strip()]
    numbers = [number for number, sentence in enumerate(sentences) if asks(sentence)][-MAX_PARTS:]
    asked = " ".join(sentences[number] for number in numbers)
    if not asked or len(asked.split()) > WORDS_OF_A_LONG_MESSAGE:
        return None
    told = "".join(sentences[numbers[0] - 1 : numbers[0]])
    return AskedAtLength(told, asked, length > MAX_WORDS_READ)


def _beside_its_question(
    whole: Query, at_length: AskedAtLength | None, history: Sequence[str], topics: Topics
) -> Query:
    """A long message, read as a whole and by its question alone; both count alike."""
    if at_length is None:
        return whole
    alone = _in_conversation(at_length.asked, [*history, at_length.told], topics)
    both = (*_together_counting_one(whole.readings), *_together_counting_one(alone.readings))
    return replace(whole, readings=both)


def _together_counting_one(readings: Sequence[Reading]) -> Iterator[Reading]:
    weight, trust = (sum(getattr(reading, name) for reading in readings) for name in ("weight", "trust"))
    return (r._replace(weight=r.weight / weight, trust=r.trust / trust) for r in readings)


def asks(text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether a part of a message on one line is worded as a question, and does not only tell something."""
    end = len(text) if end is None else end
    return text.endswith(("?", "? "), start, end) or _BEGINS_A_QUESTION.match(text, start, end) is not None


def naming_the_subject(query: Query, topics: Topics) -> Reading | None:
    """A question that stands alone and names nothing, read as one on the subject; nothing of any other.

    "What is the dose for nerve pain?" on a page on B12 asks for that of B12; to a model it sounds like a
    question on any medicine. Words that nothing here uses ask of something else.
    """
    named = topics.subjects.intersection(terms(topics.name))
    names_it = not named.isdisjoint(terms(query.text))
    if not named or query.reason or query.parts or names_it or not topics.know(query.text):
        return None
    return Reading(f"{topics.name}: {query.text}")


def _questions_in(message: str) -> list[str]:
    """The questions in a message, each with what is told or supposed beside it.

    "Clams, how much is in them?" and "If I am low, what helps?" are one question, not two.
    """
    found, begin = [], 0
    for between in _SEVERAL.finditer(message):
        end, after = between.span()
        if asks(message, begin, end) and not _SUPPOSES.match(message, begin, end) and asks(message, after):
            found.append(message[begin:end])
            begin = after
    return [*found, message[begin:]]


def _reading_the_whole(part: Query, whole: Query) -> Query:
    """A question of a message whose reading in its context is all of the message: that is read already."""
    as_typed = whole.readings[0].text
    said = terms(as_typed)
    readings = (r._replace(text=as_typed) if terms(r.text) == said else r for r in part.readings)
    return replace(part, readings=tuple(readings))


def _in_conversation(question: str, history: Sequence[str], topics: Topics) -> Query:
    """Carry the topic of the conversation into a question that cannot stand alone."""
    question = _one_line(question)
    earlier = _put_right(history, topics)
    if not earlier:
        return Query(question, question, "", (Reading(question),))
    if corrected := _corrected(question, earlier[-1], topics):
        understood = _in_conversation(corrected, earlier[:-1], topics)
        return replace(understood, question=question, reason=Dependence.CORRECTION.reason)
    dependence = _dependence(question, topics)
    topic = _topic(question, earlier, dependence, topics)
    if dependence is Dependence.NONE or not topic:
        return Query(question, question, "", (Reading(question),))
    own = [] if _says_nothing(question) else [question]
    joined = " ".join([*topic, *own])
    confidence = dependence.confidence
    if topics.known and confidence.joined and not topics.known.issuperset(_content(question, topics)):
        confidence = NEW_WORD
    readings = (
        Reading(question, dependence.ranking.alone, confidence.alone),
        Reading(joined, dependence.ranking.joined, confidence.joined),
    )
    used = tuple(reading for reading in readings if reading.weight)
    more = sum(1 for _ in takewhile(asks_for_more, [question, *reversed(earlier)]))
    return Query(question, joined, dependence.reason, used, more=more)


def _put_right(history: Sequence[str], topics: Topics) -> list[str]:
    """The earlier messages on one line each, a correction as what it corrected; none that is empty."""
    asked: list[str] = []
    for text in filter(None, map(_one_line, history)):
        asked.append(_corrected(text, "".join(asked[-1:]), topics) or text)
    return asked


def _corrected(question: str, before: str, topics: Topics) -> str:
    """The question before with what was wrong in it put right; empty if nothing is."""
    for pattern in _WRONG_AND_RIGHT:
        found = pattern.match(question)
        if found is None or _ASKED_OR_TOLD.search(found["right"]):
            continue
        wrong = re.compile(rf"\b{re.escape(found['wrong'].strip())}\b", re.IGNORECASE)
        if wrong.search(before):
            return found["right"].strip().join(wrong.split(before))
    meant = _MEANT.match(question) if before else None
    if (
        meant is not None
        and not _CONTRASTS.search(meant["right"])
        and not _ASKED_OR_TOLD.search(meant["right"])
    ):
        return _with_what_was_meant(meant["right"].strip(), before, topics)
    return ""


def _with_what_was_meant(right: str, before: str, topics: Topics) -> str:
    """The question before with the word exchanged that something else was meant for.

    "Clams" for "turkey" in "how much is in turkey?". Where several words are named, those that stood in the
    question before stay, and if more than one other word did not, what was meant is a question of its own.
    """
    kept = set(terms(right))
    others = [word for word in words(before) if terms(word) and not kept.issuperset(terms(word))]
    of_content = [word for word in others if _content(word, topics) or _FIGURE.search(word)]
    named = [word for word in words(right) if terms(word)]
    if len(named) > 1:
        new = " ".join(word for word in words(right) if terms(word) and word not in words(before))
        if len(new.split()) != 1 or len(of_content) != 1:
            return right
        right = new
    if not of_content:
        return right
    wrong = min(of_content, key=lambda word: _likely_meant(word, right, topics))
    return re.sub(rf"\b{re.escape(wrong)}\b", lambda _: right, before, count=1, flags=re.IGNORECASE)


def _likely_meant(word: str, right: str, topics: Topics) -> tuple[bool, bool, bool, int]:
    """Least for the word that something was meant instead of: one of its form, a strange one, a long one."""
    same_form = bool(_FIGURE.search(word)) == bool(_FIGURE.search(right))
    same_number = word.endswith("s") == right.endswith("s")
    return not same_form, not same_number, topics.known.issuperset(terms(word)), -len(word)


def _dependence(question: str, topics: Topics) -> Dependence:
    content = _content(question, topics)
    if not content:
        # "what would my widow receive in benefits?" in a document that is all about widows and benefits.
        names_several = len(set(terms(question)) - _EMPTY_WORDS) >= MIN_TERMS_OF_A_QUESTION
        return Dependence.FRAGMENT if names_several else Dependence.EMPTY
    if _RETURN.search(question):
        return Dependence.RETURN
    if _CORRECTION.search(question):
        return Dependence.CORRECTION
    # Words that no document and no answered question uses belong to another topic.
    strange = bool(topics.known) and topics.known.isdisjoint(content)
    # "which foods have b12?" names what everything here is about, and with it says enough.
    names_all = not topics.subjects.isdisjoint(terms(question))
    if len(content) > 1 and strange:
        return Dependence.NONE
    if len(content) == 1 and not names_all:
        return Dependence.FRAGMENT
    if _CONTINUATION.match(question):
        return Dependence.CONTINUATION
    if _POINTER.search(question) and len(content) <= _MAX_TERMS_WITH_POINTER:
        return Dependence.POINTER
    is_short = len(content) == 2 and not names_all and not _TELLS_ANEW.match(question)
    return Dependence.FRAGMENT if is_short else Dependence.NONE


def _topic(question: str, earlier: Sequence[str], dependence: Dependence, topics: Topics) -> list[str]:
    """The earlier questions that say what this one is about, oldest first."""
    if dependence is Dependence.RETURN:
        content = set(_content(question, topics))
        for last in range(len(earlier) - 1, -1, -1):
            if content & set(_content(earlier[last], topics)):
                return _chain(earlier[: last + 1], topics)
        return []
    if dependence is Dependence.CORRECTION:  # it takes the place of a correction before it
        wrong = takewhile(lambda before: _dependence(before, topics) is dependence, reversed(earlier[1:]))
        earlier = earlier[: len(earlier) - sum(1 for _ in wrong)]
    return _chain(earlier, topics)


# A chain of questions need not go back beyond these.
_WHOLE = (Dependence.NONE, Dependence.RETURN)


def _chain(earlier: Sequence[str], topics: Topics) -> list[str]:
    """The last questions, back to one that stands alone."""
    chain: list[str] = []
    for question in reversed(earlier):
        dependence = _dependence(question, topics)
        if not _says_nothing(question):
            chain.insert(0, question)
        if dependence in _WHOLE or len(chain) == MAX_TOPIC:
            break
    return chain


def asks_for_more(question: str) -> bool:
    """Whether a message says nothing but that more is wished for."""
    said = words(question)
    text = " ".join(said)
    return _MORE_AND_AROUND.issuperset(said) and not _NOT_MORE.match(text) and _MORE.search(text) is not None


def _says_nothing(question: str) -> bool:
    return _EMPTY_WORDS.issuperset(terms(question))


def _content(question: str, topics: Topics) -> list[str]:
    return [term for term in terms(question) if term not in _EMPTY_WORDS and term not in topics.ubiquitous]


def _one_line(text: str) -> str:
    return one_line(writable(text))
