"""What lets a question look at few rows of many, made at the build and mapped from the disk.

For passages and for sentences: lists that lead to near rows, and what the mean and the spread of all
cosines follow from, so that the few are judged as if all were there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from b12qa.embedding import FloatMatrix
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

CHUNKS, SENTENCES = "chunks", "sentences"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Ways to one kind of row."""

    nearest: Nearest
    spread: FloatMatrix  # see `vectors.spread_of`; of passages, weighted where there is a bank


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Ways to the rows of an index that is too large to compare each with a question."""

    chunks: Shortcut
    sentences: Shortcut


def make_shortcuts(
    folder: HashedFolder,
    wanted: str,
    vectors: Callable[[str], Vectors],
    sentences_of_chunks: npt.NDArray[np.int64],
    questions: FloatMatrix,
    *,
    weighted: bool,
) -> dict[str, Any]:
    """Write the shortcuts of a generation beside its vectors, if it is large enough to need any.

    Args:
        folder: of the generation.
        wanted: type of index, one of `vectors.INDEX_TYPES`.
        vectors: the exact ones, by kind of row.
        sentences_of_chunks: how many sentences each passage has.
        questions: embeddings of the bank's questions, to measure with.
        weighted: whether a passage counts as often as it has sentences, as it does where there is a bank.

    Returns:
        For the manifest: how near rows are found, by kind of row.

    Raises:
        IndexTypeError: no such type.
    """
    kind = type_for(int(sentences_of_chunks.sum()), wanted)
    if kind == FLAT:
        return {CHUNKS: FLAT_FACTS.to_dict(), SENTENCES: FLAT_FACTS.to_dict()}
    facts = {}
    chunk_weights = sentences_of_chunks.astype(np.float64) if weighted else None
    for rows, weights in ((CHUNKS, chunk_weights), (SENTENCES, None)):
        exact = vectors(rows)
        nearest = make_nearest(exact, kind, questions)
        facts[rows] = nearest.facts.to_dict()
        write_nearest(folder, rows, nearest)
        write_array(folder, f"{rows}.spread.npy", spread_of(exact, weights))
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
    opened = {
        rows: Shortcut(
            open_nearest(folder, rows, facts[rows]),
            np.load(folder / f"{rows}.spread.npy", allow_pickle=False),
        )
        for rows in (CHUNKS, SENTENCES)
    }
    for rows, shortcut in opened.items():
        if shortcut.nearest.index.ntotal != counts[rows]:
            raise ValueError(f"lists of {shortcut.nearest.index.ntotal} {rows}")
    return Shortcuts(**opened)
