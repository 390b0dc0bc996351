"""What lets a question look at few rows of many, made at the build and mapped from the disk.

For passages and for sentences: lists that lead to near rows, and what the mean and the spread of all
cosines follow from, so that the few are judged as if all were there. A store keeps the vectors somewhere
else than in the folder of a generation, and finds near rows itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from b12qa.embedding import FloatMatrix
from b12qa.errors import IndexTypeError
from b12qa.lexical import IntVector
from b12qa.nearest import (
    AUTO,
    FLAT,
    FLAT_FACTS,
    LEAST_ROWS,
    Nearest,
    make_nearest,
    open_nearest,
    type_for,
    write_nearest,
)
from b12qa.storage import HashedFolder
from b12qa.vectors import Vectors, read_array, spread_of, write_array

CHUNKS, SENTENCES = "chunks", "sentences"


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Ways to the rows of an index that is too large to compare each with a question."""

    chunks: Nearest
    sentences: Nearest


class Spreads(NamedTuple):
    """What the moments of all cosines follow from, see `vectors.spread_of`."""

    chunks: FloatMatrix  # weighted where there is a bank
    sentences: FloatMatrix


class Near(NamedTuple):
    """Rows that may fit some queries, in no order; -1 stands for none."""

    chunks: IntVector
    sentences: IntVector


class StoredRows(Protocol):
    """The vectors of one generation in a store."""

    @property
    def chunks(self) -> Vectors: ...

    @property
    def sentences(self) -> Vectors: ...

    def near(self, queries: Sequence[str], query_embeddings: FloatMatrix) -> Near:
        """Rows near any of some queries by their vectors or by their words."""
        ...


class StoredFacts(NamedTuple):
    """What a store must hold of a generation, and how it is asked for."""

    generation: str
    digest: str  # of all vectors; two builds of one generation may differ in their last bits
    dimension: int
    chunks: int  # rows
    sentences: int
    always: Near  # rows that every question is compared with, or none


class Store(Protocol):
    """Keeps the vectors of generations, and is shared by all that answer from them."""

    def open(self, facts: StoredFacts) -> StoredRows:
        """The rows of a generation, after making sure that they are its rows.

        Raises:
            MissingIndexError, StaleIndexError, DamagedIndexError: the store does not hold them.
            EngineError: the store cannot be used.
        """
        ...

    def state(self) -> StoreState:
        """How the store is; raises nothing."""
        ...


class StoreState(NamedTuple):
    """How a store is."""

    name: str
    reachable: bool
    generation: str  # that it serves to all; empty if that is not known


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
        wanted: type of index, one of `nearest.INDEX_TYPES`.
        vectors: the exact ones, by kind of row.
        sentences_of_chunks: how many sentences each passage has.
        questions: embeddings of the bank's questions, to measure with.
        weighted: whether a passage counts as often as it has sentences, as it does where there is a bank.

    Returns:
        For the manifest: how near rows are found, by kind of row.

    Raises:
        IndexTypeError: no such type, or there are too few passages for it.
    """
    kind = type_for(int(sentences_of_chunks.sum()), wanted)
    if kind == FLAT:
        return {CHUNKS: FLAT_FACTS.to_dict(), SENTENCES: FLAT_FACTS.to_dict()}
    if len(sentences_of_chunks) < LEAST_ROWS:
        raise IndexTypeError(
            f"Expected at least {LEAST_ROWS} passages for an index of type {kind}, got "
            f"{len(sentences_of_chunks)}. Choose {FLAT} or {AUTO} with --index-type."
        )
    facts = {}
    chunk_weights = sentences_of_chunks.astype(np.float64) if weighted else None
    for rows, weights in ((CHUNKS, chunk_weights), (SENTENCES, None)):
        exact = vectors(rows)
        nearest = make_nearest(exact, kind, questions)
        facts[rows] = nearest.facts.to_dict()
        write_nearest(folder, rows, nearest)
        write_array(folder, f"{rows}.spread.npy", spread_of(exact, weights))
    return facts


def open_spreads(data: Mapping[str, Any], facts: Mapping[str, Any]) -> Spreads | None:
    """Read the spreads of a generation; None if it is small.

    Args:
        data: what its files hold, by name.

    Raises:
        KeyError, TypeError, ValueError: they are not those of the generation.
    """
    if all(facts[rows]["type"] == FLAT for rows in (CHUNKS, SENTENCES)):
        return None
    return Spreads(*(read_array(data[f"{rows}.spread.npy"]) for rows in (CHUNKS, SENTENCES)))


def open_shortcuts(
    folder: Path, data: Mapping[str, Any], facts: Mapping[str, Any], counts: Mapping[str, int]
) -> Shortcuts:
    """Read or map the shortcuts of a generation that is not small.

    Args:
        data: what its files hold, by name, after each has been verified.
        counts: rows by kind.

    Raises:
        KeyError, OSError, TypeError, ValueError, RuntimeError: they are not those of the generation.
    """
    opened = {rows: open_nearest(folder, data, rows, facts[rows]) for rows in (CHUNKS, SENTENCES)}
    for rows, nearest in opened.items():
        if nearest.ntotal != counts[rows]:
            raise ValueError(f"lists of {nearest.ntotal} {rows}")
    return Shortcuts(**opened)
