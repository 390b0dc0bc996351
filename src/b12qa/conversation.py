"""Question and history → the query that is searched, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# A question that begins or points like this continues the one before it.
_OPENERS = re.compile(
    r"(and|but|or|so|also|then|what about|how about|what if|why|when|really|no|not|sorry|i meant)\b", re.I
)
_POINTERS = re.compile(r"\b(it|its|they|them|their|that|this|these|those|one|ones|there|same)\b", re.I)
MAX_WORDS_OF_A_FRAGMENT = 3


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for a question."""

    text: str
    reason: str  # why it differs from what was typed; empty when it does not


def to_query(question: str, history: Sequence[str] = ()) -> Query:
    """Carry the topic of the last question into one that cannot stand alone.

    Args:
        question: as typed.
        history: the user's earlier questions, oldest first.
    """
    question = " ".join(question.split())
    previous = next((" ".join(earlier.split()) for earlier in reversed(history) if earlier.strip()), "")
    if not previous:
        return Query(question, "")
    words = re.findall(r"\w+", question)
    if _OPENERS.match(question):
        return Query(f"{previous} {question}", "it continues the question before")
    if _POINTERS.search(question) and len(words) <= 8:
        return Query(f"{previous} {question}", "it points back to the question before")
    if len(words) <= MAX_WORDS_OF_A_FRAGMENT:
        return Query(f"{previous} {question}", "it is too short to stand alone")
    return Query(question, "")
