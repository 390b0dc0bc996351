"""The question bank and the synonyms that editors keep beside a document.

``NAME.questions.yaml`` holds, for each sentence, questions that it answers, and for each section
questions that the document leaves open. A sentence is named by its own words, so that an edit of the
sentence leaves its questions hanging in the air, where `b12qa check` finds them.
``NAME.synonyms.yaml`` holds groups of names for one thing, the document's own word first.
Both are optional.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from b12qa.corpus import Corpus, Problem, Severity
from b12qa.errors import CorpusError
from b12qa.markdown import plain_text
from b12qa.records import Document, OpenQuestion, Question, Sentence


@dataclass(frozen=True, slots=True)
class QuestionBank:
    """The questions of all documents, in the order of the documents, and what is wrong with them."""

    answered: tuple[Question, ...]
    open: tuple[OpenQuestion, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """A text in a YAML file, and where it stands."""

    text: str
    line: int  # from 1


def bank_file(document_name: str) -> str:
    """Name of the file with a document's question bank."""
    return f"{document_name}.questions.yaml"


def synonyms_file(document_name: str) -> str:
    """Name of the file with a document's synonyms."""
    return f"{document_name}.synonyms.yaml"


def read_banks(corpus: Corpus, sentences: Sequence[Sentence]) -> QuestionBank:
    """Read the banks of a corpus and find their sentences and sections.

    Questions whose sentence or section is not in the document are left out and reported.

    Raises:
        CorpusError: a file is not of the form above.
    """
    answered: list[Question] = []
    open_questions: list[OpenQuestion] = []
    problems: list[Problem] = []
    rows: dict[int, list[int]] = defaultdict(list)
    for row, sentence in enumerate(sentences):
        rows[sentence.document].append(row)
    for number, document in enumerate(corpus.documents):
        data = corpus.beside.get(bank_file(document.name))
        if data is None:
            continue
        reader = _BankReader(document, number, bank_file(document.name))
        reader.name_sentences((row, sentences[row]) for row in rows[number])
        reader.read(data)
        answered += reader.answered
        open_questions += reader.open
        problems += sorted(reader.problems, key=lambda problem: problem.line)
    return QuestionBank(tuple(answered), tuple(open_questions), tuple(problems))


def read_synonyms(corpus: Corpus) -> tuple[tuple[str, ...], ...]:
    """Read the groups of synonyms of all documents.

    Raises:
        CorpusError: a file is not a list of lists of words.
    """
    groups: list[tuple[str, ...]] = []
    for document in corpus.documents:
        file = synonyms_file(document.name)
        data = corpus.beside.get(file)
        if data is None:
            continue
        for group in _items(_compose(data, file), file):
            names = tuple(_text(name, file).text for name in _items(group, file))
            if len(names) < 2:
                raise CorpusError(
                    f"{file}:{_line(group)}: expected two or more names for one thing. Add one."
                )
            groups.append(names)
    return tuple(groups)


class _BankReader:
    """Reads one bank and remembers what it found."""

    def __init__(self, document: Document, number: int, file: str) -> None:
        self.document = document
        self.file = file
        self.number = number
        self.rows: dict[str, int] = {}
        self.rows_with_marks: dict[str, int] = {}  # as an editor copies them from the file
        self.sections = {section.path[-1]: i for i, section in enumerate(document.sections) if section.path}
        self.sections |= {
            " > ".join(section.path): i for i, section in enumerate(document.sections) if section.path
        }
        self.seen: dict[str, int] = {}
        self.answered: list[Question] = []
        self.open: list[OpenQuestion] = []
        self.problems: list[Problem] = []

    def name_sentences(self, sentences: Iterable[tuple[int, Sentence]]) -> None:
        """Remember the document's sentences and their rows by their words."""
        for row, sentence in sentences:
            start, end = sentence.start, sentence.end
            words = plain_text(self.document.text, start, end, self.document.markup)
            self.rows.setdefault(_normalized(words), row)
            self.rows_with_marks.setdefault(_normalized(self.document.text[start:end]), row)

    def read(self, data: bytes) -> None:
        parts = _fields(_compose(data, self.file), self.file, {"sentences", "open"})
        for entry in _items(parts.get("sentences"), self.file):
            self._read_sentence(_fields(entry, self.file, {"sentence", "questions"}, required=True))
        for entry in _items(parts.get("open"), self.file):
            self._read_open(_fields(entry, self.file, {"section", "questions"}, required=True))
        with_questions = {question.sentence for question in self.answered}
        for words, row in self.rows.items():
            if row not in with_questions:
                self._warn(1, f"no question for the sentence {_short(words)!r}")

    def _read_sentence(self, entry: Mapping[str, yaml.Node]) -> None:
        sentence = _text(entry["sentence"], self.file)
        questions = [_text(node, self.file) for node in _items(entry["questions"], self.file)]
        row = self.rows.get(sentence.text, self.rows_with_marks.get(sentence.text))
        if row is None:
            count = "1 question hangs" if len(questions) == 1 else f"{len(questions)} questions hang"
            words = f"{count} in the air: the document has no sentence {_short(sentence.text)!r}"
            self._warn(sentence.line, words)
            return
        self.answered += [Question(question.text, row) for question in questions if self._is_new(question)]

    def _read_open(self, entry: Mapping[str, yaml.Node]) -> None:
        section = _text(entry["section"], self.file)
        where = self.sections.get(section.text)
        if where is None:
            self._warn(
                section.line, f"open questions of a section that the document does not have: {section.text!r}"
            )
            return
        for node in _items(entry["questions"], self.file):
            fields = _fields(node, self.file, {"question", "reason"}, required=True)
            question, reason = _text(fields["question"], self.file), _text(fields["reason"], self.file)
            if self._is_new(question):
                self.open.append(OpenQuestion(question.text, self.number, where, reason.text))

    def _is_new(self, question: _Line) -> bool:
        key = _normalized(question.text).casefold()
        if key in self.seen:
            self._warn(
                question.line, f"the same question as in line {self.seen[key]}: {_short(question.text)!r}"
            )
            return False
        self.seen[key] = question.line
        return True

    def _warn(self, line: int, message: str) -> None:
        self.problems.append(Problem(Severity.WARNING, self.file, line, message))


# YAML with line numbers: plain nodes, so that nothing in the file can become an object.


def _compose(data: bytes, file: str) -> yaml.Node | None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.compose(data, Loader=loader)
    except yaml.reader.ReaderError as error:
        line = data.count(b"\n", 0, error.position) + 1
        raise CorpusError(f"{file}:{line}: not YAML ({error.reason}). Mend the file.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CorpusError(f"{file}:{line}: not YAML ({error.problem}). Mend the file.") from error


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _items(node: yaml.Node | None, file: str) -> Iterator[yaml.Node]:
    if node is None:
        return
    if not isinstance(node, yaml.SequenceNode):
        raise CorpusError(f"{file}:{_line(node)}: expected a list here, got {_kind(node)}. Mend the file.")
    yield from node.value


def _fields(
    node: yaml.Node | None, file: str, names: set[str], *, required: bool = False
) -> dict[str, yaml.Node]:
    if node is None and not required:
        return {}
    if not isinstance(node, yaml.MappingNode):
        line = _line(node) if node else 1
        raise CorpusError(f"{file}:{line}: expected {_listed(names)} here, got {_kind(node)}. Mend the file.")
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _text(key, file).text
        if name in found:
            raise CorpusError(f"{file}:{_line(key)}: {name} stands here a second time. Join the two.")
        found[name] = value
    if found.keys() - names or (required and names - found.keys()):
        raise CorpusError(
            f"{file}:{_line(node)}: expected {_listed(names)} here, got {_listed(set(found))}. Mend the file."
        )
    return found


def _text(node: yaml.Node, file: str) -> _Line:
    if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
        raise CorpusError(f"{file}:{_line(node)}: expected a text here, got {_kind(node)}. Mend the file.")
    return _Line(" ".join(str(node.value).split()), _line(node))


def _kind(node: yaml.Node | None) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return (
        "nothing" if node is None or not str(node.value).strip() else f"the text {_short(str(node.value))!r}"
    )


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "nothing"


def _normalized(text: str) -> str:
    return " ".join(text.split())


def _short(text: str, length: int = 70) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
