"""The files of a generation ↔ what they hold: rows as JSON, numbers behind a header.

The format is described in `index/README.md`. What is not of it is damage; `index.py` has compared every byte
with the manifest before.
"""

from __future__ import annotations

import io
import json
import math
import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.errors import DamagedIndexError
from b12qa.lexical import Postings
from b12qa.notes import notes_file, sentence_digest
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
from b12qa.vectors import FlatVectors, MappedVectors, Vectors, blocks

FileContent = bytes | mmap.mmap

TEXTS_FILE = "documents.txt"
NOTES_FILE = "notes.json"
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


def read_rows(data: Mapping[str, Any], corpus_files: Iterable[str]) -> Rows:
    """The rows of a generation, each of which stands for something."""
    rows = json.loads(data["rows.json"])
    documents = tuple(_documents(rows["documents"], data[TEXTS_FILE]))
    sentences = tuple(Sentence(**record) for record in rows["sentences"])
    noted = json.loads(data[NOTES_FILE]) if has_notes(corpus_files, documents) else _NO_NOTES
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


def has_notes(corpus_files: Iterable[str], documents: Iterable[Document]) -> bool:
    """Whether editors keep notes on any of the documents."""
    return not {notes_file(document.name) for document in documents}.isdisjoint(corpus_files)


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


# Numbers.


def coefficients_file(number: int) -> str:
    """Name of the file with what a document's bank taught."""
    return f"bank-{number}.npy"


def flat_header(rows: int, dimension: int) -> bytes:
    """The first bytes of an `IndexFlatIP` file: kind, width, rows, two unused, trained, metric, size."""
    unused = 1 << 20
    return struct.pack("<4siqqqBiQ", b"IxFI", dimension, rows, unused, unused, 1, 0, rows * dimension)


def array_header(shape: Sequence[int]) -> bytes:
    """The first bytes of a NumPy file of little-endian float32 in C order."""
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def read_floats(data: FileContent, header: bytes, shape: tuple[int, ...], file: Path) -> FloatMatrix:
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


def postings_bytes(postings: Postings) -> bytes:
    """Postings as they are written, without their terms."""
    parts = ((postings.starts, "<i8"), (postings.rows, "<i4"), (postings.scores, "<f4"))
    counts = struct.pack("<qq", len(postings.terms), len(postings.rows))
    return counts + b"".join(np.ascontiguousarray(part, dtype=kind).tobytes() for part, kind in parts)


def read_postings(data: FileContent, count: int, terms: Sequence[str], file: Path) -> Postings:
    """The reverse of `postings_bytes`, for an index of `count` texts."""
    before = struct.calcsize("<qq")
    n_terms, n_rows = struct.unpack_from("<qq", data) if len(data) >= before else (-1, -1)
    after_starts = before + 8 * (n_terms + 1)
    if n_terms != len(terms) or n_rows < 0 or len(data) != after_starts + 8 * n_rows:
        raise DamagedIndexError(f"{file} does not hold rows for {len(terms)} terms. Run: b12qa build")
    starts = np.frombuffer(data, "<i8", n_terms + 1, before).astype(np.int64, copy=False)
    rows = np.frombuffer(data, "<i4", n_rows, after_starts).astype(np.int32, copy=False)
    scores = np.frombuffer(data, "<f4", n_rows, after_starts + 4 * n_rows).astype(np.float32, copy=False)
    ordered = starts[0] == 0 and starts[-1] == n_rows and (np.diff(starts) >= 0).all()
    within = not n_rows or (rows.min() >= 0 and rows.max() < count)
    if not ordered or not within or not np.isfinite(scores).all():
        raise DamagedIndexError(f"{file} points outside of its {count} texts. Run: b12qa build")
    return Postings(tuple(terms), starts, rows, scores, count)


def read_vectors(data: FileContent, rows: int, dimension: int, file: Path) -> Vectors:
    """So many unit vectors; left on the disk if the file is."""
    try:
        header = flat_header(rows, dimension)
    except struct.error as error:
        raise DamagedIndexError(
            f"Expected {rows} vectors of width {dimension} in {file}, which no file can hold. "
            "Run: b12qa build"
        ) from error
    vectors = read_floats(data, header, (rows, dimension), file)
    return FlatVectors(vectors) if isinstance(data, bytes) else MappedVectors(vectors)


def map_vectors(path: Path, rows: int, dimension: int) -> Vectors:
    """The vectors of a `.faiss` file, left on the disk."""
    offset = len(flat_header(rows, dimension))
    return MappedVectors(np.memmap(path, "<f4", "r", offset, (rows, dimension)))
