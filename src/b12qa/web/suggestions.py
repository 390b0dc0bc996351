"""Questions to ask next: from the question bank, and only those that are known to be answered."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise

from b12qa.answering import Assistant
from b12qa.conversation import to_query
from b12qa.lexical import words
from b12qa.records import Answer, Outcome, Span
from b12qa.web.problems import log_fault

MAX_SUGGESTIONS = 3
MAX_EXAMPLES = 4
# A question is tried by asking it. For each example so many sentences are tried at most, which the start of
# the server waits for.
MAX_TRIES = 6
# While people ask on all cores, nothing is tried.
SECONDS_TO_A_FREE_CORE = 0.1
SECONDS_AFTER_A_FAULT = 60.0  # of an engine, say, that does not answer for a while
_MAX_TRIES_A_SENTENCE = 2
_LENGTHS = range(20, 66)
# Whole, plain questions: the bank also holds telegrams, misspelt ones and such that tell a story.
_QUESTION = re.compile(
    r"(?:What|How|Which|Why|When|Where|Who|Can|Does|Do|Is|Are|Will|Should|Could)\b[^,;:()\"?!–—]*\?"
)


class Suggestions:
    """Questions that the sentences of one generation answer.

    They are tried beside the answers, by `try_all`, and those that were until then are suggested. Who asks
    waits at most for the one sentence that is being tried, and only where no other core is free.
    """

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
        self._answered: dict[int, str | None] = {}  # by sentence that was tried
        self._wanted: Sequence[int] = ()  # sentences to be tried next
        self._ended = threading.Event()

    def try_all(self, cores: threading.BoundedSemaphore) -> None:
        """Try the questions of every sentence, those of the section that was answered from last first.

        Args:
            cores: of the server; one of them is taken for each sentence, while one is free.
        """
        for row in self._untried():
            while not cores.acquire(blocking=False):
                if self._ended.wait(SECONDS_TO_A_FREE_CORE):
                    return
            try:
                has_failed = not self._try(row)
            finally:
                cores.release()
            if has_failed:
                self._ended.wait(SECONDS_AFTER_A_FAULT)

    def end(self) -> None:
        """Try no further: another generation is served."""
        self._ended.set()

    def after(self, answer: Answer, asked: Iterable[str]) -> tuple[str, ...]:
        """Questions that other sentences of the answer's section answer, from the one that answered on.

        Args:
            asked: the questions of the conversation; none of them is suggested.
        """
        if answer.outcome not in (Outcome.ANSWERED, Outcome.RELATED) or not answer.found:
            return ()
        shown = {(q.document, span.start) for q in answer.quotes for span in q.highlights}
        self._wanted = rows = [row for row in self._near(answer) if self._place(row) not in shown]
        known = {_plain(question) for question in asked}
        found = (question for question in map(self._answered.get, rows) if question)
        new = (question for question in found if _plain(question) not in known)
        return tuple(islice(new, MAX_SUGGESTIONS))

    def examples(self) -> list[str]:
        """Questions to begin with: the first that is found in each of some parts of the documents.

        They are tried now.
        """
        sections = list(self._sections.values())
        ends = [number * len(sections) // MAX_EXAMPLES for number in range(MAX_EXAMPLES + 1)]
        found = (self._first_of(chain(*sections[start:end])) for start, end in pairwise(ends))
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

    def _first_of(self, rows: Iterable[int]) -> str | None:
        for row in islice(rows, MAX_TRIES):
            self._answered[row] = question = self._answered_by(row)
            if question:
                return question
        return None

    def _try(self, row: int) -> bool:
        """Try the questions of a sentence; false after a fault, for which none of them is suggested."""
        self._answered[row] = None
        try:
            self._answered[row] = self._answered_by(row)
        except Exception as error:
            log_fault(error)
            return False
        return True

    def _untried(self) -> Iterator[int]:
        others = iter(self._candidates)
        while not self._ended.is_set():
            row = next((row for row in chain(self._wanted, others) if row not in self._answered), None)
            if row is None:
                return
            yield row

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
