"""Unit vectors → rows near a query, by what is made of them at the build: measured, and mapped or small.

However rows are found, their cosines are computed from the exact vectors, which lie beside. So another
type of index changes how many of the nearest are found and how long it takes, never a score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.errors import IndexTypeError
from b12qa.storage import HashedFolder
from b12qa.vectors import IntMatrix, Vectors, blocks, cosines_of, read_array, write_array

if TYPE_CHECKING:
    import faiss

# Beyond, comparing a query with every row takes longer than embedding it; see docs/scaling.md.
FLAT_ROWS = 50_000
# Beyond, even short codes take too long to look through, and lists of what is not near are passed over.
CODES_ROWS = 20_000_000
AUTO, FLAT, CODES, LISTS = "auto", "flat", "pq", "ivf"
INDEX_TYPES = (AUTO, FLAT, CODES, LISTS)
# So many rows at least are looked up for a query. The nearest ten of the exact vectors must be among them.
CANDIDATES = 100
NEAREST = 10
LEAST_RECALL = 0.98
# It is measured on a sample, and must hold for what people ask: so a little more is wanted of the sample.
SAMPLE_RECALL = LEAST_RECALL + 0.005
SAMPLE_ROWS = 300
# A code has four bits for so many values of a vector: fewer are tried until enough of the nearest are found.
VALUES_A_CODE = (4, 3, 2, 1)
# Codes are rough, so more rows are looked up, and compared exactly afterwards. Before longer codes are tried,
# which take more memory to read for every row, more rows are.
CANDIDATES_BY_CODE = (300, 1000)
LEAST_ROWS = 2  # with one there is no neighbour to measure with, and a code leads to nothing
LEAST_LISTS = 4
ROWS_PER_LIST = 40  # FAISS wants 39 to train a list
TRAINED = 10_000
_CODE_BITS = 4
_CODE_WORDS = 1 << _CODE_BITS
_ALIGNED = 8  # a list has room for a multiple of so many rows, so that its numbers stand aligned


@dataclass(frozen=True, slots=True)
class NearestFacts:
    """How rows near a query are found; part of the manifest."""

    type: str  # one of INDEX_TYPES but "auto"
    recall_at_10: float  # share of the exact nearest ten that are found, on the sample; 1 for "flat"
    sample: int  # queries that it was measured with
    values_a_code: int = 0  # of "pq"
    candidates: int = 0  # of "pq": rows that are looked up by their codes
    lists: int = 0  # of "ivf": that the rows are sorted into by nearness
    probes: int = 0  # of "ivf": lists that a query looks through

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


FLAT_FACTS = NearestFacts(FLAT, 1.0, 0)


class Nearest(Protocol):
    """Finds rows near a query."""

    @property
    def facts(self) -> NearestFacts: ...

    @property
    def ntotal(self) -> int: ...

    def rows(self, query_embeddings: FloatMatrix, /) -> IntMatrix:
        """Rows near each query, shape (n_queries, at least CANDIDATES), nearest first; -1 for none."""
        ...


@dataclass(frozen=True, slots=True)
class Codes:
    """Looks through short codes of all rows, however little the rows cluster.

    Source: product quantization looked up in registers, Andre et al., Quicker ADC, arXiv:1812.09162, as in
    the Faiss library, arXiv:2401.08281.
    """

    index: faiss.IndexPQFastScan
    facts: NearestFacts
    by_row: faiss.IndexPQ | None = None  # the same, not yet packed; only until it is written

    @property
    def ntotal(self) -> int:
        """How many rows there are."""
        return int(self.index.ntotal)

    def rows(self, query_embeddings: FloatMatrix) -> IntMatrix:
        """Rows near each query, shape (n_queries, facts.candidates)."""
        queries = np.ascontiguousarray(query_embeddings, dtype=np.float32)
        found: IntMatrix
        _, found = self.index.search(queries, self.facts.candidates)
        return found


@dataclass(frozen=True, slots=True)
class Lists:
    """Looks through the lists whose middles are nearest, by vectors of 8 bits a value.

    Source: inverted lists and scalar quantizer of the Faiss library.
    """

    index: faiss.IndexIVFScalarQuantizer
    facts: NearestFacts

    @property
    def ntotal(self) -> int:
        """How many rows there are."""
        return int(self.index.ntotal)

    def rows(self, query_embeddings: FloatMatrix) -> IntMatrix:
        """Rows near each query, shape (n_queries, CANDIDATES)."""
        import faiss

        parameters = faiss.SearchParametersIVF(nprobe=self.facts.probes)  # type: ignore[call-arg]
        queries = np.ascontiguousarray(query_embeddings, dtype=np.float32)
        found: IntMatrix
        _, found = self.index.search(queries, CANDIDATES, params=parameters)
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
    if rows <= FLAT_ROWS:
        return FLAT
    return CODES if rows <= CODES_ROWS else LISTS


def make_nearest(vectors: Vectors, kind: str, questions: FloatMatrix) -> Nearest:
    """Make what finds near rows, no finer than it takes to find enough of them.

    Args:
        vectors: the exact ones, at least LEAST_ROWS.
        kind: "pq" or "ivf".
        questions: embeddings of questions that are asked of these rows, to measure with; rows that are
            asked for their neighbours are added.
    """
    sample = _Sample.of(vectors, questions)
    ways = _codes(vectors) if kind == CODES else _lists(vectors)
    for way in ways:
        recall = sample.recall(way)
        if recall >= SAMPLE_RECALL:
            break
    return replace(way, facts=replace(way.facts, recall_at_10=round(recall, 4), sample=len(sample.queries)))


def _codes(vectors: Vectors) -> Iterator[Codes]:
    """Ever longer codes, each with ever more rows looked up."""
    for values in VALUES_A_CODE:
        if vectors.d % values:
            continue
        index = _empty_codes(vectors.d, values)
        index.train(_from_everywhere(vectors, TRAINED, least=_CODE_WORDS))
        for rows in blocks(vectors):
            index.add(rows)
        packed = _packed(index)
        for candidates in CANDIDATES_BY_CODE:
            facts = NearestFacts(CODES, 0.0, 0, values_a_code=values, candidates=candidates)
            yield Codes(packed, facts, index)


def _lists(vectors: Vectors) -> Iterator[Lists]:
    """Ever more of the lists looked through."""
    lists = list_count(vectors.ntotal)
    index = _empty_lists(vectors.d, lists)
    index.train(_from_everywhere(vectors, max(ROWS_PER_LIST * lists, TRAINED)))
    for rows in blocks(vectors):
        index.add(rows)
    for probes in _probes(lists):
        yield Lists(index, NearestFacts(LISTS, 0.0, 0, lists=lists, probes=probes))


def write_nearest(folder: HashedFolder, name: str, nearest: Nearest) -> None:
    """Write what `open_nearest` reads: plain arrays, none in a format of FAISS.

    Raises:
        TypeError: it is not what `make_nearest` made; codes that were opened are packed already.
    """
    if isinstance(nearest, Lists):
        _write_lists(folder, name, nearest)
    elif isinstance(nearest, Codes) and nearest.by_row is not None:
        _write_codes(folder, name, nearest.by_row)
    else:
        raise TypeError(f"Expected codes or lists from make_nearest, got opened {nearest.facts.type!r}.")


def open_nearest(folder: Path, data: Mapping[str, Any], name: str, facts: Mapping[str, Any]) -> Nearest:
    """Read codes, or map lists. Nothing here is read by FAISS itself, which accepts what is damaged.

    Args:
        folder: where the lists lie.
        data: what the files hold, by name.

    Raises:
        KeyError, OSError, TypeError, ValueError: the files do not fit together.
    """
    read = NearestFacts(**facts)
    return _open_codes(data, name, read) if read.type == CODES else _open_lists(folder, data, name, read)


def _write_codes(folder: HashedFolder, name: str, index: faiss.IndexPQ) -> None:
    """What the codes stand for, and those of each row."""
    import faiss

    write_array(folder, f"{name}.codebook.npy", faiss.vector_to_array(index.pq.centroids))
    folder.write(f"{name}.codes", [faiss.vector_to_array(index.codes).tobytes()])


def _open_codes(data: Mapping[str, Any], name: str, facts: NearestFacts) -> Codes:
    import faiss

    codebook = read_array(data[f"{name}.codebook.npy"])
    dimension = len(codebook) // _CODE_WORDS
    index = _empty_codes(dimension, facts.values_a_code)
    by_row = np.frombuffer(data[f"{name}.codes"], dtype=np.uint8)
    if codebook.shape != (index.pq.centroids.size(),) or len(by_row) % index.code_size:
        raise ValueError(f"codes of {name} that do not fit together")
    faiss.copy_array_to_vector(codebook, index.pq.centroids)
    faiss.copy_array_to_vector(by_row, index.codes)
    index.is_trained, index.ntotal = True, len(by_row) // index.code_size
    # Manifests of before do not name the number, which was always the first.
    return Codes(_packed(index), replace(facts, candidates=facts.candidates or CANDIDATES_BY_CODE[0]))


def _write_lists(folder: HashedFolder, name: str, nearest: Lists) -> None:
    """The middles of the lists, the range of a value, and the lists."""
    import faiss

    index, lists = nearest.index, nearest.index.invlists
    sizes = [lists.list_size(number) for number in range(index.nlist)]  # type: ignore[union-attr]
    write_array(folder, f"{name}.middles.npy", index.quantizer.reconstruct_n(0, index.nlist))
    write_array(folder, f"{name}.ranges.npy", faiss.vector_to_array(index.sq.trained))
    write_array(folder, f"{name}.sizes.npy", np.array(sizes, dtype=np.int64))
    pieces = (_list_bytes(lists, number, index.code_size) for number in range(len(sizes)))  # type: ignore[arg-type]
    folder.write(f"{name}.lists", pieces)


def _open_lists(folder: Path, data: Mapping[str, Any], name: str, facts: NearestFacts) -> Lists:
    import faiss

    middles, ranges, sizes = (
        read_array(data[f"{name}.{part}.npy"]) for part in ("middles", "ranges", "sizes")
    )
    index = _empty_lists(middles.shape[1], len(middles))
    room = -(-sizes // _ALIGNED) * _ALIGNED
    ends = np.cumsum(room * (index.code_size + 8))
    if len(sizes) != len(middles) or ends[-1] != len(data[f"{name}.lists"]) or ranges.shape != (2 * index.d,):
        raise ValueError(f"lists of {name} that do not fit together")
    index.quantizer.add(middles)
    faiss.copy_array_to_vector(ranges, index.sq.trained)
    index.is_trained, index.ntotal = True, int(sizes.sum())
    # FAISS maps the file itself, by its path: it would unmap at its end what was mapped for it. What is
    # mapped is what was verified, since nobody changes a file of a generation.
    lists = faiss.OnDiskInvertedLists(len(sizes), index.code_size, str(folder / f"{name}.lists"))
    lists.read_only, lists.totsize = True, int(ends[-1])
    lists.lists.clear()
    for size, capacity, end in zip(sizes.tolist(), room.tolist(), ends.tolist(), strict=True):
        one = faiss.OnDiskOneList()
        one.size, one.capacity, one.offset = size, capacity, end - capacity * (index.code_size + 8)
        lists.lists.push_back(one)  # type: ignore[attr-defined]
    lists.do_mmap()
    index.replace_invlists(lists, True)
    lists.this.disown()  # type: ignore[attr-defined]  # it lives as long as the index
    return Lists(index, facts)


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
    """About four times the square root of the rows, a power of two; of few rows no more than there are."""
    return min(rows, max(LEAST_LISTS, int(2 ** round(math.log2(4 * math.sqrt(rows))))))


def _empty_codes(dimension: int, values: int) -> faiss.IndexPQ:
    import faiss

    index = faiss.IndexPQ(dimension, dimension // values, _CODE_BITS, faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.min_points_per_centroid = 1  # a warning on the terminal otherwise, of small tests
    return index


def _packed(index: faiss.IndexPQ) -> faiss.IndexPQFastScan:
    """Codes in the order in which many at once are compared."""
    import faiss

    return faiss.IndexPQFastScan(index)  # type: ignore[arg-type]


def _empty_lists(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
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


def _from_everywhere(vectors: Vectors, count: int, least: int = 1) -> FloatMatrix:
    """So many vectors to train with; of few rows some repeatedly, so that there are enough."""
    rows = np.linspace(0, vectors.ntotal - 1, max(min(count, vectors.ntotal), least)).astype(np.int64)
    return vectors.reconstruct_batch(rows)
