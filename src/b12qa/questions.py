"""The question bank and the synonyms that editors keep beside a document.

``NAME.questions.yaml`` holds, for each sentence, questions that it answers, and for each section
questions that the document leaves open; "which foods have it? >> and eggs?" is a question that hangs on
an earlier one. A sentence is named by its own words. Its questions follow it where an edit has reworded it
a little; otherwise they hang in the air. `b12qa check` finds both.
``NAME.synonyms.yaml`` holds groups of names for one thing, the document's own word first.
Both are optional.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b12qa.corpus import Corpus, NamedSections, Problem, Severity, Unreadable, check_sound, refuse
from b12qa.errors import YamlError
from b12qa.lexical import terms, words
from b12qa.markdown import plain_text_of
from b12qa.plain import one_line, short
from b12qa.records import Document, OpenQuestion, Question, Sentence
from b12qa.strict_yaml import Line, compose, fields, items, line_of, text_of

if TYPE_CHECKING:
    import yaml


# Between a question and those before it that it hangs on.
GOES_ON = ">>"
# So many at most: what was asked earlier still hardly tells what is asked now.
MAX_TURNS = 3
# So many sentences of a section are named that have no question.
MAX_NAMED = 3
# And of the questions that ask for what a sentence has lost, so many lines.
MAX_LINES = 12
_WORD_OR_SIGN = re.compile(rf"\w+|{GOES_ON}")


@dataclass(frozen=True, slots=True)
class QuestionBank:
    """The questions of all documents, in the order of the documents, and what is wrong with them."""

    answered: tuple[Question, ...]
    open: tuple[OpenQuestion, ...]
    problems: tuple[Problem, ...]
    hanging: tuple[Problem, ...]  # those of them that an edit left: a sentence or section is not there
    open_lines: tuple[int, ...] = ()  # where each open question stands in its file


def bank_file(document_name: str) -> str:
    """Name of the file with a document's question bank."""
    return f"{document_name}.questions.yaml"


def synonyms_file(document_name: str) -> str:
    """Name of the file with a document's synonyms."""
    return f"{document_name}.synonyms.yaml"


def read_banks(
    corpus: Corpus, sentences: Sequence[Sentence], unreadable: Unreadable = refuse
) -> QuestionBank:
    """Read the banks of a corpus and find their sentences and sections.

    What has lost its sentence or section is reported: questions follow a sentence that was reworded a little,
    and are left out otherwise; open questions stay open.

    Args:
        unreadable: called with what is wrong with a file that is not of the form above; it is left out then.

    Raises:
        CorpusError: there is such a file, and nothing else is done about it.
    """
    answered: list[Question] = []
    open_questions: list[OpenQuestion] = []
    open_lines: list[int] = []
    problems: list[Problem] = []
    hanging: list[Problem] = []
    rows_of = defaultdict(list)
    for row, sentence in enumerate(sentences):
        rows_of[sentence.document].append(row)
    for number, document in enumerate(corpus.documents):
        data = corpus.beside.get(bank_file(document.name))
        if data is None:
            continue
        own = [(row, sentences[row]) for row in rows_of[number]]
        reader = _BankReader(document, number, bank_file(document.name), own)
        try:
            reader.read(data)
        except YamlError as error:
            unreadable(error)
            continue
        answered += reader.answered
        open_questions += reader.open
        open_lines += reader.open_lines
        problems += sorted([*reader.problems, *reader.hanging], key=lambda problem: problem.line)
        hanging += reader.hanging
    return QuestionBank(
        tuple(answered), tuple(open_questions), tuple(problems), tuple(hanging), tuple(open_lines)
    )


def check_banks(banks: QuestionBank) -> None:
    """Refuse banks that call one question answered and open: nobody can tell which of the two was meant.

    Raises:
        CorpusError: there is such a question.
    """
    check_sound(banks.problems, "question bank")


def read_synonyms(corpus: Corpus) -> tuple[tuple[str, ...], ...]:
    """Read the groups of synonyms of all documents.

    Raises:
        CorpusError: a file is not a list of lists of words.
    """
    return tuple(names for _, _, names in _synonym_groups(corpus))


def check_synonyms(corpus: Corpus, unreadable: Unreadable = refuse) -> Iterator[Problem]:
    """Groups that do nothing: their names are one, or no document has a word of them.

    Arguments and errors as in `read_banks`.
    """
    known: frozenset[str] = frozenset()
    for file, line, names in _synonym_groups(corpus, unreadable):
        known = known or frozenset(term for each in corpus.documents for term in terms(each.text))
        if len({_words_alone(name) for name in names}) < 2:
            message = f"a group of two or more different names was expected, got {names[0]!r} again"
            yield Problem(Severity.WARNING, file, line, message)
        elif known.isdisjoint(terms(" ".join(names))):
            message = (
                f"no document has a word of {' or '.join(map(repr, names))}: begin with the document's own"
            )
            yield Problem(Severity.WARNING, file, line, message)


def _synonym_groups(
    corpus: Corpus, unreadable: Unreadable = refuse
) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """File, line and names of each group of all documents. Arguments and errors as in `read_banks`."""
    for document in corpus.documents:
        file = synonyms_file(document.name)
        data = corpus.beside.get(file)
        if data is None:
            continue
        try:
            groups = [_names_of(group, file) for group in items(compose(data, file), file)]
        except YamlError as error:
            unreadable(error)
            continue
        for line, names in groups:
            yield file, line, names


def _names_of(group: yaml.Node, file: str) -> tuple[int, tuple[str, ...]]:
    """Line and names of a group."""
    names = tuple(text_of(name, file).text for name in items(group, file))
    if len(names) < 2:
        raise YamlError(file, line_of(group), "expected two or more names for one thing", "Add one.")
    return line_of(group), names


class _BankReader:
    """Reads one bank and remembers what it found."""

    def __init__(
        self, document: Document, number: int, file: str, sentences: Sequence[tuple[int, Sentence]]
    ) -> None:
        self.file = file
        self.document = document
        self.number = number
        self.rows: dict[str, int] = {}
        self.rows_by_words: dict[str, int] = {}  # as an editor copies them, whatever the marks in them
        for row, sentence in sentences:
            self.rows.setdefault(one_line(plain_text_of(document, sentence)), row)
            self.rows_by_words.setdefault(_typed_words(document.text[sentence.start : sentence.end]), row)
        self.sections = NamedSections(document)
        self.section_of = {row: document.section_at(sentence.start) for row, sentence in sentences}
        self.paths = [section.path for section in document.sections]
        self.seen: dict[str, int] = {}
        self.lines_of_answered: dict[str, int] = {}  # by words alone
        self.answered: list[Question] = []
        self.open: list[OpenQuestion] = []
        self.open_lines: list[int] = []
        self.problems: list[Problem] = []
        self.hanging: list[Problem] = []  # not among the problems
        self.named: set[int] = set()  # rows of sentences that the bank names
        self.gone: list[tuple[Line, list[Line]]] = []  # sentences that are not there, with their questions

    def read(self, data: bytes) -> None:
        parts = fields(compose(data, self.file), self.file, {"sentences", "open"})
        for entry in items(parts.get("sentences"), self.file):
            self._read_sentence(fields(entry, self.file, {"sentence", "questions"}, required=True))
        if self.gone:
            self._follow_sentences()
        for entry in items(parts.get("open"), self.file):
            self._read_open(fields(entry, self.file, {"section", "questions"}, required=True))
        for message in self._without_question():
            self._warn(1, message)

    def _without_question(self) -> Iterator[str]:
        """Section by section, since a new bank lacks questions for most sentences."""
        with_questions = {question.sentence for question in self.answered}
        found: dict[int, list[str]] = defaultdict(list)
        for sentence, row in self.rows.items():
            if row not in with_questions:
                found[self.section_of[row]].append(sentence)
        for section, sentences in found.items():
            if len(sentences) == 1:
                yield f"no question for the sentence {short(sentences[0])!r}"
                continue
            where = repr(self.paths[section][-1]) if self.paths[section] else "the text before any heading"
            named = ", ".join(repr(short(words)) for words in sentences[:MAX_NAMED])
            more = f" and {len(sentences) - MAX_NAMED} more" if len(sentences) > MAX_NAMED else ""
            yield f"no question for {len(sentences)} sentences of {where}: {named}{more}"

    def _read_sentence(self, entry: Mapping[str, yaml.Node]) -> None:
        sentence = text_of(entry["sentence"], self.file)
        questions = [text_of(node, self.file) for node in items(entry["questions"], self.file)]
        row = self.rows.get(sentence.text, self.rows_by_words.get(_typed_words(sentence.text)))
        if row is None:
            self.gone.append((sentence, questions))
        else:
            self.named.add(row)
            self._take(questions, row)

    def _take(self, questions: Iterable[Line], row: int) -> None:
        for question in questions:
            if self._is_new(question):
                self.lines_of_answered.setdefault(_words_alone(question.text), question.line)
                *after, text = self._turns(question)
                self.answered.append(Question(text, row, tuple(after)))

    def _follow_sentences(self) -> None:
        """Give questions whose sentence is gone to what it was reworded to, if that was a little."""
        # Only an edit needs them.
        from b12qa.changes import Wordings, may_be_now, reworded_a_little, turned_around

        others = [sentence for sentence, row in self.rows.items() if row not in self.named]
        wordings = Wordings(others)
        now = reworded_a_little([sentence.text for sentence, _ in self.gone], wordings)
        for position, (sentence, questions) in enumerate(self.gone):
            if position not in now:
                message = f"{_hang(questions)}: the document has no sentence {short(sentence.text)!r}"
                if likely := [others[place] for place in may_be_now(sentence.text, wordings)]:
                    message += (
                        f"; is it now {' and '.join(map(repr, likely))}? Give the questions to what answers"
                    )
                self.hanging.append(self._warning(sentence.line, message))
                continue
            current = others[now[position]]
            lost = self._lost_terms(sentence.text, current)
            left = [question for question in questions if lost.intersection(terms(question.text))]
            follow = [question for question in questions if question not in left]
            self._take(follow, self.rows[current])
            count = _counted(follow, "follows", "follow")
            message = f"{count} a sentence that was reworded: {short(sentence.text)!r} is now {current!r}"
            first = "; first move those that hang in the air, then" if left else ";"
            turned = turned_around(sentence.text, current)
            opposite = f". It may say the opposite ({turned}): read all its questions again" if turned else ""
            self.hanging.append(
                self._warning(sentence.line, f"{message}{first} write its new words here{opposite}")
            )
            if left:
                self.hanging.append(self._warning(left[0].line, _lost_words(left, lost)))

    def _lost_terms(self, before: str, now: str) -> set[str]:
        """The terms that a sentence has lost, other than what its section and the document are about."""
        section = self.document.sections[self.section_of[self.rows[now]]]
        return {*terms(before)}.difference(terms(" ".join([now, self.document.title, *section.path])))

    def _read_open(self, entry: Mapping[str, yaml.Node]) -> None:
        section = text_of(entry["section"], self.file)
        try:
            where = self.sections.position(section.text)
        except LookupError as error:
            where = 0  # they stay open: a heading that was reworded must not have near misses answered
            count = sum(1 for _ in items(entry["questions"], self.file))
            what, stay = ("question", "it stays") if count == 1 else ("questions", "they stay")
            message = f"{count} open {what} of {error}; {stay} open"
            self.hanging.append(self._warning(section.line, message))
        for node in items(entry["questions"], self.file):
            asked = fields(node, self.file, {"question", "reason"}, required=True)
            question, reason = text_of(asked["question"], self.file), text_of(asked["reason"], self.file)
            answered = self.lines_of_answered.get(_words_alone(question.text))
            if answered is not None:
                message = (
                    f"left open here, but answered in line {answered}: {short(question.text)!r}; keep one"
                )
                self.problems.append(Problem(Severity.ERROR, self.file, question.line, message))
            elif self._is_new(question):
                *after, text = self._turns(question)
                self.open.append(OpenQuestion(text, self.number, where, reason.text, tuple(after)))
                self.open_lines.append(question.line)

    def _turns(self, question: Line) -> list[str]:
        """The questions of a conversation, the last one last.

        Raises:
            YamlError: nothing stands on one side of the sign between them, or there are too many.
        """
        turns = [turn.strip() for turn in question.text.split(GOES_ON)]
        if not all(turns):
            expected = f"expected a question on both sides of {GOES_ON} in {short(question.text)!r}"
            raise YamlError(self.file, question.line, expected, "Write the one that is missing.")
        if len(turns) > MAX_TURNS:
            before = f"expected at most {MAX_TURNS - 1} questions before the last one, got {len(turns) - 1}"
            found = f"{before} in {short(question.text)!r}"
            raise YamlError(self.file, question.line, found, "Leave the oldest out.")
        return turns

    def _is_new(self, question: Line) -> bool:
        key = question.text.casefold()
        if key in self.seen:
            self._warn(
                question.line, f"the same question as in line {self.seen[key]}: {short(question.text)!r}"
            )
            return False
        self.seen[key] = question.line
        return True

    def _warn(self, line: int, message: str) -> None:
        self.problems.append(self._warning(line, message))

    def _warning(self, line: int, message: str) -> Problem:
        return Problem(Severity.WARNING, self.file, line, message)


def _counted(questions: Sequence[Line], does: str, do: str) -> str:
    """How many questions do something."""
    return f"1 question {does}" if len(questions) == 1 else f"{len(questions)} questions {do}"


def _hang(questions: Sequence[Line]) -> str:
    return f"{_counted(questions, 'hangs', 'hang')} in the air"


def _typed_words(sentence: str) -> str:
    """A sentence without what a word processor changes by itself; as it is if it has no word."""
    return " ".join(words(sentence.replace("\u2019", "'"))) or sentence


def _lost_words(questions: Sequence[Line], lost: set[str]) -> str:
    """That questions ask for what a sentence has lost, with these words and the lines."""
    asked = (word for question in questions for word in _WORD_OR_SIGN.findall(question.text))
    named = ", ".join(
        list(dict.fromkeys(word for word in asked if lost.intersection(terms(word))))[:MAX_NAMED]
    )
    lines = [str(question.line) for question in questions]
    more = f" and {len(lines) - MAX_LINES} more" if len(lines) > MAX_LINES else ""
    where = f"lines {', '.join(lines[:MAX_LINES])}{more}" if len(lines) > 1 else f"line {lines[0]}"
    return f"{_hang(questions)}, with words that this sentence has lost ({named}): {where}"


def _words_alone(question: str) -> str:
    """What two questions have in common that differ by capitals, blanks and marks alone."""
    return " ".join(_WORD_OR_SIGN.findall(question.casefold())) or question
