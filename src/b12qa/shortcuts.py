"""What lets a question look at few rows of many, made at the build and mapped from the disk.

For passages and for sentences: an index that finds near rows, the postings that find rows by words, and
what the mean and the spread of all scores follow from, so that the few are judged as if all were there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from b12qa.embedding import FloatMatrix
from b12qa.lexical import LexicalIndex, Postings
from b12qa.storage import HashedFolder
from b12qa.vectors import (
    FLAT,
    FLAT_FACTS,
    Nearest,
    Vectors,
    make_nearest,
    open_nearest,
    spread_of,
    type_for,
    write_array,
    write_nearest,
)

CHUNKS, SENTENCES, TAUGHT = "chunks", "sentences", "taught"
_VOCABULARY = "vocabulary.json"
_POSTINGS = ("starts", "rows", "scores")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Ways to one kind of row."""

    nearest: Nearest
    spread: FloatMatrix  # see `vectors.spread_of`; a passage counts as often as it has sentences
    words: LexicalIndex


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Ways to the rows of an index that is too large to compare each with a question."""

    chunks: Shortcut
    sentences: Shortcut
    taught_words: LexicalIndex | None  # each sentence with the questions it answers; where there is a bank
    word_counts: Mapping[str, int]  # of the documents


@dataclass(frozen=True, slots=True)
class Texts:
    """What shortcuts by words are made of. Each is read once, from the first to the last."""

    chunks: Iterable[str]
    sentences: Iterable[str]
    taught: Iterable[str] | None
    word_counts: Callable[[], Mapping[str, int]]


def make_shortcuts(
    folder: HashedFolder,
    wanted: str,
    vectors: Callable[[str], Vectors],
    sentences_of_chunks: npt.NDArray[np.int64],
    texts: Texts,
    questions: FloatMatrix,
) -> dict[str, Any]:
    """Write the shortcuts of a generation beside its vectors, if it is large enough to need any.

    Args:
        folder: of the generation.
        wanted: type of index, one of `vectors.INDEX_TYPES`.
        vectors: the exact ones, by kind of row.
        sentences_of_chunks: how many sentences each passage has.
        questions: embeddings of the bank's questions, to measure with.

    Returns:
        For the manifest: how near rows are found, by kind of row.

    Raises:
        IndexTypeError: no such type.
    """
    kind = type_for(int(sentences_of_chunks.sum()), wanted)
    if kind == FLAT:
        return {CHUNKS: FLAT_FACTS.to_dict(), SENTENCES: FLAT_FACTS.to_dict()}
    facts = {}
    for rows, weights in ((CHUNKS, sentences_of_chunks.astype(np.float64)), (SENTENCES, None)):
        exact = vectors(rows)
        nearest = make_nearest(exact, kind, questions)
        facts[rows] = nearest.facts.to_dict()
        write_nearest(folder, rows, nearest)
        write_array(folder, f"{rows}.spread.npy", spread_of(exact, weights))
    _write_words(folder, CHUNKS, texts.chunks)
    _write_words(folder, SENTENCES, texts.sentences)
    if texts.taught is not None:
        _write_words(folder, TAUGHT, texts.taught)
    folder.write(_VOCABULARY, _json(list(texts.word_counts().items())))
    return facts


def open_shortcuts(folder: Path, facts: Mapping[str, Any], counts: Mapping[str, int]) -> Shortcuts | None:
    """Map the shortcuts of a generation, whose bytes have been verified; None if it needs none.

    Args:
        counts: rows by kind.

    Raises:
        KeyError, OSError, TypeError, ValueError, RuntimeError: they are not those of the generation.
    """
    if all(facts[rows]["type"] == FLAT for rows in (CHUNKS, SENTENCES)):
        return None
    chunks, sentences = (
        Shortcut(
            open_nearest(folder, rows, facts[rows]),
            np.load(folder / f"{rows}.spread.npy", allow_pickle=False),
            _open_words(folder, rows, counts[rows]),
        )
        for rows in (CHUNKS, SENTENCES)
    )
    for rows, shortcut in ((CHUNKS, chunks), (SENTENCES, sentences)):
        if shortcut.nearest.index.ntotal != counts[rows]:
            raise ValueError(f"an index of {shortcut.nearest.index.ntotal} {rows}")
    taught = (folder / f"{TAUGHT}.terms.json").is_file()
    return Shortcuts(
        chunks,
        sentences,
        _open_words(folder, TAUGHT, counts[SENTENCES]) if taught else None,
        dict(json.loads((folder / _VOCABULARY).read_bytes())),
    )


def _write_words(folder: HashedFolder, name: str, texts: Iterable[str]) -> None:
    postings = Postings.of(texts)
    folder.write(f"{name}.terms.json", _json(postings.terms))
    for part in _POSTINGS:
        write_array(folder, f"{name}.words-{part}.npy", getattr(postings, part))


def _open_words(folder: Path, name: str, count: int) -> LexicalIndex:
    starts, rows, scores = (
        np.load(folder / f"{name}.words-{part}.npy", mmap_mode="r", allow_pickle=False) for part in _POSTINGS
    )
    terms = tuple(json.loads((folder / f"{name}.terms.json").read_bytes()))
    if not len(terms) + 1 == len(starts) or not starts[-1] == len(rows) == len(scores):
        raise ValueError(f"postings of {name} that do not fit together")
    return LexicalIndex(Postings(terms, np.asarray(starts), rows, scores, count))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
