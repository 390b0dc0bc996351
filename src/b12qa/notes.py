"""The notes that editors keep on sentences of a document, for readers who would rely on them.

``NAME.notes.yaml`` names the sections that hold warnings or treatments, and says of single sentences
what is the matter with them, on what authority, and with which other sentences they must be shown. The
file is optional. Notes are shown beside quotes; they are not embedded, not searched, and in no quote.

A sentence is named by its own words, as in the question bank, and by their SHA-256. The words are for
people; the hash notices an edit that was made in the document and in this file at once, by "replace all",
and nobody read the note again. Bold type and line breaks are no words.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from b12qa.corpus import Corpus, NamedSections, Problem, Severity, Unreadable, check_sound, refuse
from b12qa.errors import YamlError
from b12qa.markdown import plain_text_of
from b12qa.plain import one_line, short
from b12qa.records import Document, EditorNote, NotedSentence, NoteKind, Sentence
from b12qa.strict_yaml import Line, compose, fields, is_day, is_to_come, items, line_of, text_of, truth_of

if TYPE_CHECKING:
    import yaml

    from b12qa.changes import Wordings

MAX_WORDS = 40
NOT_REVIEWED = "not yet clinically reviewed"
_REQUIRED = {"sentence", "sha256", "kind", "note", "source"}
_OPTIONAL = {"reviewer", "reviewed", "partners", "barred", "warnings"}


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of all documents, in reading order, and what is wrong with them."""

    noted: tuple[NotedSentence, ...] = ()
    warning_sections: tuple[tuple[int, int], ...] = ()  # positions of document and section
    treatment_sections: tuple[tuple[int, int], ...] = ()
    problems: tuple[Problem, ...] = ()  # by file and line; warnings are of notes that are used
    hanging: tuple[Problem, ...] = ()  # those of them that an edit of the document left


def notes_file(document_name: str) -> str:
    """Name of the file with the notes on a document."""
    return f"{document_name}.notes.yaml"


def read_notes(corpus: Corpus, sentences: Sequence[Sentence], unreadable: Unreadable = refuse) -> Notes:
    """Read the notes of a corpus and find their sentences and sections.

    A note that is wrong in itself, or whose sentence or partner is not in the document, is left out and
    reported: `check_notes` keeps such notes from being served.

    Args:
        unreadable: called with what is wrong with a file that is not of the form above; it is left out then.

    Raises:
        CorpusError: there is such a file, and nothing else is done about it.
    """
    noted: list[NotedSentence] = []
    warning_sections: list[tuple[int, int]] = []
    treatment_sections: list[tuple[int, int]] = []
    problems: list[Problem] = []
    hanging: list[Problem] = []
    rows_of = defaultdict(list)
    for row, sentence in enumerate(sentences):
        rows_of[sentence.document].append(row)
    for number, document in enumerate(corpus.documents):
        data = corpus.beside.get(notes_file(document.name))
        if data is None:
            continue
        own = [(row, sentences[row]) for row in rows_of[number]]
        reader = _NotesReader(document, notes_file(document.name), own)
        try:
            reader.read(data)
        except YamlError as error:
            unreadable(error)
            continue
        noted += sorted(reader.noted, key=lambda found: found.sentence)
        warning_sections += [(number, section) for section in sorted(reader.sections["warnings"])]
        treatment_sections += [(number, section) for section in sorted(reader.sections["treatments"])]
        found = [*reader.problems, *reader.hanging, *reader.doubts]
        problems += sorted(found, key=lambda problem: problem.line)
        hanging += reader.hanging
    return Notes(
        tuple(noted), tuple(warning_sections), tuple(treatment_sections), tuple(problems), tuple(hanging)
    )


def check_notes(notes: Notes) -> None:
    """Refuse notes that are not sound: a sentence would be shown without what was to be said of it.

    Raises:
        CorpusError: there is an error; warnings are of notes that are used.
    """
    check_sound(notes.problems, "notes")


def words_digest(document: Document, sentence: Sentence) -> str:
    """The hash by which a note knows its sentence: of its words, without marks and on one line."""
    return hashlib.sha256(one_line(plain_text_of(document, sentence)).encode("utf-8")).hexdigest()


def sentence_digest(text: str, start: int, end: int) -> str:
    """The hash by which an index knows the sentence of a note: of the exact characters."""
    return hashlib.sha256(text[start:end].encode("utf-8")).hexdigest()


class _NotesReader:
    """Reads one file of notes and remembers what it found."""

    def __init__(self, document: Document, file: str, sentences: Sequence[tuple[int, Sentence]]) -> None:
        self.document = document
        self.file = file
        self.sentences = dict(sentences)
        self.words: dict[str, list[int]] = defaultdict(list)  # rows by words; several if words are repeated
        self.words_with_marks: dict[str, list[int]] = defaultdict(list)  # as an editor may copy them
        for row, sentence in sentences:
            self.words[one_line(plain_text_of(document, sentence))].append(row)
            self.words_with_marks[one_line(document.text[sentence.start : sentence.end])].append(row)
        self.named_sections = NamedSections(document)
        self.seen: dict[str, int] = {}  # line of the first note on a sentence
        self.noted: list[NotedSentence] = []
        self.sections: dict[str, set[int]] = {"warnings": set(), "treatments": set()}
        self.problems: list[Problem] = []
        self.hanging: list[Problem] = []  # not among the problems
        self.doubts: list[Problem] = []  # of notes that are sound; not among the problems

    def read(self, data: bytes) -> None:
        parts = fields(compose(data, self.file), self.file, {*self.sections, "notes"})
        for what in self.sections:
            for node in items(parts.get(what), self.file):
                self._read_section(what, text_of(node, self.file))
        for node in items(parts.get("notes"), self.file):
            values = fields(node, self.file, _REQUIRED, required=True, optional=_OPTIONAL)
            self._read_note(line_of(node), values)

    def _read_section(self, what: str, heading: Line) -> None:
        try:
            self.sections[what].add(self.named_sections.position(heading.text))
        except LookupError as error:
            self.hanging.append(self._error(heading.line, f"{what} of {error}"))

    def _read_note(self, line: int, values: Mapping[str, yaml.Node]) -> None:
        before = len(self.problems) + len(self.hanging)
        sentence = text_of(values["sentence"], self.file)
        rows = self._rows(sentence, "the note hangs in the air")
        self._check_new(sentence)
        self._check_digest(text_of(values["sha256"], self.file), rows)
        kind = self._kind(text_of(values["kind"], self.file))
        words = text_of(values["note"], self.file)
        if len(words.text.split()) > MAX_WORDS:
            count = len(words.text.split())
            self._report(words.line, f"a note of {count} words, more than {MAX_WORDS}: shorten it")
        partners = self._partners(values.get("partners"), rows)
        reviewer, reviewed = self._review(values)
        barred, warnings = (self._is_true(name, values) for name in ("barred", "warnings"))
        if kind is None or len(self.problems) + len(self.hanging) > before:
            return
        source = text_of(values["source"], self.file).text
        for row in rows:
            span = (self.sentences[row].start, self.sentences[row].end)
            note = EditorNote(kind, words.text, source, reviewer, reviewed, *span)
            self.noted.append(NotedSentence(row, note, partners, barred, warnings))

    def _rows(self, sentence: Line, what: str) -> list[int]:
        """All the places where a sentence stands; if there is none, the most similar one is named."""
        rows = self.words.get(sentence.text) or self.words_with_marks.get(sentence.text) or []
        if not rows:
            from b12qa.changes import most_alike  # only editors make this mistake

            likely = most_alike(sentence.text, self._wordings)
            now = "" if likely is None else f"; is it now {list(self.words)[likely]!r}?"
            words = f"{what}: the document has no sentence {short(sentence.text)!r}{now}"
            self.hanging.append(self._error(sentence.line, words))
        return list(rows)

    @cached_property
    def _wordings(self) -> Wordings:
        from b12qa.changes import Wordings

        return Wordings(self.words, str.split)

    def _check_new(self, sentence: Line) -> None:
        first = self.seen.setdefault(sentence.text, sentence.line)
        if first != sentence.line:
            self._report(sentence.line, f"a second note on the sentence of line {first}: join the two")

    def _check_digest(self, digest: Line, rows: Iterable[int]) -> None:
        for row in rows:
            current = words_digest(self.document, self.sentences[row])
            if digest.text != current:
                words = f"written for another wording: read the note again, then set sha256 to {current}"
                self.hanging.append(self._error(digest.line, words))
                return

    def _kind(self, kind: Line) -> NoteKind | None:
        try:
            return NoteKind(kind.text)
        except ValueError:
            self._report(kind.line, f"expected a kind of {', '.join(NoteKind)}; got {kind.text!r}")
            return None

    def _partners(self, node: yaml.Node | None, rows: Sequence[int]) -> tuple[int, ...]:
        partners: list[int] = []
        for partner in (text_of(item, self.file) for item in items(node, self.file)):
            found = self._rows(partner, "a partner is missing")[:1]  # one place is enough to read it
            if set(found) & {*rows, *partners}:
                self._report(partner.line, f"a partner twice, or of itself: {short(partner.text)!r}")
            partners += found
        return tuple(partners)

    def _review(self, values: Mapping[str, yaml.Node]) -> tuple[str, str]:
        reviewer = text_of(values["reviewer"], self.file) if "reviewer" in values else None
        reviewed = text_of(values["reviewed"], self.file) if "reviewed" in values else None
        if (reviewer is None) != (reviewed is None):
            line = (reviewer or reviewed or Line("", 1)).line
            self._report(line, "a reviewer and the day of the review belong together: give both or neither")
        if reviewed is not None and not is_day(reviewed.text):
            self._report(reviewed.line, f"expected a day such as 2025-03-01, got {reviewed.text!r}")
        elif reviewed is not None and is_to_come(reviewed.text):
            message = f"reviewed on {reviewed.text}, a day to come: write the day of the review"
            self.doubts.append(Problem(Severity.WARNING, self.file, reviewed.line, message))
        return (reviewer.text if reviewer else NOT_REVIEWED), (reviewed.text if reviewed else "")

    def _is_true(self, name: str, values: Mapping[str, yaml.Node]) -> bool:
        return name in values and truth_of(text_of(values[name], self.file), name, self.file)

    def _report(self, line: int, message: str) -> None:
        self.problems.append(self._error(line, message))

    def _error(self, line: int, message: str) -> Problem:
        return Problem(Severity.ERROR, self.file, line, message)
