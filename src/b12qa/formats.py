"""The files of a generation ↔ what they hold: rows as JSON, numbers behind a header.

The format is described in `index/README.md`; who changes it changes this module, where each writer stands
beside its reader. What is not of it is damage; `index.py` has compared every byte with the manifest before.
"""

from __future__ import annotations

import io
import json
import math
import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from b12qa.bank import BankModel, bank_rows, calibration_from_dict
from b12qa.chunking import Chunks
from b12qa.embedding import FloatMatrix
from b12qa.errors import DamagedIndexError
from b12qa.lexical import LexicalIndex, LexicalIndexes, Postings, Vocabulary
from b12qa.notes import Notes, notes_file, sentence_digest
from b12qa.questions import QuestionBank
from b12qa.records import (
    About,
    Block,
    BlockKind,
    Chunk,
    Document,
    EditorNote,
    Markup,
    NotedSentence,
    NoteKind,
    OpenQuestion,
    Question,
    Section,
    Sentence,
    Span,
)
from b12qa.sealed import json_bytes
from b12qa.vectors import FlatVectors, MappedVectors, Vectors, blocks

FileContent = bytes | mmap.mmap

FORMAT_VERSION = 10
VECTOR_FILES = ("chunks.faiss", "sentences.faiss", "questions.faiss", "open-questions.faiss")
DIGESTS_FILE = "texts.sha256"  # of what the model read for each row, in the order of VECTOR_FILES
DIGEST_BYTES = 32
_ROWS_FILE = "rows.json"
_TEXTS_FILE = "documents.txt"
_NOTES_FILE = "notes.json"
_WORDS_FILE = "words.json"
_LEXICAL_FILES = ("chunks.bm25", "sentences.bm25", "taught.bm25", "questions.bm25")
_NO_NOTES: Mapping[str, Any] = {"notes": (), "warning_sections": (), "treatment_sections": ()}


# Rows.


class Rows(NamedTuple):
    """What the vectors of a generation stand for, and what belongs to it."""

    documents: tuple[Document, ...]
    chunks: tuple[Chunk, ...]
    sentences: tuple[Sentence, ...]
    questions: tuple[Question, ...]
    open_questions: tuple[OpenQuestion, ...]
    synonyms: tuple[tuple[str, ...], ...]
    notes: tuple[NotedSentence, ...]
    warning_sections: tuple[tuple[int, int], ...]
    treatment_sections: tuple[tuple[int, int], ...]


def row_files(
    documents: Sequence[Document],
    rows: Chunks,
    bank: QuestionBank,
    synonyms: Sequence[Sequence[str]],
    notes: Notes,
    corpus_files: Iterable[str],
) -> dict[str, bytes | Iterable[bytes]]:
    """What is written of rows, by name of the file."""
    files: dict[str, bytes | Iterable[bytes]] = {
        _ROWS_FILE: json_bytes(_rows_to_json(documents, rows, bank, synonyms)),
        # One file for all: thousands take longer to write, to check and to remove than all else in a build.
        _TEXTS_FILE: (document.text.encode("utf-8") for document in documents),
    }
    if _has_notes(corpus_files, documents):
        files[_NOTES_FILE] = json_bytes(_notes_to_json(documents, rows.sentences, notes))
    return files


def read_rows(data: Mapping[str, Any], corpus_files: Iterable[str]) -> Rows:
    """The rows of a generation, each of which stands for something."""
    rows = json.loads(data[_ROWS_FILE])
    documents = tuple(_documents(rows["documents"], data[_TEXTS_FILE]))
    sentences = tuple(Sentence(**record) for record in rows["sentences"])
    noted = json.loads(data[_NOTES_FILE]) if _has_notes(corpus_files, documents) else _NO_NOTES
    found = Rows(
        documents=documents,
        chunks=tuple(_chunk_from_json(record) for record in rows["chunks"]),
        sentences=sentences,
        questions=tuple(Question(**_with_turns(record)) for record in rows["questions"]),
        open_questions=tuple(OpenQuestion(**_with_turns(record)) for record in rows["open_questions"]),
        synonyms=tuple(tuple(group) for group in rows["synonyms"]),
        notes=tuple(_noted_from_json(record, documents, sentences) for record in noted["notes"]),
        warning_sections=_pairs(noted["warning_sections"]),
        treatment_sections=_pairs(noted["treatment_sections"]),
    )
    _check_positions(found)
    return found


def _rows_to_json(
    documents: Sequence[Document], rows: Chunks, bank: QuestionBank, synonyms: Sequence[Sequence[str]]
) -> dict[str, Any]:
    # `dataclasses.asdict` says the same, and takes most of the time of a build.
    described = [{**_fields(document), "markup": _fields(document.markup)} for document in documents]
    for record, document in zip(described, documents, strict=True):
        record["bytes"] = len(record.pop("text").encode("utf-8"))  # they lie in a file of their own
        record["sections"] = [_fields(section) for section in document.sections]
        record["blocks"] = [_fields(block) for block in document.blocks]
        record["about"] = _fields(document.about)
    return {
        "documents": described,
        "chunks": [_fields(chunk) for chunk in rows.chunks],
        "sentences": [_fields(sentence) for sentence in rows.sentences],
        "questions": [question._asdict() for question in bank.answered],
        "open_questions": [question._asdict() for question in bank.open],
        "synonyms": synonyms,
    }


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__match_args__}


def _with_turns(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a question of a bank is made of; JSON has no tuples."""
    return {**record, "after": tuple(record["after"])}


def _documents(records: Sequence[Mapping[str, Any]], texts: FileContent) -> Iterator[Document]:
    """The documents, whose texts lie one after the other.

    Raises:
        ValueError: they are not all of the texts.
    """
    start = 0
    for record in records:
        end = start + record["bytes"]
        yield _document_from_json(record, texts[start:end].decode("utf-8"))
        start = end
    if start != len(texts):
        raise ValueError(f"{len(texts)} bytes of text, of which the documents are {start}")


def _document_from_json(record: Mapping[str, Any], text: str) -> Document:
    return Document(
        name=record["name"],
        title=record["title"],
        text=text,
        sha256=record["sha256"],
        sections=tuple(
            Section(s["start"], s["end"], s["level"], tuple(s["path"])) for s in record["sections"]
        ),
        blocks=tuple(
            Block(b["start"], b["end"], BlockKind(b["kind"]), b["section"], _spans(b["context"]))
            for b in record["blocks"]
        ),
        markup=Markup(**{name: _spans(spans) for name, spans in record["markup"].items()}),
        about=About(**record["about"]),
    )


def _chunk_from_json(record: Mapping[str, Any]) -> Chunk:
    return Chunk(**{**record, "kind": BlockKind(record["kind"]), "context": _spans(record["context"])})


def _spans(pairs: Sequence[Sequence[int]]) -> tuple[Span, ...]:
    return tuple(Span(start, end) for start, end in pairs)


def _has_notes(corpus_files: Iterable[str], documents: Iterable[Document]) -> bool:
    """Whether editors keep notes on any of the documents."""
    return not {notes_file(document.name) for document in documents}.isdisjoint(corpus_files)


def _notes_to_json(
    documents: Sequence[Document], sentences: Sequence[Sentence], notes: Notes
) -> dict[str, Any]:
    records = []
    for noted in notes.noted:
        record = asdict(noted) | asdict(noted.note)
        for name in ("note", "start", "end"):  # the sentence says where it is
            del record[name]
        sentence = sentences[noted.sentence]
        text = documents[sentence.document].text
        record["sha256"] = sentence_digest(text, sentence.start, sentence.end)
        records.append(record)
    return {
        "notes": records,
        "warning_sections": notes.warning_sections,
        "treatment_sections": notes.treatment_sections,
    }


def _noted_from_json(
    record: Mapping[str, Any], documents: Sequence[Document], sentences: Sequence[Sentence]
) -> NotedSentence:
    """A note with its sentence.

    Raises:
        ValueError: the sentence is another one than the note was written on.
    """
    rows = [record["sentence"], *record["partners"]]
    _check_all_below(rows, len(sentences))
    sentence = sentences[record["sentence"]]
    text = documents[sentence.document].text
    if sentence_digest(text, sentence.start, sentence.end) != record["sha256"]:
        raise ValueError(f"a note on another sentence than {sentence}")
    note = EditorNote(
        kind=NoteKind(record["kind"]),
        text=str(record["text"]),
        source=str(record["source"]),
        reviewer=str(record["reviewer"]),
        reviewed=str(record["reviewed"]),
        start=sentence.start,
        end=sentence.end,
    )
    return NotedSentence(
        record["sentence"], note, tuple(record["partners"]), bool(record["barred"]), bool(record["warnings"])
    )


def _check_positions(rows: Rows) -> None:
    """Rows must stand for something: a stretch of a text, a row of another list.

    Raises:
        ValueError: one does not.
    """
    documents, chunks, sentences = rows.documents, rows.chunks, rows.sentences
    spans = [(row.document, row.start, row.end) for row in chunks]
    spans += [(row.document, row.start, row.end) for row in sentences]
    _check_all_below({document for document, _, _ in spans}, len(documents))
    for document, start, end in spans:
        if not 0 <= start < end <= len(documents[document].text):
            raise ValueError(f"no text from {start} to {end}")
    _check_all_below({sentence.chunk for sentence in sentences}, len(chunks))
    _check_all_below({question.sentence for question in rows.questions}, len(sentences))
    _check_all_below({question.document for question in rows.open_questions}, len(documents))
    _check_sections(documents, {(row.document, row.section) for row in chunks})
    _check_sections(documents, {(row.document, row.section) for row in rows.open_questions})
    _check_sections(documents, rows.warning_sections)
    _check_sections(documents, rows.treatment_sections)


def _pairs(positions: Iterable[Iterable[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((document, section) for document, section in positions)


def _check_sections(documents: Sequence[Document], sections: Iterable[tuple[int, int]]) -> None:
    for document, section in sections:
        _check_all_below([document], len(documents))
        _check_all_below([section], len(documents[document].sections))


def _check_all_below(positions: Iterable[int], count: int) -> None:
    for position in positions:
        if not 0 <= position < count:
            raise ValueError(f"no item {position} in a list of {count}")


# Words.


def word_files(words: LexicalIndexes) -> dict[str, bytes]:
    """What is written of what the lexical half knows, by name of the file."""
    indexes = (words.chunks, words.sentences, words.taught, words.questions)
    postings = {file: index.postings for file, index in zip(_LEXICAL_FILES, indexes, strict=True)}
    known = {
        "terms": {file: some.terms for file, some in postings.items()},
        "words": list(words.vocabulary.counts),
        "counts": list(words.vocabulary.counts.values()),
        "document_words": sorted(words.vocabulary.document_words),
        "answered_words": sorted(words.vocabulary.answered_words),
    }
    return {_WORDS_FILE: json_bytes(known)} | {file: _postings_bytes(some) for file, some in postings.items()}


def read_words(data: Mapping[str, Any], rows: Rows, folder: Path) -> LexicalIndexes:
    """What the lexical half knows."""
    known = json.loads(data[_WORDS_FILE])
    n_sentences, n_questions = len(rows.sentences), len(rows.questions) + len(rows.open_questions)
    of_kinds = (len(rows.chunks), n_sentences, n_sentences, n_questions)
    chunks, sentences, taught, questions = (
        LexicalIndex(_read_postings(data[file], count, list(map(str, known["terms"][file])), folder / file))
        for file, count in zip(_LEXICAL_FILES, of_kinds, strict=True)
    )
    vocabulary = Vocabulary(
        dict(zip(map(str, known["words"]), map(int, known["counts"]), strict=True)),
        frozenset(map(str, known["document_words"])),
        frozenset(map(str, known["answered_words"])),
        rows.synonyms,
    )
    return LexicalIndexes(chunks, sentences, taught, questions, vocabulary)


def _postings_bytes(postings: Postings) -> bytes:
    """Postings as they are written, without their terms."""
    parts = (
        (postings.starts, "<i8"),
        (postings.rows, "<i4"),
        (postings.scores, "<f4"),
        (postings.lengths, "<i4"),
    )
    counts = struct.pack("<qq", len(postings.terms), len(postings.rows))
    return counts + b"".join(np.ascontiguousarray(part, dtype=kind).tobytes() for part, kind in parts)


def _read_postings(data: FileContent, count: int, terms: Sequence[str], file: Path) -> Postings:
    """The reverse of `_postings_bytes`, for an index of `count` texts."""
    before = struct.calcsize("<qq")
    n_terms, n_rows = struct.unpack_from("<qq", data) if len(data) >= before else (-1, -1)
    after_starts = before + 8 * (n_terms + 1)
    if n_terms != len(terms) or n_rows < 0 or len(data) != after_starts + 8 * n_rows + 4 * count:
        raise DamagedIndexError(f"{file} does not hold rows for {len(terms)} terms. Run: b12qa build")
    starts = np.frombuffer(data, "<i8", n_terms + 1, before).astype(np.int64, copy=False)
    rows = np.frombuffer(data, "<i4", n_rows, after_starts).astype(np.int32, copy=False)
    scores = np.frombuffer(data, "<f4", n_rows, after_starts + 4 * n_rows).astype(np.float32, copy=False)
    lengths = np.frombuffer(data, "<i4", count, after_starts + 8 * n_rows).astype(np.int32, copy=False)
    ordered = starts[0] == 0 and starts[-1] == n_rows and (np.diff(starts) >= 0).all()
    within = not n_rows or (rows.min() >= 0 and rows.max() < count)
    if not ordered or not within or not np.isfinite(scores).all() or lengths.min(initial=0) < 0:
        raise DamagedIndexError(f"{file} points outside of its {count} texts. Run: b12qa build")
    return Postings(tuple(terms), starts, rows, scores, lengths)


# What the banks taught.


def bank_files(models: Mapping[int, BankModel]) -> dict[str, bytes]:
    """What is written of models by position of their document, by name of the file.

    The manifest holds their calibrations.
    """
    return {
        _coefficients_file(number): _array_header(model.coefficients.shape) + _bytes(model.coefficients)
        for number, model in models.items()
    }


def read_bank_models(
    data: Mapping[str, Any], rows: Rows, calibrations: Mapping[str, Any], folder: Path
) -> dict[int, BankModel]:
    """What the banks taught, by position of the document."""
    read = {int(number): calibration_from_dict(one) for number, one in calibrations.items()}
    banks = bank_rows(rows.sentences, rows.questions, rows.open_questions)
    shapes = {bank.document: bank.shape for bank in banks}
    if read.keys() != shapes.keys():
        raise DamagedIndexError(f"{folder} lacks what a question bank taught. Run: b12qa build")
    files = {number: _coefficients_file(number) for number in shapes}
    return {
        number: BankModel(
            _read_floats(data[files[number]], _array_header(shape), shape, folder / files[number]),
            read[number],
        )
        for number, shape in shapes.items()
    }


def _coefficients_file(number: int) -> str:
    return f"bank-{number}.npy"


# Numbers.


def _flat_header(rows: int, dimension: int) -> bytes:
    """The first bytes of an `IndexFlatIP` file: kind, width, rows, two unused, trained, metric, size."""
    unused = 1 << 20
    return struct.pack("<4siqqqBiQ", b"IxFI", dimension, rows, unused, unused, 1, 0, rows * dimension)


def _array_header(shape: Sequence[int]) -> bytes:
    """The first bytes of a NumPy file of little-endian float32 in C order."""
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _read_floats(data: FileContent, header: bytes, shape: tuple[int, ...], file: Path) -> FloatMatrix:
    """The numbers behind a header, after it has been found to be just the expected one.

    Raises:
        DamagedIndexError: it is not, or a number is not finite.
    """
    if len(data) != len(header) + 4 * math.prod(shape) or data[: len(header)] != header:
        raise DamagedIndexError(
            f"Expected float32 of shape {shape} in {file}, got something else. Run: b12qa build"
        )
    found = np.frombuffer(data, dtype="<f4", offset=len(header)).reshape(shape)
    if not all(np.isfinite(some).all() for some in blocks(MappedVectors(found))):
        raise DamagedIndexError(f"{file} holds a value that is not finite. Run: b12qa build")
    return found.astype(np.float32, copy=False)


def vectors_file(rows: int, dimension: int, parts: Iterable[FloatMatrix]) -> Iterator[bytes]:
    """So many unit vectors, piece by piece as they are written."""
    yield _flat_header(rows, dimension)
    yield from map(_bytes, parts)


def read_vectors(data: FileContent, rows: int, dimension: int, file: Path) -> Vectors:
    """So many unit vectors; left on the disk if the file is."""
    try:
        header = _flat_header(rows, dimension)
    except struct.error as error:
        raise DamagedIndexError(
            f"Expected {rows} vectors of width {dimension} in {file}, which no file can hold. "
            "Run: b12qa build"
        ) from error
    vectors = _read_floats(data, header, (rows, dimension), file)
    return FlatVectors(vectors) if isinstance(data, bytes) else MappedVectors(vectors)


def map_vectors(path: Path, rows: int, dimension: int) -> Vectors:
    """The vectors of a `.faiss` file, left on the disk."""
    offset = len(_flat_header(rows, dimension))
    return MappedVectors(np.memmap(path, "<f4", "r", offset, (rows, dimension)))


def _bytes(matrix: FloatMatrix) -> bytes:
    return np.ascontiguousarray(matrix, dtype="<f4").tobytes()
