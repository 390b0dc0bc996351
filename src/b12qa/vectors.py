"""Unit vectors → rows near a query: all of them are compared while that is fast, then fewer, measured.

However rows are found, their cosines are computed from the exact vectors, which lie beside. So another
type of index changes how many of the nearest are found and how long it takes, never a score.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from b12qa.embedding import FloatMatrix
from b12qa.errors import IndexTypeError
from b12qa.lexical import Moments
from b12qa.storage import HashedFolder

if TYPE_CHECKING:
    import faiss

IntMatrix = npt.NDArray[np.int64]

# Beyond, comparing a query with every row takes longer than embedding it; see docs/scaling.md.
FLAT_ROWS = 50_000
AUTO, FLAT = "auto", "flat"
INDEX_TYPES = (AUTO, FLAT, "sq8", "ivf")
# How many rows are looked up for a query. The nearest ten of the exact vectors must be among them.
CANDIDATES = 100
NEAREST = 10
LEAST_RECALL = 0.98
# It is measured on a sample, and must hold for what people ask: so a little more is wanted of the sample.
SAMPLE_RECALL = LEAST_RECALL + 0.005
SAMPLE_ROWS = 300
LEAST_LISTS = 4
ROWS_PER_LIST = 40  # FAISS wants 39 to train a list
LEAST_TRAINED = 10_000
ROWS_AT_ONCE = 16_384
_ALIGNED = 8  # a list has room for a multiple of so many rows, so that its numbers stand aligned


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
    """Unit vectors in memory. A search is that of a FAISS `IndexFlatIP`, made when there is one.

    To answer a question takes its cosines to all rows and no search; to import FAISS takes as long as to
    answer several.
    """

    def __init__(self, values: FloatMatrix) -> None:
        self.values: FloatMatrix = np.require(values, dtype=np.float32, requirements=["C", "A"])
        super().__init__(self.values)

    def search(self, queries: FloatMatrix, top_k: int, /) -> tuple[FloatMatrix, IntMatrix]:
        found: tuple[FloatMatrix, IntMatrix] = self._index.search(queries, top_k)
        return found

    @cached_property
    def _index(self) -> faiss.IndexFlatIP:
        import faiss

        index = faiss.IndexFlatIP(self.d)
        index.add(self.values)
        return index


@dataclass(frozen=True, slots=True)
class NearestFacts:
    """How rows near a query are found; part of the manifest."""

    type: str  # one of INDEX_TYPES but "auto"
    lists: int  # that the rows are sorted into by nearness; 0 for "flat"
    probes: int  # lists that a query looks through
    recall_at_10: float  # share of the exact nearest ten that are found, on the sample; 1 for "flat"
    sample: int  # queries that it was measured with

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


FLAT_FACTS = NearestFacts(FLAT, 0, 0, 1.0, 0)


@dataclass(frozen=True, slots=True)
class Nearest:
    """Finds rows near a query: in the lists whose middles are nearest, by vectors of 8 bits a value."""

    index: faiss.IndexIVFScalarQuantizer
    facts: NearestFacts

    def rows(self, query_embeddings: FloatMatrix, count: int = CANDIDATES) -> IntMatrix:
        """Rows near each query, shape (n_queries, count), nearest first; -1 where fewer are found."""
        import faiss

        parameters = faiss.SearchParametersIVF(nprobe=self.facts.probes)  # type: ignore[call-arg]
        queries = np.ascontiguousarray(query_embeddings, dtype=np.float32)
        found: IntMatrix
        _, found = self.index.search(queries, count, params=parameters)
        return found


def type_for(rows: int, wanted: str = AUTO) -> str:
    """The type of index for so many rows.

    Raises:
        IndexTypeError: no such type.
    """
    if wanted not in INDEX_TYPES:
        raise IndexTypeError(f"Expected one of {', '.join(INDEX_TYPES)} for the index type; got {wanted!r}.")
    if wanted != AUTO:
        return wanted
    return FLAT if rows <= FLAT_ROWS else "ivf"


def make_nearest(vectors: Vectors, kind: str, questions: FloatMatrix) -> Nearest:
    """Sort rows into lists, and choose how few lists a query must look through to find enough.

    Args:
        vectors: the exact ones, at least two.
        kind: "ivf", or "sq8": one list.
        questions: embeddings of questions that are asked of these rows, to measure with; rows that are
            asked for their neighbours are added.

    Source: inverted lists and scalar quantizer of Douze et al., The Faiss library, arXiv:2401.08281.
    """
    lists = 1 if kind == "sq8" else list_count(vectors.ntotal)
    index = _empty(vectors.d, lists)
    index.train(_from_everywhere(vectors, max(ROWS_PER_LIST * lists, LEAST_TRAINED)))
    for rows in blocks(vectors):
        index.add(rows)
    sample = _Sample.of(vectors, questions)
    for probes in _probes(lists):
        nearest = Nearest(index, NearestFacts(kind, lists, probes, 0.0, len(sample.queries)))
        recall = sample.recall(nearest)
        if recall >= SAMPLE_RECALL or probes == lists:
            break
    return replace(nearest, facts=replace(nearest.facts, recall_at_10=round(recall, 4)))


def write_nearest(folder: HashedFolder, name: str, nearest: Nearest) -> None:
    """Write what `open_nearest` reads: the middles of the lists, the range of a value, and the lists."""
    import faiss

    index, lists = nearest.index, nearest.index.invlists
    sizes = [lists.list_size(number) for number in range(index.nlist)]  # type: ignore[union-attr]
    write_array(folder, f"{name}.middles.npy", index.quantizer.reconstruct_n(0, index.nlist))
    write_array(folder, f"{name}.ranges.npy", faiss.vector_to_array(index.sq.trained))
    write_array(folder, f"{name}.sizes.npy", np.array(sizes, dtype=np.int64))
    pieces = (_list_bytes(lists, number, index.code_size) for number in range(len(sizes)))  # type: ignore[arg-type]
    folder.write(f"{name}.lists", pieces)


def open_nearest(folder: Path, name: str, facts: Mapping[str, Any]) -> Nearest:
    """Map lists from the disk. Nothing here is read by FAISS itself, which accepts what is damaged.

    Raises:
        OSError, TypeError, ValueError: the files do not fit together.
    """
    import faiss

    middles, ranges, sizes = (
        np.load(folder / f"{name}.{part}.npy", allow_pickle=False) for part in ("middles", "ranges", "sizes")
    )
    index = _empty(middles.shape[1], len(middles))
    path = folder / f"{name}.lists"
    room = -(-sizes // _ALIGNED) * _ALIGNED
    ends = np.cumsum(room * (index.code_size + 8))
    if len(sizes) != len(middles) or ends[-1] != path.stat().st_size or ranges.shape != (2 * index.d,):
        raise ValueError(f"lists of {name} that do not fit together")
    index.quantizer.add(middles)
    faiss.copy_array_to_vector(ranges, index.sq.trained)
    index.is_trained, index.ntotal = True, int(sizes.sum())
    lists = faiss.OnDiskInvertedLists(len(sizes), index.code_size, str(path))
    lists.read_only, lists.totsize = True, int(ends[-1])
    lists.lists.clear()
    for size, capacity, end in zip(sizes.tolist(), room.tolist(), ends.tolist(), strict=True):
        one = faiss.OnDiskOneList()
        one.size, one.capacity, one.offset = size, capacity, end - capacity * (index.code_size + 8)
        lists.lists.push_back(one)  # type: ignore[attr-defined]
    lists.do_mmap()
    index.replace_invlists(lists, True)
    lists.this.disown()  # type: ignore[attr-defined]  # it lives as long as the index
    return Nearest(index, NearestFacts(**facts))


def write_array(folder: HashedFolder, name: str, values: npt.NDArray[Any]) -> None:
    """Write a NumPy file."""
    buffer = io.BytesIO()
    header = {"descr": values.dtype.newbyteorder("<").str, "fortran_order": False, "shape": values.shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    folder.write(name, [buffer.getvalue(), memoryview(little).cast("B") if little.size else b""])  # type: ignore[arg-type]


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
    mean = float(spread[-1] @ query)
    return Moments(mean, math.sqrt(max(float(query @ spread[:-1] @ query) - mean * mean, 0.0)))


@dataclass(frozen=True, slots=True)
class _Sample:
    """Queries, and how near their tenth nearest row is."""

    vectors: Vectors
    queries: FloatMatrix
    themselves: IntMatrix  # the row that a query is, or -1
    tenth: FloatMatrix

    @classmethod
    def of(cls, vectors: Vectors, questions: FloatMatrix) -> _Sample:
        count = min(SAMPLE_ROWS, vectors.ntotal)
        own = np.linspace(0, vectors.ntotal - 1, count).astype(np.int64)
        asked = questions[:: max(1, len(questions) // SAMPLE_ROWS)][:SAMPLE_ROWS]
        queries = np.concatenate([vectors.reconstruct_batch(own), asked]).astype(np.float32)
        themselves = np.concatenate([own, np.full(len(asked), -1)])
        cosines, rows = vectors.search(queries, min(NEAREST + 1, vectors.ntotal))
        # A row is no neighbour of itself; if many equal it, it need not be among the first.
        cosines[rows == themselves[:, np.newaxis]] = np.inf
        cosines = -np.sort(-cosines, axis=1)
        others = np.isinf(cosines[:, 0]).astype(int)
        last = np.minimum(others + NEAREST - 1, cosines.shape[1] - 1)
        return cls(vectors, queries, themselves, cosines[np.arange(len(queries)), last])

    def recall(self, nearest: Nearest) -> float:
        """Share of the nearest ten that are found; rows as near as the tenth count as well as it."""
        wanted = min(NEAREST, self.vectors.ntotal - 1)
        found = 0
        for query, own, tenth, rows in zip(
            self.queries, self.themselves, self.tenth, nearest.rows(self.queries), strict=True
        ):
            others = rows[(rows >= 0) & (rows != own)]
            cosines = cosines_of(self.vectors, query[np.newaxis], others)[0]
            found += min(int((cosines >= tenth - 1e-6).sum()), wanted)
        return found / (wanted * len(self.queries))


def list_count(rows: int) -> int:
    """About four times the square root of the rows, a power of two."""
    return max(LEAST_LISTS, int(2 ** round(math.log2(4 * math.sqrt(rows)))))


def _empty(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    import faiss

    middles = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFScalarQuantizer(
        middles, dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
    )
    middles.this.disown()  # type: ignore[attr-defined]  # it lives as long as the index
    index.own_fields = True
    index.cp.min_points_per_centroid = 1  # a warning on the terminal otherwise, of small tests
    return index


def _probes(lists: int) -> Iterator[int]:
    """Numbers of lists, from few to all."""
    probes = min(4, lists)
    while probes < lists:
        yield probes
        probes = probes * 3 // 2
    yield lists


def _list_bytes(lists: faiss.InvertedLists, number: int, code_size: int) -> bytes:
    """One list: the vectors, then the rows that they are."""
    import faiss

    size = lists.list_size(number)
    room = -(-size // _ALIGNED) * _ALIGNED
    codes, rows = np.zeros((room, code_size), dtype=np.uint8), np.zeros(room, dtype="<i8")
    if size:
        codes[:size] = faiss.rev_swig_ptr(lists.get_codes(number), size * code_size).reshape(size, code_size)
        rows[:size] = faiss.rev_swig_ptr(lists.get_ids(number), size)
    return codes.tobytes() + rows.tobytes()


def _from_everywhere(vectors: Vectors, count: int) -> FloatMatrix:
    rows = np.linspace(0, vectors.ntotal - 1, min(count, vectors.ntotal)).astype(np.int64)
    return vectors.reconstruct_batch(rows)
