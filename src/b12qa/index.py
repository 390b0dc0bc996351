"""Vectors → FAISS files, a manifest, generations: build, open, verify.

A generation is a folder named by a hash of everything that determines it. It is written beside the
others, read back, and becomes current by one rename. Opening compares every byte with the manifest
before anything is parsed. The format is described in `index/README.md`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from b12qa.bank import FAR_OFF_PERCENTILE, KERNEL_WIDTH, RIDGE, BankModel, calibration_from_dict, fit
from b12qa.chunking import MAX_CONTEXT_CHARACTERS, Chunks, chunk_documents, embedded_text
from b12qa.corpus import Corpus, Problem
from b12qa.embedding import Encoder, FloatMatrix, check_embeddings
from b12qa.errors import (
    DamagedIndexError,
    MissingIndexError,
    ModelMismatchError,
    QueryError,
    StaleIndexError,
)
from b12qa.markdown import plain_text
from b12qa.questions import QuestionBank, read_banks, read_synonyms
from b12qa.records import (
    About,
    Block,
    BlockKind,
    Chunk,
    Document,
    Markup,
    OpenQuestion,
    Question,
    Section,
    Sentence,
    Span,
)

if TYPE_CHECKING:
    import faiss

IntMatrix = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]

FORMAT_VERSION = 2
BATCH_SIZE = 256
_GENERATION = re.compile(r"[0-9a-f]{16}")
_UNFINISHED = ".building-"
_VECTOR_FILES = ("chunks.faiss", "sentences.faiss", "questions.faiss", "open-questions.faiss")
_LIBRARIES_THAT_CUT = ("markdown-it-py", "sentencex")


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
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
    chunk_vectors: faiss.IndexFlatIP
    sentence_vectors: faiss.IndexFlatIP
    question_vectors: faiss.IndexFlatIP
    open_question_vectors: faiss.IndexFlatIP
    bank_models: Mapping[int, BankModel]  # by position of the document; only those with a bank


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did."""

    generation: str
    documents: int
    sections: int
    chunks: int
    sentences: int
    questions: int  # of the banks, answered
    open_questions: int
    problems: tuple[Problem, ...]  # what is wrong with the banks
    embedded: int  # texts given to the model; 0 when the generation was there already


def generation_inputs(corpus: Corpus, encoder: Encoder) -> dict[str, Any]:
    """Everything that determines a generation, as plain data."""
    return {
        "format": FORMAT_VERSION,
        "corpus": _corpus_hashes(corpus),
        "model": {
            "fingerprint": encoder.fingerprint,
            "dimension": encoder.dimension,
            "max_tokens": encoder.max_tokens,
        },
        **_settings_inputs(),
    }


def generation_name(inputs: Mapping[str, Any]) -> str:
    """The name of the generation that these inputs determine."""
    return hashlib.sha256(_json(inputs)).hexdigest()[:16]


def build_index(
    corpus: Corpus,
    encoder: Encoder,
    index_dir: Path,
    on_progress: Progress = no_progress,
) -> BuildReport:
    """Build the generation for a corpus and make it current.

    Args:
        on_progress: called with the number of texts embedded so far, and of all.

    Raises:
        CorpusError: a question bank or a list of synonyms cannot be read.
        ModelError: the model gave unusable vectors.
        DamagedIndexError: what was written could not be read back (a full disk, say).
        OSError: the folder cannot be written. In every case the old generation stays current.
    """
    inputs = generation_inputs(corpus, encoder)
    name = generation_name(inputs)
    index_dir.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(index_dir)
    existing = _sound_generation(index_dir, name)
    if existing is not None:
        _make_current(index_dir, name)
        return _report(existing, read_banks(corpus, existing.sentences).problems, 0)

    rows = chunk_documents(corpus.documents, encoder.count_tokens, encoder.max_tokens)
    bank = read_banks(corpus, rows.sentences)
    texts = [
        list(_chunk_texts(corpus.documents, rows, encoder)),
        list(_sentence_texts(corpus.documents, rows)),
        [question.text for question in bank.answered],
        [question.text for question in bank.open],
    ]
    embedded = _embed([text for kind in texts for text in kind], encoder, on_progress)
    borders = np.cumsum([len(kind) for kind in texts])[:-1]
    vectors = dict(zip(_VECTOR_FILES, np.split(embedded, borders), strict=True))
    models = dict(_fit_banks(len(corpus.documents), rows, bank, vectors))
    files = {
        "rows.json": _json(_rows_to_json(corpus.documents, rows, bank, read_synonyms(corpus))),
        **{file: _serialized(matrix) for file, matrix in vectors.items()},
        **{_bank_file(number): _array_bytes(model.coefficients) for number, model in models.items()},
    }
    for number, document in enumerate(corpus.documents):
        files[_text_file(number)] = document.text.encode("utf-8")
    manifest = {
        "generation": name,
        "inputs": inputs,
        "model_name": encoder.name,
        "counts": {file: len(matrix) for file, matrix in vectors.items()},
        "calibrations": {str(number): model.calibration.to_dict() for number, model in models.items()},
        "files": {
            file: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for file, data in sorted(files.items())
        },
    }
    files["manifest.json"] = _json(manifest)
    checksum = hashlib.sha256(files["manifest.json"]).hexdigest()
    files["manifest.sha256"] = f"{checksum}  manifest.json\n".encode()

    with _unfinished_folder(index_dir) as folder:
        for file, data in files.items():
            _write(folder / file, data)
        _sync_folder(folder)
        built = _read_generation(folder, name)  # what cannot be read back must not become current
        final = index_dir / name
        if final.exists():  # a damaged one of the same name: _sound_generation refused it
            shutil.rmtree(final)
        os.rename(folder, final)
    _sync_folder(index_dir)
    _make_current(index_dir, name)
    return _report(built, bank.problems, len(embedded))


def open_index(index_dir: Path) -> Index:
    """Open the current generation after comparing all of it with its manifest.

    Raises:
        MissingIndexError: nothing has been built there.
        DamagedIndexError: a file is missing, surplus, or not what was written.
    """
    name = current_generation(index_dir)
    return _read_generation(index_dir / name, name)


def current_generation(index_dir: Path) -> str:
    """The name in the file CURRENT.

    Raises:
        MissingIndexError: there is none.
        DamagedIndexError: it names no generation that is there.
    """
    current = index_dir / "CURRENT"
    try:
        name = current.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        raise MissingIndexError(f"{index_dir} holds no index yet. Run: b12qa build") from None
    except OSError as error:
        raise DamagedIndexError(f"{current} cannot be read ({error}). Run: b12qa build") from error
    if not name.endswith("\n") or not _GENERATION.fullmatch(name[:-1]):
        raise DamagedIndexError(f"{current} names no generation: {name[:40]!r}. Run: b12qa build")
    if not (index_dir / name[:-1]).is_dir():
        raise DamagedIndexError(
            f"{current} names the generation {name[:-1]}, which is not there. Run: b12qa build"
        )
    return name[:-1]


class ModelIdentity(Protocol):
    """Which model is at hand: an `Encoder`, or files that are not loaded yet."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


def check_fresh(index: Index, corpus: Corpus, model: ModelIdentity) -> None:
    """Refuse an index that was not built from what is at hand.

    Raises:
        ModelMismatchError: built with another model.
        StaleIndexError: built from another text, bank or list of synonyms, with other settings or
            other library versions.
    """
    check_model(index, model)
    built, current = index.inputs["corpus"], _corpus_hashes(corpus)
    for file in sorted(built.keys() | current.keys()):
        if file not in current:
            raise StaleIndexError(
                f"The index holds {file}, which is no longer in the corpus. Run: b12qa build"
            )
        if file not in built:
            raise StaleIndexError(f"The index does not hold {file}, which is in the corpus. Run: b12qa build")
        if built[file] != current[file]:
            raise StaleIndexError(
                f"The index was built from another text of {file} (SHA-256 {built[file][:8]}, "
                f"now {current[file][:8]}). Run: b12qa build"
            )
    if _settings_inputs() != {key: index.inputs[key] for key in _settings_inputs()}:
        raise StaleIndexError(
            "The index was built with other settings or library versions "
            f"({index.inputs['libraries']}, now {_settings_inputs()['libraries']}). Run: b12qa build"
        )


def check_model(index: Index, model: ModelIdentity) -> None:
    """Refuse an index whose vectors come from another model.

    Raises:
        ModelMismatchError: the fingerprints differ.
    """
    built = index.inputs["model"]["fingerprint"]
    if built != model.fingerprint:
        raise ModelMismatchError(
            f"The index was built with the model {index.model_name} (fingerprint {built[:8]}), and the model "
            f"at hand is {model.name} ({model.fingerprint[:8]}). Run: b12qa build (or name the index's "
            "model with --model)"
        )


def search(
    vectors: faiss.IndexFlatIP, query_embeddings: FloatMatrix, top_k: int
) -> tuple[FloatMatrix, IntMatrix]:
    """Find the rows nearest to each query, exactly.

    Embeddings have unit length, so the inner product is the cosine: -1 to 1, higher is better.

    Args:
        query_embeddings: float32, shape (n_queries, dimension).
        top_k: rows wanted per query, from 1 to the number of rows.

    Returns:
        Scores, float32, best first, and row positions, int64; both (n_queries, top_k).

    Raises:
        QueryError: top_k is out of range, or the queries are not finite or not as wide as the rows.
        DamagedIndexError: FAISS found fewer rows than it holds.

    Source: exhaustive inner-product search, Douze et al., The Faiss library, arXiv:2401.08281.
    """
    if not 1 <= top_k <= vectors.ntotal:
        raise QueryError(f"Expected top_k from 1 to {vectors.ntotal}, the number of rows; got {top_k}.")
    if query_embeddings.ndim != 2 or query_embeddings.shape[1] != vectors.d:
        raise QueryError(
            f"Expected query vectors of shape (n, {vectors.d}), got {query_embeddings.shape}. "
            "Was the index built with this model?"
        )
    if not np.isfinite(query_embeddings).all():
        raise QueryError("The query vector holds a value that is not finite. Check the model.")
    scores, rows = vectors.search(np.ascontiguousarray(query_embeddings, dtype=np.float32), top_k)
    if (rows < 0).any():
        raise DamagedIndexError("FAISS found fewer rows than the index holds. Run: b12qa build")
    return scores, rows


def _corpus_hashes(corpus: Corpus) -> dict[str, str]:
    """SHA-256 of every file of a corpus, by file name."""
    beside = {file: hashlib.sha256(data).hexdigest() for file, data in corpus.beside.items()}
    return {f"{document.name}.md": document.sha256 for document in corpus.documents} | beside


def _settings_inputs() -> dict[str, Any]:
    """What determines a generation besides the corpus and the model."""
    return {
        "settings": {
            "max_context_characters": MAX_CONTEXT_CHARACTERS,
            "kernel_width": KERNEL_WIDTH,
            "ridge": RIDGE,
            "far_off_percentile": FAR_OFF_PERCENTILE,
        },
        "libraries": {name: version(name) for name in _LIBRARIES_THAT_CUT},
    }


def all_cosines(vectors: faiss.IndexFlatIP, query_embeddings: FloatMatrix) -> FloatMatrix:
    """The cosine of every query to every row, float32, shape (n_queries, n_rows). Errors as in `search`."""
    cosines = np.zeros((len(query_embeddings), vectors.ntotal), dtype=np.float32)
    if vectors.ntotal:
        scores, rows = search(vectors, query_embeddings, vectors.ntotal)
        np.put_along_axis(cosines, rows, scores, axis=1)
    return cosines


# What the model reads.


def _chunk_texts(documents: Sequence[Document], rows: Chunks, encoder: Encoder) -> Iterator[str]:
    for chunk in rows.chunks:
        yield embedded_text(
            documents[chunk.document], chunk, chunk.section, encoder.count_tokens, encoder.max_tokens
        )


def _sentence_texts(documents: Sequence[Document], rows: Chunks) -> Iterator[str]:
    for sentence in rows.sentences:
        document = documents[sentence.document]
        yield plain_text(document.text, sentence.start, sentence.end, document.markup)


def _fit_banks(
    n_documents: int, rows: Chunks, bank: QuestionBank, vectors: Mapping[str, FloatMatrix]
) -> Iterator[tuple[int, BankModel]]:
    """What each document's bank teaches."""
    for number in range(n_documents):
        sentences = [i for i, sentence in enumerate(rows.sentences) if sentence.document == number]
        answered = [i for i, q in enumerate(bank.answered) if rows.sentences[q.sentence].document == number]
        open_rows = [i for i, question in enumerate(bank.open) if question.document == number]
        if not answered:
            continue
        yield (
            number,
            fit(
                sentence_embeddings=vectors["sentences.faiss"][sentences],
                question_embeddings=vectors["questions.faiss"][answered],
                question_sentences=[bank.answered[i].sentence - sentences[0] for i in answered],
                open_embeddings=vectors["open-questions.faiss"][open_rows],
                questions=[bank.answered[i].text for i in answered],
                open_questions=[bank.open[i].text for i in open_rows],
            ),
        )


def _embed(texts: Sequence[str], encoder: Encoder, on_progress: Progress) -> FloatMatrix:
    batches = []
    for start in range(0, len(texts), BATCH_SIZE):
        batch = texts[start : start + BATCH_SIZE]
        batches.append(check_embeddings(encoder.encode(batch), len(batch), encoder.dimension))
        on_progress(start + len(batch), len(texts))
    return np.concatenate(batches)


# From records to files and back.


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def _text_file(number: int) -> str:
    return f"document-{number}.md"


def _bank_file(number: int) -> str:
    return f"bank-{number}.npy"


def _array_bytes(array: FloatMatrix) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _rows_to_json(
    documents: Sequence[Document], rows: Chunks, bank: QuestionBank, synonyms: Sequence[Sequence[str]]
) -> dict[str, Any]:
    described = []
    for document in documents:
        record = asdict(document)
        del record["text"]  # it has a file of its own
        described.append(record)
    return {
        "documents": described,
        "chunks": [asdict(chunk) for chunk in rows.chunks],
        "sentences": [asdict(sentence) for sentence in rows.sentences],
        "questions": [asdict(question) for question in bank.answered],
        "open_questions": [asdict(question) for question in bank.open],
        "synonyms": synonyms,
    }


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


def _serialized(vectors: FloatMatrix) -> bytes:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return bytes(faiss.serialize_index(index).tobytes())


def _vectors(data: bytes, rows: int, dimension: int, file: Path) -> faiss.IndexFlatIP:
    """Read a flat FAISS index, after its header has been found to be just the expected one."""
    import faiss

    header = _flat_header(rows, dimension)
    if not data.startswith(header) or len(data) != len(header) + 4 * rows * dimension:
        raise DamagedIndexError(
            f"Expected {rows} vectors of width {dimension} in {file}, got something else. Run: b12qa build"
        )
    index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
    if not isinstance(index, faiss.IndexFlatIP):
        raise DamagedIndexError(f"{file} is no flat inner-product index. Run: b12qa build")
    if rows and not np.isfinite(index.reconstruct_n(0, rows)).all():
        raise DamagedIndexError(f"{file} holds a value that is not finite. Run: b12qa build")
    return index


def _flat_header(rows: int, dimension: int) -> bytes:
    """The first bytes of an `IndexFlatIP` file: kind, width, rows, two unused, trained, metric, size."""
    empty, one = (_serialized(np.zeros((n, dimension), dtype=np.float32)) for n in (0, 1))
    size_of_one = int.from_bytes(one[len(empty) - 8 : len(empty)], "little")
    return empty[:8] + struct.pack("<q", rows) + empty[16:-8] + struct.pack("<Q", rows * size_of_one)


def _read_generation(folder: Path, name: str) -> Index:
    """Read a generation: bytes first, then meaning."""
    manifest = _verified_manifest(folder, name)
    data = {file: _verified_bytes(folder / file, facts) for file, facts in manifest["files"].items()}
    expected = {*manifest["files"], "manifest.json", "manifest.sha256"}
    surplus = sorted({path.name for path in folder.iterdir()} - expected)
    if surplus:
        raise DamagedIndexError(f"{folder / surplus[0]} does not belong to the index. Run: b12qa build")
    try:
        inputs, counts = manifest["inputs"], manifest["counts"]
        model_name = str(manifest["model_name"])
        rows = json.loads(data["rows.json"])
        documents = tuple(
            _document_from_json(record, data[_text_file(number)].decode("utf-8"))
            for number, record in enumerate(rows["documents"])
        )
        chunks = tuple(_chunk_from_json(record) for record in rows["chunks"])
        sentences = tuple(Sentence(**record) for record in rows["sentences"])
        questions = tuple(Question(**record) for record in rows["questions"])
        open_questions = tuple(OpenQuestion(**record) for record in rows["open_questions"])
        models = {
            int(number): BankModel(
                np.load(io.BytesIO(data[_bank_file(int(number))]), allow_pickle=False),
                calibration_from_dict(calibration),
            )
            for number, calibration in manifest["calibrations"].items()
        }
        found = {f"{d.name}.md": hashlib.sha256(d.text.encode()).hexdigest() for d in documents}
        synonyms = tuple(tuple(group) for group in rows["synonyms"])
        expected_counts = [counts[file] for file in _VECTOR_FILES]
        dimension = inputs["model"]["dimension"]
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedIndexError(
            f"{folder} does not hold what its manifest says: {error!r}. Run: b12qa build"
        ) from error
    if not found.items() <= inputs["corpus"].items() or expected_counts != [
        len(chunks),
        len(sentences),
        len(questions),
        len(open_questions),
    ]:
        raise DamagedIndexError(f"{folder} mixes the files of two builds. Run: b12qa build")
    _check_bank_models(models, sentences, questions, open_questions, folder)
    vectors = [_vectors(data[file], counts[file], dimension, folder / file) for file in _VECTOR_FILES]
    return Index(
        generation=name,
        inputs=inputs,
        model_name=model_name,
        documents=documents,
        chunks=chunks,
        sentences=sentences,
        questions=questions,
        open_questions=open_questions,
        synonyms=synonyms,
        chunk_vectors=vectors[0],
        sentence_vectors=vectors[1],
        question_vectors=vectors[2],
        open_question_vectors=vectors[3],
        bank_models=models,
    )


def _check_bank_models(
    models: Mapping[int, BankModel],
    sentences: Sequence[Sentence],
    questions: Sequence[Question],
    open_questions: Sequence[OpenQuestion],
    folder: Path,
) -> None:
    """What a bank taught must fit the rows that it speaks of."""
    own = Counter(sentence.document for sentence in sentences)
    answered = Counter(sentences[question.sentence].document for question in questions)
    left_open = Counter(question.document for question in open_questions)
    if models.keys() != answered.keys():
        raise DamagedIndexError(f"{folder} lacks what a question bank taught. Run: b12qa build")
    for number, model in models.items():
        expected = (own[number] + answered[number] + left_open[number], own[number] + 1)
        found = model.coefficients
        if found.shape != expected or found.dtype != np.float32 or not np.isfinite(found).all():
            raise DamagedIndexError(
                f"Expected finite float32 of shape {expected} in {folder / _bank_file(number)}, "
                f"got {found.dtype} of shape {found.shape}. Run: b12qa build"
            )


def _verified_manifest(folder: Path, name: str) -> dict[str, Any]:
    data, checksum = _read(folder / "manifest.json"), _read(folder / "manifest.sha256")
    if checksum != f"{hashlib.sha256(data).hexdigest()}  manifest.json\n".encode():
        raise DamagedIndexError(f"{folder / 'manifest.json'} is not what was written. Run: b12qa build")
    try:
        manifest: dict[str, Any] = json.loads(data)
        if manifest["inputs"]["format"] != FORMAT_VERSION:
            raise StaleIndexError(
                f"{folder} has format {manifest['inputs']['format']}; this b12qa reads {FORMAT_VERSION}. "
                "Run: b12qa build"
            )
        if not manifest["generation"] == name == generation_name(manifest["inputs"]):
            raise DamagedIndexError(
                f"{folder} holds the manifest of the generation {manifest['generation']}. Run: b12qa build"
            )
        if any("/" in file or "\\" in file or file.startswith(".") for file in manifest["files"]):
            raise DamagedIndexError(f"{folder / 'manifest.json'} names files elsewhere. Run: b12qa build")
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedIndexError(
            f"{folder / 'manifest.json'} is not a manifest: {error!r}. Run: b12qa build"
        ) from error
    return manifest


def _verified_bytes(path: Path, facts: Mapping[str, Any]) -> bytes:
    data = _read(path)
    if len(data) != facts["bytes"] or hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise DamagedIndexError(f"{path} is damaged: it is not what was written. Run: b12qa build")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedIndexError(f"{path} cannot be read ({error.strerror}). Run: b12qa build") from error


def _report(index: Index, problems: tuple[Problem, ...], embedded: int) -> BuildReport:
    return BuildReport(
        generation=index.generation,
        documents=len(index.documents),
        sections=sum(len(document.sections) for document in index.documents),
        chunks=len(index.chunks),
        sentences=len(index.sentences),
        questions=len(index.questions),
        open_questions=len(index.open_questions),
        problems=problems,
        embedded=embedded,
    )


# Writing so that no reader ever sees half of it.


def _sound_generation(index_dir: Path, name: str) -> Index | None:
    """The generation if it is there and whole: the same inputs need no second build."""
    if not (index_dir / name).is_dir():
        return None
    try:
        return _read_generation(index_dir / name, name)
    except (DamagedIndexError, StaleIndexError):
        return None


@contextmanager
def _unfinished_folder(index_dir: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=index_dir))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_unfinished(index_dir: Path) -> None:
    for path in index_dir.glob(f"{_UNFINISHED}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """Write a file to the disk itself; a full disk must not pass unnoticed."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_current(index_dir: Path, name: str) -> None:
    """Let CURRENT name a generation; if that cannot be made to last, it names the one before."""
    current = index_dir / "CURRENT"
    before = current.read_bytes() if current.exists() else None
    _replace(current, f"{name}\n".encode())
    try:
        _sync_folder(index_dir)
    except OSError:
        if before is None:
            current.unlink()
        else:
            _replace(current, before)
        raise


def _replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another in one step."""
    handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power loss, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
