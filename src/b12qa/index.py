"""One generation of an index on disk: open it, verify it, search it. Nothing here writes.

A generation is a folder named by a hash of everything that determines it; `generations.py` knows which one
is served. Opening compares every byte with the manifest before anything is parsed. The format is described
in `index/README.md`; `formats.py` reads and writes its files.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from b12qa.bank import FAR_OFF_PERCENTILE, KERNEL_WIDTH, LEARNING, RIDGE, BankModel
from b12qa.chunking import MAX_CONTEXT_CHARACTERS
from b12qa.embedding import Encoder, FloatMatrix
from b12qa.errors import (
    DamagedIndexError,
    ModelMismatchError,
    QueryError,
    StaleIndexError,
)
from b12qa.formats import (
    DIGEST_BYTES,
    DIGESTS_FILE,
    FORMAT_VERSION,
    VECTOR_FILES,
    FileContent,
    Rows,
    read_bank_models,
    read_rows,
    read_vectors,
    read_words,
)
from b12qa.generations import current_generation, is_rolled_back, previous_generation
from b12qa.lexical import K1, STOP_WORDS, B, LexicalIndexes
from b12qa.markdown import READING, plain_text_of
from b12qa.nearest import AUTO
from b12qa.plain import advice_to_build
from b12qa.records import Chunk, Document, NotedSentence, OpenQuestion, Question, Sentence
from b12qa.sealed import check_format, json_bytes, manifest_of, read_file, verified_files
from b12qa.shortcuts import (
    CHUNKS,
    SENTENCES,
    Near,
    Shortcuts,
    Spreads,
    Store,
    StoredFacts,
    StoredRows,
    open_shortcuts,
    open_spreads,
)
from b12qa.vectors import FlatVectors, Vectors, blocks, flat_cosines

if TYPE_CHECKING:
    from b12qa.corpus import Corpus

# What a store keeps need not be in the folder.
STORED_FILES = frozenset(
    f"{rows}.{part}"
    for rows in (CHUNKS, SENTENCES)
    for part in ("faiss", "codes", "codebook.npy", "lists", "middles.npy", "ranges.npy", "sizes.npy")
)
# A larger file of numbers stays on the disk, and what is asked for is read when it is asked for.
MAPPED_FROM_BYTES = 128_000_000
_MAPPED_SUFFIXES = {".bm25", ".codes", ".faiss", ".lists", ".npy"}
_LIBRARIES_THAT_CUT = ("markdown-it-py", "PyStemmer", "sentencex")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """One generation, verified: texts, rows and vectors."""

    generation: str
    inputs: Mapping[str, Any]  # everything that determines the generation
    model_name: str
    documents: tuple[Document, ...]
    chunks: tuple[Chunk, ...]
    sentences: tuple[Sentence, ...]
    questions: tuple[Question, ...]
    open_questions: tuple[OpenQuestion, ...]
    synonyms: tuple[tuple[str, ...], ...]
    chunk_vectors: Vectors
    sentence_vectors: Vectors
    question_vectors: Vectors
    open_question_vectors: Vectors
    bank_models: Mapping[int, BankModel]  # by position of the document; only those with a bank
    text_digests: bytes  # SHA-256 of what the model read for each row, in the order of VECTOR_FILES
    words: LexicalIndexes
    made_with: Mapping[str, str]  # versions of the libraries that computed it
    notes: tuple[NotedSentence, ...] = ()  # in reading order
    warning_sections: tuple[tuple[int, int], ...] = ()  # positions of document and section
    treatment_sections: tuple[tuple[int, int], ...] = ()
    rolled_back: bool = False  # made current by a rollback, and may be older than the corpus
    spreads: Spreads | None = None  # None while a question is compared with every row
    shortcuts: Shortcuts | None = None  # otherwise what leads to near rows: this,
    stored: StoredRows | None = None  # or a store
    store: Store | None = None  # what keeps the vectors, if not the folder
    vectors_digest: str = ""  # of the vectors of passages and sentences

    def __repr__(self) -> str:
        # All it holds would fill a notebook.
        names = ", ".join(document.name for document in self.documents[:3])
        more = ", …" if len(self.documents) > 3 else ""
        return f"<Index {self.generation} of {len(self.chunks)} passages: {names}{more}>"

    def position_of(self, document: str) -> int:
        """The position of the document of a name among `documents`."""
        return self._positions[document]

    def document_of(self, name: str) -> Document:
        """The document of a name."""
        return self.documents_by_name[name]

    @cached_property
    def documents_by_name(self) -> Mapping[str, Document]:
        """The documents, each under its name."""
        return {document.name: document for document in self.documents}

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {document.name: position for position, document in enumerate(self.documents)}

    @property
    def vectors(self) -> tuple[Vectors, Vectors, Vectors, Vectors]:
        """Of every kind of row, in the order of VECTOR_FILES."""
        return self.chunk_vectors, self.sentence_vectors, self.question_vectors, self.open_question_vectors

    @property
    def model_fingerprint(self) -> str:
        """Of the model that it was built with."""
        return str(self.inputs["model"]["fingerprint"])

    def plain_text(self, row: Chunk | Sentence) -> str:
        """What a person reads of a row."""
        return plain_text_of(self.documents[row.document], row)


def generation_inputs(corpus: Corpus, encoder: Encoder, index_type: str = AUTO) -> dict[str, Any]:
    """Everything that determines a generation, as plain data."""
    return {
        "format": FORMAT_VERSION,
        "corpus": corpus.hashes(),
        "model": {
            "fingerprint": encoder.fingerprint,
            "dimension": encoder.dimension,
            "max_tokens": encoder.max_tokens,
        },
        "index_type": index_type,
        **_settings_inputs(),
    }


def generation_name(inputs: Mapping[str, Any]) -> str:
    """The name of the generation that these inputs determine."""
    return hashlib.sha256(json_bytes(inputs)).hexdigest()[:16]


def open_index(index_dir: Path, store: Store | None = None) -> Index:
    """Open the current generation after comparing all of it with its manifest.

    Any number of threads and processes may do so while another one builds.

    Args:
        store: what keeps the vectors, if not the folder, whose STORED_FILES are then not looked at.

    Raises:
        MissingIndexError: nothing has been built there, or the store does not hold it.
        DamagedIndexError: a file is missing, surplus, or not what was written.
        StaleIndexError, EngineError: see `shortcuts.Store.open`.
    """
    name = current_generation(index_dir)
    while True:
        try:
            rolled_back = is_rolled_back(index_dir, name)
            return read_generation(index_dir / name, name, rolled_back=rolled_back, store=store)
        except DamagedIndexError:
            # Builds may have replaced and removed it since CURRENT was read.
            now = current_generation(index_dir)
            if now == name:
                raise
            name = now


def open_previous(index_dir: Path) -> Index:
    """Open the generation before the current one. Errors as in `open_index`."""
    name = previous_generation(index_dir)
    return read_generation(index_dir / name, name)


class ModelIdentity(Protocol):
    """Which model is at hand: an `Encoder`, or files that are not loaded yet."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


class Hashed(Protocol):
    """A corpus that has been read, or whose files are only hashed."""

    def hashes(self) -> dict[str, str]: ...


def check_fresh(index: Index, corpus: Hashed, model: ModelIdentity) -> None:
    """Refuse an index that was not built from what is at hand.

    Raises:
        ModelMismatchError: built with another model.
        StaleIndexError: built from another text, bank, list of synonyms or notes, with other settings or
            other library versions.
    """
    check_model(index, model)
    difference = _difference(index, corpus)
    if difference and index.rolled_back:
        raise StaleIndexError(
            f"{difference} It was rolled back, and is served as it is until the next build. "
            "Mend the corpus, then run: b12qa build"
        )
    if difference:
        raise StaleIndexError(f"{difference} Run: b12qa build")


def check_servable(
    index: Index, corpus: Hashed, model: ModelIdentity, given: Mapping[str, object] | None = None
) -> None:
    """Refuse an index as `check_fresh` does, but let one that was rolled back be older than the corpus.

    That is said in the log, which shows on stderr unless somebody keeps it elsewhere.

    Args:
        given: as in `plain.advice_to_build`, for what is said there.
    """
    if not index.rolled_back:
        check_fresh(index, corpus, model)
        return
    check_model(index, model)
    difference = _difference(index, corpus)
    if difference:
        said = (
            f"b12qa: warning: answers come from the generation {index.generation}, which was rolled back to. "
            f"{difference} Mend the corpus, then run: b12qa build"
        )
        _log.warning("%s", advice_to_build(said, given or {}))


def _difference(index: Index, corpus: Hashed) -> str:
    """What an index was built from other than this corpus and these settings, in words; empty if nothing."""
    built, current = index.inputs["corpus"], corpus.hashes()
    for file in sorted(built.keys() | current.keys()):
        if file not in current:
            return f"The index holds {file}, which is no longer in the corpus."
        if file not in built:
            return f"The index does not hold {file}, which is in the corpus."
        if built[file] != current[file]:
            return (
                f"The index was built from another text of {file} (SHA-256 {built[file][:8]}, "
                f"now {current[file][:8]})."
            )
    now = _settings_inputs()
    if now != {key: index.inputs[key] for key in now}:
        return (
            "The index was built with other settings or library versions "
            f"({index.inputs['libraries']}, now {now['libraries']})."
        )
    return ""


def check_model(index: Index, model: ModelIdentity) -> None:
    """Refuse an index whose vectors come from another model.

    Raises:
        ModelMismatchError: the fingerprints differ.
    """
    built = index.model_fingerprint
    if built != model.fingerprint:
        raise ModelMismatchError(
            f"The index was built with the model {index.model_name} (fingerprint {built[:8]}), and the model "
            f"at hand is {model.name} ({model.fingerprint[:8]}). Run: b12qa build (or name the index's "
            "model with --model)"
        )


def _settings_inputs() -> dict[str, Any]:
    """What determines a generation besides the corpus and the model."""
    return {
        "settings": {
            "reading": READING,
            "learning": LEARNING,
            "max_context_characters": MAX_CONTEXT_CHARACTERS,
            "kernel_width": KERNEL_WIDTH,
            "ridge": RIDGE,
            "far_off_percentile": FAR_OFF_PERCENTILE,
            "bm25_k1": K1,
            "bm25_b": B,
            "stop_words": " ".join(sorted(STOP_WORDS)),
        },
        "libraries": {name: version(name) for name in _LIBRARIES_THAT_CUT},
    }


def all_cosines(vectors: Vectors, query_embeddings: FloatMatrix) -> FloatMatrix:
    """The cosine of every query to every row, float32, shape (n_queries, n_rows).

    Raises:
        QueryError: the queries are not finite or not as wide as the rows.
    """
    if query_embeddings.ndim != 2 or query_embeddings.shape[1] != vectors.d:
        raise QueryError(
            f"Expected query vectors of shape (n, {vectors.d}), got {query_embeddings.shape}. "
            "Was the index built with this model?"
        )
    if not np.isfinite(query_embeddings).all():
        raise QueryError("The query vector holds a value that is not finite. Check the model.")
    if isinstance(vectors, FlatVectors):
        return flat_cosines(vectors.values, query_embeddings)
    cosines = np.zeros((len(query_embeddings), vectors.ntotal), dtype=np.float32)
    start = 0
    for rows in blocks(vectors):
        cosines[:, start : start + len(rows)] = flat_cosines(rows, query_embeddings)
        start += len(rows)
    return cosines


# Reading a generation.


def read_generation(
    folder: Path, name: str, *, rolled_back: bool = False, store: Store | None = None
) -> Index:
    """Read a generation: bytes first, then meaning. Arguments and errors as in `open_index`.

    Raises:
        DamagedIndexError: a file is missing, surplus, or not what was written.
        StaleIndexError: it has another format.
    """
    with manifest_of(folder) as manifest:
        check_format(folder, manifest["inputs"]["format"], FORMAT_VERSION)
        if not manifest["generation"] == name == generation_name(manifest["inputs"]):
            raise DamagedIndexError(
                f"{folder} holds the manifest of the generation {manifest['generation']}. Run: b12qa build"
            )
        left_out = STORED_FILES if store else frozenset()
        data: dict[str, Any] = verified_files(folder, manifest["files"], _verified_bytes, left_out)
    try:
        inputs, model_name, made_with = manifest["inputs"], manifest["model_name"], manifest["made_with"]
        rows = read_rows(data, inputs["corpus"])
        _check_one_build(folder, manifest, rows, data[DIGESTS_FILE])
        bank_models = read_bank_models(data, rows, manifest["calibrations"], folder)
        words = read_words(data, rows, folder)
        facts = _stored_facts(name, manifest, rows, bank_models)
        vectors, spreads, shortcuts = _vectors_in(folder, manifest, data, facts, left_out)
    # FAISS raises RuntimeError; JSON that is nested too deep RecursionError, which is one.
    except (AttributeError, IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise DamagedIndexError(
            f"{folder} does not hold what its manifest says: {error!r}. Run: b12qa build"
        ) from error
    stored = store.open(facts) if store else None
    if stored:
        far = (stored.chunks, stored.sentences)
        vectors |= zip(VECTOR_FILES[:2], far if spreads is not None else map(_in_memory, far), strict=True)
    of_chunks, of_sentences, of_questions, of_open_questions = (vectors[file] for file in VECTOR_FILES)
    return Index(
        generation=name,
        inputs=inputs,
        model_name=str(model_name),
        **rows._asdict(),
        chunk_vectors=of_chunks,
        sentence_vectors=of_sentences,
        question_vectors=of_questions,
        open_question_vectors=of_open_questions,
        bank_models=bank_models,
        text_digests=data[DIGESTS_FILE],
        words=words,
        made_with=dict(made_with),
        rolled_back=rolled_back,
        spreads=spreads,
        shortcuts=shortcuts,
        stored=stored if spreads is not None else None,
        store=store,
        vectors_digest=facts.digest,
    )


def _check_one_build(folder: Path, manifest: Mapping[str, Any], rows: Rows, digests: bytes) -> None:
    """Rows, vectors and documents must be of one build.

    Raises:
        DamagedIndexError: they are not.
    """
    counts = [manifest["counts"][file] for file in VECTOR_FILES]
    of_rows = list(map(len, (rows.chunks, rows.sentences, rows.questions, rows.open_questions)))
    found = {f"{d.name}.md": hashlib.sha256(d.text.encode()).hexdigest() for d in rows.documents}
    of_corpus = found.items() <= manifest["inputs"]["corpus"].items()
    if not of_corpus or counts != of_rows or len(digests) != DIGEST_BYTES * sum(counts):
        raise DamagedIndexError(f"{folder} mixes the files of two builds. Run: b12qa build")


def _vectors_in(
    folder: Path, manifest: Mapping[str, Any], data: Mapping[str, Any], facts: StoredFacts, left_out: Set[str]
) -> tuple[dict[str, Vectors], Spreads | None, Shortcuts | None]:
    """The vectors that a folder holds, by file, and what leads to near ones."""
    vectors = {
        file: read_vectors(data[file], manifest["counts"][file], facts.dimension, folder / file)
        for file in VECTOR_FILES
        if file not in left_out
    }
    spreads = open_spreads(data, manifest["nearest"])
    if spreads is None or left_out:
        return vectors, spreads, None
    counts = {CHUNKS: facts.chunks, SENTENCES: facts.sentences}
    return vectors, spreads, open_shortcuts(folder, data, manifest["nearest"], counts)


def _stored_facts(
    name: str, manifest: Mapping[str, Any], rows: Rows, with_banks: Iterable[int]
) -> StoredFacts:
    dimension = int(manifest["inputs"]["model"]["dimension"])
    if dimension < 1:
        raise ValueError(f"vectors of width {dimension}")
    compared = always_compared(rows.chunks, with_banks, rows.warning_sections)
    return StoredFacts(
        name,
        _vectors_digest(manifest["files"]),
        dimension,
        len(rows.chunks),
        len(rows.sentences),
        _always_near(rows.chunks, rows.sentences, compared),
    )


def always_compared(
    chunks: Sequence[Chunk], with_banks: Iterable[int], warning_sections: Iterable[tuple[int, int]]
) -> npt.NDArray[np.int64]:
    """Passages of documents with a bank, whose sentences are judged together, or with warnings."""
    documents = {*with_banks, *(document for document, _ in warning_sections)}
    return np.array([row for row, chunk in enumerate(chunks) if chunk.document in documents], dtype=np.int64)


def _always_near(chunks: Sequence[Chunk], sentences: Sequence[Sentence], rows: npt.NDArray[np.int64]) -> Near:
    """Passages with all their sentences."""
    passages = set(rows.tolist())
    of_them = [row for row, sentence in enumerate(sentences) if sentence.chunk in passages]
    return Near(rows, np.array(of_them, dtype=np.int64))


def _in_memory(vectors: Vectors) -> Vectors:
    """The same vectors, bit for bit, as if they had been in the folder."""
    return FlatVectors(vectors.reconstruct_n(0, vectors.ntotal))


def _vectors_digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    """What a store tells by that it holds these vectors and no others."""
    hashes = [str(files[file]["sha256"]) for file in VECTOR_FILES if file in STORED_FILES]
    return hashlib.sha256(json_bytes(hashes)).hexdigest()[:16]


def _verified_bytes(path: Path, size: int, sha256: str) -> FileContent:
    large = size >= MAPPED_FROM_BYTES and path.suffix in _MAPPED_SUFFIXES
    data = _mapped(path) if large else read_file(path)
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise DamagedIndexError(f"{path} is damaged: it is not what was written. Run: b12qa build")
    return data


def _mapped(path: Path) -> FileContent:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise DamagedIndexError(f"{path} cannot be read ({error}). Run: b12qa build") from error
