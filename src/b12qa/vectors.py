"""Unit vectors in rows, and their cosines to a query: in memory, or mapped from the disk."""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from b12qa.embedding import FloatMatrix
from b12qa.lexical import Moments
from b12qa.storage import HashedFolder

IntMatrix = npt.NDArray[np.int64]

ROWS_AT_ONCE = 16_384


class Vectors(Protocol):
    """Unit vectors in rows: `FlatVectors`, `MappedVectors`, or a FAISS `IndexFlatIP`."""

    @property
    def ntotal(self) -> int: ...

    @property
    def d(self) -> int: ...

    def search(self, queries: FloatMatrix, top_k: int, /) -> tuple[FloatMatrix, IntMatrix]: ...

    def reconstruct(self, row: int, /) -> FloatMatrix: ...

    def reconstruct_n(self, start: int, count: int, /) -> FloatMatrix: ...

    def reconstruct_batch(self, rows: IntMatrix, /) -> FloatMatrix: ...


class Rows(Protocol):
    """A matrix of float32 of which some rows are asked for: an array, or what stands for one that is far."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any, /) -> FloatMatrix: ...


class MappedVectors:
    """Unit vectors that stay where they are, but for those that are asked for; speaks as an `IndexFlatIP`."""

    def __init__(self, values: Rows) -> None:
        self._values = values
        self.ntotal, self.d = values.shape

    def search(self, queries: FloatMatrix, top_k: int, /) -> tuple[FloatMatrix, IntMatrix]:
        """Cosines and rows of the nearest, by comparing all."""
        scores = np.zeros((len(queries), 0), dtype=np.float32)
        rows = np.zeros((len(queries), 0), dtype=np.int64)
        start = 0
        for some in blocks(self):
            more = np.broadcast_to(np.arange(start, start + len(some)), (len(queries), len(some)))
            scores = np.concatenate([scores, queries @ some.T], axis=1)
            rows = np.concatenate([rows, more], axis=1)
            best = np.argpartition(-scores, min(top_k, scores.shape[1]) - 1, axis=1)[:, :top_k]
            scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
            start += len(some)
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def reconstruct(self, row: int, /) -> FloatMatrix:
        """One vector."""
        return np.array(self._values[row])

    def reconstruct_n(self, start: int, count: int, /) -> FloatMatrix:
        """Vectors one after the other."""
        return np.array(self._values[start : start + count])

    def reconstruct_batch(self, rows: IntMatrix, /) -> FloatMatrix:
        """Some vectors."""
        return np.asarray(self._values[rows])


class FlatVectors(MappedVectors):
    """Unit vectors in memory."""

    def __init__(self, values: FloatMatrix) -> None:
        self.values: FloatMatrix = np.require(values, dtype=np.float32, requirements=["C", "A"])
        super().__init__(self.values)


def write_array(folder: HashedFolder, name: str, values: npt.NDArray[Any]) -> None:
    """Write a NumPy file."""
    buffer = io.BytesIO()
    header = {"descr": values.dtype.newbyteorder("<").str, "fortran_order": False, "shape": values.shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    folder.write(name, [buffer.getvalue(), memoryview(little).cast("B") if little.size else b""])  # type: ignore[arg-type]


def read_array(data: bytes | mmap.mmap) -> npt.NDArray[Any]:
    """What `write_array` wrote, in memory; of a mapped file nothing else is."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def blocks(vectors: Vectors, size: int = ROWS_AT_ONCE) -> Iterator[FloatMatrix]:
    """All rows, so many at once."""
    for start in range(0, vectors.ntotal, size):
        yield vectors.reconstruct_n(start, min(size, vectors.ntotal - start))


def cosines_of(vectors: Vectors, query_embeddings: FloatMatrix, rows: IntMatrix) -> FloatMatrix:
    """Cosines of every query to some rows, shape (n_queries, n_rows).

    Each has the bits that it has among all rows: which others are compared, or where they came from, must
    not change a score.
    """
    if not len(rows):
        return np.zeros((len(query_embeddings), 0), dtype=np.float32)
    return flat_cosines(vectors.reconstruct_batch(rows), query_embeddings)


def flat_cosines(rows: FloatMatrix, query_embeddings: FloatMatrix) -> FloatMatrix:
    """The cosine of every query to every row, float32, shape (n_queries, n_rows).

    Row by row: a matrix product rounds otherwise with each number of rows and of queries, and shares the
    work out to threads, which wait for one another on busy cores.
    """
    queries = np.ascontiguousarray(query_embeddings, dtype=np.float32)
    cosines: FloatMatrix = np.vecdot(queries[:, np.newaxis], rows)
    return cosines


def spread_of(vectors: Vectors, weights: npt.NDArray[np.float64] | None = None) -> FloatMatrix:
    """What the moments of any query's cosines follow from: the mean of the rows, and of their products.

    Args:
        weights: how much each row counts, shape (n_rows,); by default all the same.

    Returns:
        Shape (dimension + 1, dimension); the mean is the last row.
    """
    total = np.zeros((vectors.d + 1, vectors.d))
    start = 0
    for rows in blocks(vectors):
        some = np.ones(len(rows)) if weights is None else weights[start : start + len(rows)]
        weighted = rows * some[:, np.newaxis].astype(np.float32)
        total[:-1] += weighted.T @ rows
        total[-1] += weighted.sum(axis=0)
        start += len(rows)
    total /= vectors.ntotal if weights is None else weights.sum()
    return total.astype(np.float32)


def cosine_moments(spread: FloatMatrix, query_embedding: FloatMatrix) -> Moments:
    """Mean and standard deviation of a query's cosines to all rows, from `spread_of` them."""
    query = query_embedding.astype(np.float64)
    return Moments.of(float(spread[-1] @ query), float(query @ spread[:-1] @ query))
