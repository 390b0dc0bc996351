"""Milvus keeps the vectors of generations for many replicas, and finds what is near; the ranking stays ours.

A generation has a collection of its own, NAME_GENERATION, which is filled, verified and only then named
by the alias NAME. Who answers asks for the collection of the generation in their folder, never for the
alias, so that no answer mixes two. Nothing here is imported, and no other package needed, unless the
environment names an engine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.engine_settings import (
    ADDRESS_VARIABLE,
    EngineSettings,
    read_engine_settings,
)
from b12qa.errors import (
    DamagedIndexError,
    EngineAccessError,
    EngineError,
    EngineUnreachableError,
    MissingIndexError,
    StaleIndexError,
)
from b12qa.generations import is_generation
from b12qa.index import Index
from b12qa.lexical import K1, B, IntVector, query_terms, terms
from b12qa.nearest import CANDIDATES
from b12qa.records import Chunk, Sentence
from b12qa.shortcuts import CHUNKS, SENTENCES, Near, StoredFacts, StoreState
from b12qa.vectors import MappedVectors, Vectors, blocks

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from b12qa.progress import Progress

ROWS_AT_ONCE = 2_000
MAX_TERMS_CHARACTERS = 60_000  # Milvus takes 65,535 bytes; stems are cut, not what is quoted
# How fresh what is read must be: for people who ask, seconds old will do; what was just sent must be seen.
ASKING, CHECKING = "Bounded", "Strong"
DIGEST_PROPERTY = "b12qa.vectors"
_NOT_FOUND = (100, 1600)  # Milvus: no such collection, no such alias
_NOT_ALLOWED = (1400, 1401)
_CONNECT_FAILED = 2
_NEVER = 2**31 - 1


def facts_of(index: Index) -> StoredFacts:
    """What a store must hold of a generation."""
    none = np.zeros(0, dtype=np.int64)
    return StoredFacts(
        index.generation,
        index.vectors_digest,
        index.sentence_vectors.d,
        len(index.chunks),
        len(index.sentences),
        Near(none, none),
    )


def configured_store() -> Milvus | None:
    """The engine that the environment names, if any.

    Raises:
        SettingsError: see `read_engine_settings`.
        EngineError: see `Milvus`.
    """
    settings = read_engine_settings()
    return Milvus(settings) if settings else None


class Milvus:
    """A connection to Milvus, or to a file of Milvus Lite; any number of threads may use it."""

    def __init__(self, settings: EngineSettings) -> None:
        """Connect.

        Raises:
            EngineError: the package is not installed.
            EngineUnreachableError, EngineAccessError: see there.
        """
        self.settings = settings
        self._client = self._connected()

    @property
    def described(self) -> str:
        """For messages."""
        return f"The engine at {self.settings.address}"

    def collection(self, generation: str) -> str:
        """The name of the collection of a generation."""
        return f"{self.settings.name}_{generation}"

    def open(self, facts: StoredFacts, *, consistency: str = ASKING) -> MilvusRows:
        """The rows of a generation. Arguments and errors as in `shortcuts.Store.open`."""
        name = self.collection(facts.generation)
        with self._errors_as_ours():
            if not self._client.has_collection(name, timeout=self.settings.timeout_seconds):
                raise self._missing(facts.generation)
            if self._digest_of(name) != facts.digest:
                raise StaleIndexError(
                    f"{self.described} holds other vectors as {name} than the folder of the index "
                    f"(expected {facts.digest}, got {self._digest_of(name)}): another machine built the "
                    "same corpus. Serve the folder that it wrote, or run: b12qa build"
                )
            self._client.load_collection(name)
            # Milvus Lite counts all partitions, whichever is named.
            held = (
                self._count(name, CHUNKS, f"row < {facts.chunks}", consistency),
                self._count(name, SENTENCES, f"row >= {facts.chunks}", consistency),
            )
        if held != (facts.chunks, facts.sentences):
            raise DamagedIndexError(
                f"{self.described} holds {held[0]} passages and {held[1]} sentences as {name}, expected "
                f"{facts.chunks} and {facts.sentences}. Run: b12qa build"
            )
        return MilvusRows(self, facts, consistency)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def state(self) -> StoreState:
        """Whether it answers, and which generation the alias names."""
        try:
            return StoreState("milvus", True, self.served() or "")
        except EngineError:
            return StoreState("milvus", False, "")

    def served(self) -> str | None:
        """The generation that the alias names, if there is one."""
        from pymilvus import MilvusException

        with self._errors_as_ours():
            try:
                found = self._client.describe_alias(
                    self.settings.name, timeout=self.settings.timeout_seconds, retry_times=1
                )
            except MilvusException as error:
                if error.code in _NOT_FOUND:
                    return None
                raise
        return str(found["collection_name"]).removeprefix(f"{self.settings.name}_")

    def generations(self) -> list[str]:
        """The generations that have a collection, whole or not."""
        prefix = f"{self.settings.name}_"
        with self._errors_as_ours():
            names = self._client.list_collections(timeout=self.settings.timeout_seconds)
        return sorted(
            name.removeprefix(prefix)
            for name in names
            if name.startswith(prefix) and is_generation(name.removeprefix(prefix))
        )

    def fill(self, index: Index, on_progress: Progress) -> None:
        """Send the rows of a generation, unless they are all there; what a killed build left is replaced.

        Raises:
            EngineError: it could not be sent.
        """
        facts, name = facts_of(index), self.collection(index.generation)
        try:
            self.open(facts, consistency=CHECKING)
            return
        except (MissingIndexError, StaleIndexError, DamagedIndexError):
            pass
        with self._errors_as_ours():
            if index.generation in self.generations():
                self._client.drop_collection(name)
            self._create(name, facts)
            total, done = facts.chunks + facts.sentences, 0
            for kind, rows in ((CHUNKS, _chunk_rows(index)), (SENTENCES, _sentence_rows(index))):
                while some := list(islice(rows, ROWS_AT_ONCE)):
                    self._client.insert(name, some, partition_name=kind)
                    done += len(some)
                    on_progress(done, total)
            self._client.flush(name)
            self._client.create_index(name, self._indexes())
            self._client.load_collection(name)

    def serve(self, generation: str) -> None:
        """Let the alias name a generation, and drop what neither it nor the one before needs."""
        before = self.served()
        if before == generation:
            return
        name, alias = self.collection(generation), self.settings.name
        with self._errors_as_ours():
            if before is None:
                self._client.create_alias(name, alias)
            else:
                self._client.alter_alias(name, alias)
            for old in self.generations():
                if old not in (before, generation):
                    self._client.drop_collection(self.collection(old))

    def vectors_of(self, name: str, rows: IntVector, dimension: int) -> FloatMatrix:
        """Vectors by the numbers of their rows in a collection, float32, shape (n_rows, dimension)."""
        found = np.empty((len(rows), dimension), dtype=np.float32)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE].tolist()
            with self._errors_as_ours():
                records = self._client.get(
                    name, some, output_fields=["vector"], timeout=self.settings.timeout_seconds
                )
            by_row = {record["row"]: record["vector"] for record in records}
            if by_row.keys() != set(some):
                raise DamagedIndexError(
                    f"{self.described} gave {len(by_row)} of {len(set(some))} vectors of {name}. "
                    "Run: b12qa build"
                )
            found[start : start + len(some)] = [by_row[row] for row in some]
        return found

    def near(
        self, name: str, kind: str, queries: Sequence[str], embeddings: FloatMatrix, consistency: str
    ) -> list[int]:
        """Numbers of rows of one kind that are near any query by vector, or by words where it has any."""
        import pymilvus

        options: dict[str, Any] = {
            "partition_names": [kind],
            "output_fields": ["row"],
            "timeout": self.settings.timeout_seconds,
            "consistency_level": consistency,
        }
        dense = {"anns_field": "vector", "limit": CANDIDATES}
        words = [" ".join(query_terms(query)) for query in queries]
        has_words = np.array([bool(some) for some in words])
        hits: list[Any] = []
        with self._errors_as_ours():
            if has_words.any():
                asked = [
                    pymilvus.AnnSearchRequest(
                        data=embeddings[has_words].tolist(), param={"metric_type": "IP"}, **dense
                    ),
                    pymilvus.AnnSearchRequest(
                        data=[some for some in words if some],
                        anns_field="words",
                        param={"metric_type": "BM25"},
                        limit=CANDIDATES,
                    ),
                ]
                # Fusion only joins the two lists: with room for both, none of their rows is lost.
                found = self._client.hybrid_search(
                    name, asked, pymilvus.RRFRanker(), limit=2 * CANDIDATES, **options
                )
                hits += chain.from_iterable(found)
            if not has_words.all():
                found = self._client.search(name, embeddings[~has_words].tolist(), **dense, **options)
                hits += chain.from_iterable(found)
        return [hit["row"] for hit in hits]

    def _connected(self) -> MilvusClient:
        settings = self.settings
        # Its client would read settings from a file .env somewhere above.
        os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
        try:
            import pymilvus
        except ImportError as error:
            raise EngineError(
                f"{ADDRESS_VARIABLE} names an engine, and the package that speaks to it is missing. "
                "Run: pip install 'b12qa[milvus]'"
            ) from error
        for name in ("pymilvus", "pymilvus.milvus_client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # it raises what it logs
        files = {
            "ca_pem_path": settings.ca_file,
            "client_pem_path": settings.certificate_file,
            "client_key_path": settings.key_file,
        }
        if not settings.certificate_file:
            files = {"server_pem_path": settings.ca_file}
        options: dict[str, Any] = {**files, "server_name": settings.server_name}
        if settings.is_file:
            options["grpc_options"] = {"grpc.keepalive_time_ms": _NEVER}  # Lite takes offence at pings
        with self._errors_as_ours():
            client = pymilvus.MilvusClient(
                settings.address,
                token=settings.token,
                db_name=settings.database,
                timeout=settings.timeout_seconds,
                dedicated=True,
                **{name: value for name, value in options.items() if value},
            )
            client.has_collection(settings.name, timeout=settings.timeout_seconds)  # are we let in?
        return client

    def _create(self, name: str, facts: StoredFacts) -> None:
        from pymilvus import DataType, Function, FunctionType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=facts.dimension)
        # The stems come from us, so that words are the same here and there.
        schema.add_field(
            "terms",
            DataType.VARCHAR,
            max_length=65_535,
            enable_analyzer=True,
            analyzer_params={"tokenizer": "standard"},
        )
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(
            Function(
                name="bm25",
                function_type=FunctionType.BM25,
                input_field_names=["terms"],
                output_field_names=["words"],
            )
        )
        self._client.create_collection(
            name, schema=schema, consistency_level=ASKING, properties={DIGEST_PROPERTY: facts.digest}
        )
        for kind in (CHUNKS, SENTENCES):
            self._client.create_partition(name, kind)

    def _indexes(self) -> Any:
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        indexes.add_index(
            "words",
            index_type="SPARSE_INVERTED_INDEX",
            metric_type="BM25",
            params={"bm25_k1": K1, "bm25_b": B},
        )
        return indexes

    def _digest_of(self, name: str) -> str:
        described = self._client.describe_collection(name, timeout=self.settings.timeout_seconds)
        return str(described.get("properties", {}).get(DIGEST_PROPERTY, ""))

    def _count(self, name: str, kind: str, condition: str, consistency: str) -> int:
        found = self._client.query(
            name,
            filter=condition,
            output_fields=["count(*)"],
            partition_names=[kind],
            consistency_level=consistency,
            timeout=self.settings.timeout_seconds,
        )
        return int(found[0]["count(*)"])

    def _missing(self, generation: str) -> MissingIndexError | StaleIndexError:
        served = self.served()
        if served is None:
            return MissingIndexError(
                f"{self.described} holds no collection {self.collection(generation)}. Run: b12qa build"
            )
        return StaleIndexError(
            f"{self.described} serves the generation {served}, and the folder of the index is of "
            f"{generation}, which it does not hold. Serve the folder of {served}, or run: b12qa build"
        )

    @contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        """Say what went wrong in our words, and what to do.

        Raises:
            EngineUnreachableError, EngineAccessError, EngineError
        """
        import grpc
        from pymilvus import MilvusException

        try:
            yield
        except (MilvusException, grpc.RpcError, OSError) as error:
            code = getattr(error, "code", None)
            rpc = next((e for e in (error, error.__cause__) if isinstance(e, grpc.RpcError)), None)
            status = rpc.code() if rpc else code
            refused = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
            if status in refused or code in _NOT_ALLOWED:
                raise EngineAccessError(
                    f"{self.described} does not let us in. Check {ADDRESS_VARIABLE}_TOKEN or "
                    f"{ADDRESS_VARIABLE}_TOKEN_FILE (user:password, or a key), and what that user may do."
                ) from error
            gone = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, _CONNECT_FAILED)
            if status in gone or code in gone or "Retry timeout" in str(error):
                raise EngineUnreachableError(
                    f"{self.described} does not answer within {self.settings.timeout_seconds:g} s. Check "
                    f"that it runs, {ADDRESS_VARIABLE}, and with https the certificates."
                ) from error
            raise EngineError(f"{self.described} refused: {getattr(error, 'message', error)}") from error


class MilvusRows:
    """The rows of one generation: passages first, then sentences."""

    def __init__(self, milvus: Milvus, facts: StoredFacts, consistency: str) -> None:
        """Ask for what every question needs, so that no question asks for it again."""
        self._milvus = milvus
        self._name = milvus.collection(facts.generation)
        self._facts = facts
        self._consistency = consistency
        self.chunks: Vectors = MappedVectors(self._rows(0, facts.chunks, facts.always.chunks))
        self.sentences: Vectors = MappedVectors(
            self._rows(facts.chunks, facts.sentences, facts.always.sentences)
        )

    def near(self, queries: Sequence[str], query_embeddings: FloatMatrix) -> Near:
        """Rows near any of some queries by their vectors or by their words."""
        chunks, sentences = (
            self._milvus.near(self._name, kind, queries, query_embeddings, self._consistency)
            for kind in (CHUNKS, SENTENCES)
        )
        return Near(
            np.array(chunks, dtype=np.int64), np.array(sentences, dtype=np.int64) - self._facts.chunks
        )

    def _rows(self, first: int, count: int, kept: IntVector) -> _FarMatrix:
        def fetch(rows: IntVector) -> FloatMatrix:
            return self._milvus.vectors_of(self._name, rows + first, self._facts.dimension)

        return _FarMatrix((count, self._facts.dimension), fetch, kept, fetch(kept))


@dataclass(frozen=True, slots=True)
class _FarMatrix:
    """Stands for an array whose rows are fetched when they are asked for, but for some that are at hand."""

    shape: tuple[int, int]
    fetch: Callable[[IntVector], FloatMatrix]
    kept: IntVector  # ascending
    at_hand: FloatMatrix

    def __getitem__(self, wanted: Any) -> FloatMatrix:
        rows = np.arange(self.shape[0])[wanted] if isinstance(wanted, slice) else np.atleast_1d(wanted)
        found = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        near = np.isin(rows, self.kept)
        found[near] = self.at_hand[np.searchsorted(self.kept, rows[near])]
        if not near.all():
            found[~near] = self.fetch(rows[~near])
        return found[0] if np.ndim(wanted) == 0 and not isinstance(wanted, slice) else found


def _chunk_rows(index: Index) -> Iterator[dict[str, Any]]:
    return _rows(index, index.chunks, index.chunk_vectors, 0)


def _sentence_rows(index: Index) -> Iterator[dict[str, Any]]:
    return _rows(index, index.sentences, index.sentence_vectors, len(index.chunks))


def _rows(
    index: Index, records: Sequence[Chunk | Sentence], vectors: Vectors, first: int
) -> Iterator[dict[str, Any]]:
    """What is sent of rows, whose numbers count on from `first`."""
    embeddings = chain.from_iterable(blocks(vectors))
    for row, (record, embedding) in enumerate(zip(records, embeddings, strict=True), start=first):
        stems = " ".join(terms(index.plain_text(record)))[:MAX_TERMS_CHARACTERS]
        yield {"row": row, "vector": embedding, "terms": stems}
