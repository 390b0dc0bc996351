"""Questions to ask next: from the question bank, and only those that are known to be answered."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import copy
from itertools import chain, islice, pairwise

from b12qa.answering import Assistant
from b12qa.conversation import to_query
from b12qa.lexical import words
from b12qa.records import Answer, Outcome, Span

MAX_SUGGESTIONS = 3
MAX_EXAMPLES = 4
# A question is tried by asking it; so many are tried at most before an answer is shown.
MAX_TRIES = 6
_MAX_TRIES_A_SENTENCE = 2
_LENGTHS = range(20, 66)
# Whole, plain questions: the bank also holds telegrams, misspelt ones and such that tell a story.
_QUESTION = re.compile(
    r"(?:What|How|Which|Why|When|Where|Who|Can|Does|Do|Is|Are|Will|Should|Could)\b[^,;:()\"?!–—]*\?"
)


class Suggestions:
    """Questions that the sentences of one generation answer, found when they are first wanted."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant
        index = assistant.retriever.index
        self._candidates: dict[int, list[str]] = defaultdict(list)
        for question in index.questions:
            whole = not question.after and len(question.text) in _LENGTHS
            if whole and _QUESTION.fullmatch(question.text):
                self._candidates[question.sentence].append(question.text)
        self._sections: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row in sorted(self._candidates):
            sentence = index.sentences[row]
            self._sections[sentence.document, index.chunks[sentence.chunk].section].append(row)
        self._answered: dict[int, str | None] = {}
        self._lock = threading.Lock()
        self._cores = threading.BoundedSemaphore(1)

    def found_on(self, cores: threading.BoundedSemaphore) -> Suggestions:
        """The same, where questions are tried only while a core is free.

        Nobody who asks waits for a suggestion. What a generation begins with is found before it is shown, and
        without this bound.
        """
        same = copy(self)
        same._cores = cores
        return same

    def after(self, answer: Answer, asked: Iterable[str]) -> tuple[str, ...]:
        """Questions that other sentences of the answer's section answer, from the one that answered on.

        Args:
            asked: the questions of the conversation; none of them is suggested.
        """
        if answer.outcome not in (Outcome.ANSWERED, Outcome.RELATED) or not answer.found:
            return ()
        shown = {(q.document, span.start) for q in answer.quotes for span in q.highlights}
        rows = [row for row in self._near(answer) if self._place(row) not in shown]
        known = {_plain(question) for question in asked}
        found = (question for question in self._found(rows) if _plain(question) not in known)
        return tuple(islice(found, MAX_SUGGESTIONS))

    def examples(self) -> list[str]:
        """Questions to begin with: the first that is found in each of some parts of the documents."""
        sections = list(self._sections.values())
        ends = [number * len(sections) // MAX_EXAMPLES for number in range(MAX_EXAMPLES + 1)]
        found = (next(self._found(chain(*sections[start:end])), "") for start, end in pairwise(ends))
        return list(dict.fromkeys(filter(None, found)))

    def _near(self, answer: Answer) -> list[int]:
        """The sentences of the section of the first quote that have candidates, those after it first."""
        quote = answer.found[0]
        start = quote.highlights[0].start if quote.highlights else quote.start
        number = self.assistant.retriever.index.position_of(quote.document)
        section = self.assistant.documents[number].section_at(quote.start)
        rows = self._sections.get((number, section), [])
        return sorted(rows, key=lambda row: (self._place(row)[1] < start, row))

    def _place(self, row: int) -> tuple[str, int]:
        sentence = self.assistant.retriever.index.sentences[row]
        return self.assistant.documents[sentence.document].name, sentence.start

    def _found(self, rows: Iterable[int]) -> Iterator[str]:
        tries = MAX_TRIES
        for row in rows:
            if row not in self._answered:
                if not tries:
                    return
                tries -= 1
                with self._lock:
                    if row not in self._answered and not self._try(row):
                        return
            question = self._answered[row]
            if question:
                yield question

    def _try(self, row: int) -> bool:
        """Try the questions of a sentence, and say so; false where all cores are taken."""
        if not self._cores.acquire(blocking=False):
            return False
        try:
            self._answered[row] = self._answered_by(row)
        finally:
            self._cores.release()
        return True

    def _answered_by(self, row: int) -> str | None:
        """A question that this sentence is the first to answer, whatever was asked before."""
        sentence = self.assistant.retriever.index.sentences[row]
        span = Span(sentence.start, sentence.end)
        for question in self._clean(row):
            answer = self.assistant.ask(question, max_quotes=1)
            first = answer.quotes[:1]
            if answer.outcome is Outcome.ANSWERED and any(span in quote.highlights for quote in first):
                return question
        return None

    def _clean(self, row: int) -> list[str]:
        """Candidates that are spelt well and that stand alone."""
        retriever = self.assistant.retriever
        found = []
        for question in self._candidates[row]:
            # Any earlier question will do to see whether this one would be joined to it.
            query = to_query(question, ["What is it?"], retriever.topics)
            spelt = words(retriever.vocabulary.bring_to(question)) == words(question)
            if spelt and not query.reason and not query.parts:
                found.append(question)
                if len(found) == _MAX_TRIES_A_SENTENCE:
                    break
        return found


def _plain(question: str) -> str:
    return " ".join(words(question))
