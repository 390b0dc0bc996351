"""A corpus → a new generation, made current; and the way back.

A build embeds only what no earlier generation holds, writes beside the others, reads back what it
wrote, and lets CURRENT name it by one rename. `index.py` describes what is written, and reads it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from b12qa.bank import BankModel, fit
from b12qa.changes import SectionChanges, section_changes
from b12qa.chunking import Chunks, chunk_documents, embedded_text
from b12qa.corpus import Corpus, Problem, check_unchanged
from b12qa.embedding import Encoder, FloatMatrix, check_embeddings
from b12qa.errors import DamagedIndexError, MissingIndexError, StaleIndexError
from b12qa.index import (
    CURRENT,
    DIGEST_BYTES,
    LEXICAL_FILES,
    NOTES_FILE,
    PREVIOUS,
    ROLLED_BACK,
    VECTOR_FILES,
    Index,
    array_header,
    bank_file,
    flat_header,
    generation_inputs,
    generation_name,
    has_notes,
    is_generation,
    json_bytes,
    named_in,
    postings_bytes,
    read_generation,
    text_file,
)
from b12qa.lexical import LexicalIndex, Vocabulary, Words
from b12qa.markdown import plain_text
from b12qa.notes import Notes, check_notes, read_notes, sentence_digest
from b12qa.questions import QuestionBank, read_banks, read_synonyms
from b12qa.records import Document, OpenQuestion, Question, Sentence
from b12qa.storage import locked, remove_folder, replace, sync_folder, unfinished_folder, write

if TYPE_CHECKING:
    import faiss

Progress = Callable[[int, int], None]
Digests = Sequence[Sequence[bytes]]  # of the texts of every kind of row, in the order of VECTOR_FILES

TEXTS_AT_ONCE = 256
# Another version may compute other last bits, so its results are not mixed with those of this one.
_LIBRARIES_THAT_COMPUTE = (
    "faiss-cpu",
    "numpy",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


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
    embedded: int  # different texts given to the model; 0 when the generation was there already
    reused: int  # different texts whose vectors an earlier generation held
    compared_with: str | None  # the generation that was current before; None if there was no sound one
    changes: tuple[SectionChanges, ...]  # against that one, in reading order; all sections
    seconds: float


def build_index(
    corpus: Corpus,
    encoder: Encoder,
    index_dir: Path,
    on_progress: Progress = no_progress,
) -> BuildReport:
    """Build the generation for a corpus, make it current, and remove those that nobody needs.

    Args:
        on_progress: called with the number of texts embedded so far, and of all that must be.

    Raises:
        BuildLockedError: another build is writing there.
        CorpusError: a question bank, a list of synonyms or notes cannot be read, a note is not sound,
            or a file of the corpus was edited during the build.
        ModelError: the model gave unusable vectors.
        DamagedIndexError: what was written could not be read back (a full disk, say).
        OSError: the folder cannot be written. In every case the old generation stays current.
    """
    started = time.perf_counter()
    with locked(index_dir):
        before, built, problems, embedded = _prepared(corpus, encoder, index_dir, on_progress)
        check_notes(read_notes(corpus, built.sentences))  # `prepare_index` may have built it before
        name = built.generation
        _make_current(index_dir, name, before)
        _remove_others(index_dir, name)
    return BuildReport(
        generation=name,
        documents=len(built.documents),
        sections=sum(len(document.sections) for document in built.documents),
        chunks=len(built.chunks),
        sentences=len(built.sentences),
        questions=len(built.questions),
        open_questions=len(built.open_questions),
        problems=problems,
        embedded=embedded,
        reused=len(set().union(*_digests_of(built))) - embedded,
        compared_with=before.generation if before else None,
        changes=section_changes(
            before.documents if before else (),
            before.chunks if before else (),
            built.documents,
            built.chunks,
        ),
        seconds=time.perf_counter() - started,
    )


def prepare_index(
    corpus: Corpus, encoder: Encoder, index_dir: Path, on_progress: Progress = no_progress
) -> Index:
    """Build the generation for a corpus beside the current one, which stays current.

    A build of the same corpus finds it there; a build of another one removes it. Notes that are not sound
    are left out here, so that an edit can be looked at before they are mended. Arguments and errors as in
    `build_index`.
    """
    with locked(index_dir):
        _, built, _, _ = _prepared(corpus, encoder, index_dir, on_progress)
    return built


def _prepared(
    corpus: Corpus, encoder: Encoder, index_dir: Path, on_progress: Progress
) -> tuple[Index | None, Index, tuple[Problem, ...], int]:
    """Find or compute the generation for a corpus.

    Returns:
        The current generation if it is sound, the one for the corpus, what is wrong with the banks, and
        how many texts were embedded.
    """
    inputs = generation_inputs(corpus, encoder)
    name = generation_name(inputs)
    before = _sound_generation(index_dir, named_in(index_dir / CURRENT))
    built = before if before and before.generation == name else _sound_generation(index_dir, name)
    if built:
        check_unchanged(corpus)
        return before, built, read_banks(corpus, built.sentences).problems, 0
    previous = _sound_generation(index_dir, named_in(index_dir / PREVIOUS))
    earlier = _Earlier([index for index in (before, previous) if index], inputs)
    built, problems, embedded = _new_generation(corpus, encoder, index_dir, inputs, earlier, on_progress)
    return before, built, problems, embedded


def roll_back(index_dir: Path) -> Index:
    """Make the generation before the current one current again, after verifying it.

    It stays current, though older than the corpus, until the next build.

    Raises:
        BuildLockedError: a build is writing there.
        MissingIndexError: there is no earlier generation.
        DamagedIndexError, StaleIndexError: the earlier generation must not be served.
        OSError: the folder cannot be written. In every case the current generation stays current.
    """
    with locked(index_dir):
        name = named_in(index_dir / PREVIOUS)
        if name is None or name == named_in(index_dir / CURRENT):
            raise MissingIndexError(
                f"{index_dir} holds no generation before the current one. "
                "Mend the corpus, then run: b12qa build"
            )
        earlier = read_generation(index_dir / name, name, rolled_back=True)
        # ROLLED-BACK says nothing unless CURRENT names the same, so one rename decides.
        _let_name(index_dir, {ROLLED_BACK: name, CURRENT: name})
    return earlier


# What is taken from earlier generations.


class _Earlier:
    """What earlier generations hold that a new one would compute again, bit for bit."""

    def __init__(self, generations: Sequence[Index], inputs: Mapping[str, Any]) -> None:
        alike = [
            index
            for index in generations
            if index.inputs["model"] == inputs["model"] and index.made_with == _made_with()
        ]
        self.vectors: dict[bytes, FloatMatrix] = {}  # by digest of the text
        self.bank_models: dict[bytes, BankModel] = {}  # by fingerprint of the bank's rows
        for index in alike:
            digests = _digests_of(index)
            for kind, vectors in zip(digests, _vectors_of(index), strict=True):
                self.vectors.update(zip(kind, vectors, strict=True))
            if index.inputs["settings"] == inputs["settings"]:
                for rows in _bank_rows(index.sentences, index.questions, index.open_questions):
                    self.bank_models[rows.fingerprint(digests)] = index.bank_models[rows.document]


@dataclass(frozen=True, slots=True)
class _BankRows:
    """The rows of one document that its bank's regression is fitted to."""

    document: int
    sentences: Sequence[int]
    questions: Sequence[int]
    question_sentences: Sequence[int]  # for each question, its sentence among those of the document
    open_questions: Sequence[int]

    def fingerprint(self, digests: Digests) -> bytes:
        """Equal for two banks that teach the same."""
        _, *kinds = digests
        rows = zip((self.sentences, self.questions, self.open_questions), kinds, strict=True)
        read = [[kind[row].hex() for row in some] for some, kind in rows]
        return hashlib.sha256(json_bytes([read, self.question_sentences])).digest()


def _bank_rows(
    sentences: Sequence[Sentence], questions: Sequence[Question], open_questions: Sequence[OpenQuestion]
) -> Iterator[_BankRows]:
    """The rows of every document that has a bank with answered questions."""
    own, answered, left_open = (defaultdict[int, list[int]](list) for _ in range(3))
    for row, sentence in enumerate(sentences):
        own[sentence.document].append(row)
    for row, question in enumerate(questions):
        answered[sentences[question.sentence].document].append(row)
    for row, open_question in enumerate(open_questions):
        left_open[open_question.document].append(row)
    for number, rows in sorted(answered.items()):
        within = [questions[row].sentence - own[number][0] for row in rows]
        yield _BankRows(number, own[number], rows, within, left_open[number])


def _digests_of(index: Index) -> Digests:
    """The digests of the texts of every kind of row, in the order of VECTOR_FILES."""
    data, kinds, start = index.text_digests, [], 0
    for vectors in _flat_indexes(index):
        end = start + DIGEST_BYTES * vectors.ntotal
        kinds.append([data[i : i + DIGEST_BYTES] for i in range(start, end, DIGEST_BYTES)])
        start = end
    return kinds


def _vectors_of(index: Index) -> list[FloatMatrix]:
    return [
        vectors.reconstruct_n(0, vectors.ntotal)
        if vectors.ntotal
        else np.zeros((0, vectors.d), dtype=np.float32)
        for vectors in _flat_indexes(index)
    ]


def _flat_indexes(index: Index) -> list[faiss.IndexFlatIP]:
    return [
        index.chunk_vectors,
        index.sentence_vectors,
        index.question_vectors,
        index.open_question_vectors,
    ]


def _made_with() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES_THAT_COMPUTE}


# What is computed.


def _new_generation(
    corpus: Corpus,
    encoder: Encoder,
    index_dir: Path,
    inputs: Mapping[str, Any],
    earlier: _Earlier,
    on_progress: Progress,
) -> tuple[Index, tuple[Problem, ...], int]:
    """Compute a generation and write it.

    Returns:
        The generation as read back, what is wrong with the banks, and how many texts were embedded.
    """
    rows = chunk_documents(corpus.documents, encoder.count_tokens, encoder.max_tokens)
    bank = read_banks(corpus, rows.sentences)
    synonyms = read_synonyms(corpus)
    notes = read_notes(corpus, rows.sentences)
    texts = [
        list(_chunk_texts(corpus.documents, rows, encoder)),
        list(_sentence_texts(corpus.documents, rows)),
        [question.text for question in bank.answered],
        [question.text for question in bank.open],
    ]
    digests = [[hashlib.sha256(text.encode("utf-8")).digest() for text in kind] for kind in texts]
    read = {
        digest: text for kind in zip(digests, texts, strict=True) for digest, text in zip(*kind, strict=True)
    }
    new = {digest: text for digest, text in read.items() if digest not in earlier.vectors}
    known = earlier.vectors | _embed(new, encoder, on_progress)
    vectors = [_matrix([known[digest] for digest in kind], encoder.dimension) for kind in digests]
    models = dict(_fit_banks(rows, bank, digests, vectors, earlier))
    matrices = dict(zip(VECTOR_FILES, vectors, strict=True))
    words = _words(corpus.documents, rows, bank, synonyms)
    lexical = (words.chunks, words.sentences, words.taught, words.questions)
    files = {
        "rows.json": json_bytes(_rows_to_json(corpus.documents, rows, bank, synonyms)),
        "words.json": json_bytes(_words_to_json(words)),
        **{file: postings_bytes(index.postings) for file, index in zip(LEXICAL_FILES, lexical, strict=True)},
        "texts.sha256": b"".join(digest for kind in digests for digest in kind),
        **{file: flat_header(*matrix.shape) + _bytes(matrix) for file, matrix in matrices.items()},
        **{
            bank_file(number): array_header(model.coefficients.shape) + _bytes(model.coefficients)
            for number, model in models.items()
        },
        **(
            {NOTES_FILE: json_bytes(_notes_to_json(corpus.documents, rows, notes))}
            if has_notes(corpus.beside, corpus.documents)
            else {}
        ),
        **{text_file(number): d.text.encode("utf-8") for number, d in enumerate(corpus.documents)},
    }
    manifest = {
        "generation": generation_name(inputs),
        "inputs": inputs,
        "model_name": encoder.name,
        "made_with": _made_with(),
        "counts": {file: len(matrix) for file, matrix in matrices.items()},
        "calibrations": {str(number): model.calibration.to_dict() for number, model in models.items()},
    }
    return _write_generation(index_dir, manifest, files, corpus), bank.problems, len(new)


def _chunk_texts(documents: Sequence[Document], rows: Chunks, encoder: Encoder) -> Iterator[str]:
    for chunk in rows.chunks:
        yield embedded_text(
            documents[chunk.document], chunk, chunk.section, encoder.count_tokens, encoder.max_tokens
        )


def _sentence_texts(documents: Sequence[Document], rows: Chunks) -> Iterator[str]:
    for sentence in rows.sentences:
        document = documents[sentence.document]
        yield plain_text(document.text, sentence.start, sentence.end, document.markup)


def _embed(texts: Mapping[bytes, str], encoder: Encoder, on_progress: Progress) -> dict[bytes, FloatMatrix]:
    """The vectors of some texts, by digest."""
    # Texts of a length go together: the model takes those of equally many tokens at once.
    by_length = sorted(texts, key=lambda digest: len(texts[digest]))
    vectors: dict[bytes, FloatMatrix] = {}
    for start in range(0, len(by_length), TEXTS_AT_ONCE):
        some = by_length[start : start + TEXTS_AT_ONCE]
        embedded = encoder.encode([texts[digest] for digest in some])
        check_embeddings(embedded, len(some), encoder.dimension)
        vectors.update(zip(some, embedded, strict=True))
        on_progress(len(vectors), len(texts))
    return vectors


def _fit_banks(
    rows: Chunks,
    bank: QuestionBank,
    digests: Digests,
    vectors: Sequence[FloatMatrix],
    earlier: _Earlier,
) -> Iterator[tuple[int, BankModel]]:
    """What each document's bank teaches, by position of the document."""
    _, of_sentences, of_questions, of_open_questions = vectors
    for some in _bank_rows(rows.sentences, bank.answered, bank.open):
        known = earlier.bank_models.get(some.fingerprint(digests))
        yield (
            some.document,
            known
            or fit(
                sentence_embeddings=of_sentences[some.sentences],
                question_embeddings=of_questions[some.questions],
                question_sentences=some.question_sentences,
                open_embeddings=of_open_questions[some.open_questions],
                questions=[bank.answered[row].text for row in some.questions],
                open_questions=[bank.open[row].text for row in some.open_questions],
            ),
        )


def _words(
    documents: Sequence[Document], rows: Chunks, bank: QuestionBank, synonyms: Sequence[Sequence[str]]
) -> Words:
    """What the lexical half knows."""
    chunks = [
        plain_text(documents[row.document].text, row.start, row.end, documents[row.document].markup)
        for row in rows.chunks
    ]
    sentences = list(_sentence_texts(documents, rows))
    taught = [[sentence] for sentence in sentences]
    for question in bank.answered:
        taught[question.sentence].append(question.text)
    answered, left_open = ([question.text for question in some] for some in (bank.answered, bank.open))
    whole = (plain_text(d.text, 0, len(d.text), d.markup) for d in documents)
    return Words(
        LexicalIndex(chunks),
        LexicalIndex(sentences),
        LexicalIndex([" ".join(texts) for texts in taught]),
        LexicalIndex(answered + left_open),
        Vocabulary.of(whole, answered, left_open, synonyms),
    )


def _words_to_json(words: Words) -> dict[str, Any]:
    lexical = (words.chunks, words.sentences, words.taught, words.questions)
    return {
        "terms": {file: index.postings.terms for file, index in zip(LEXICAL_FILES, lexical, strict=True)},
        "words": list(words.vocabulary.counts),
        "counts": list(words.vocabulary.counts.values()),
        "document_words": sorted(words.vocabulary.document_words),
        "answered_words": sorted(words.vocabulary.answered_words),
    }


def _matrix(vectors: Sequence[FloatMatrix], dimension: int) -> FloatMatrix:
    return np.array(vectors, dtype=np.float32).reshape(len(vectors), dimension)


def _bytes(matrix: FloatMatrix) -> bytes:
    return np.ascontiguousarray(matrix, dtype="<f4").tobytes()


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


def _notes_to_json(documents: Sequence[Document], rows: Chunks, notes: Notes) -> dict[str, Any]:
    records = []
    for noted in notes.noted:
        record = asdict(noted) | asdict(noted.note)
        for name in ("note", "start", "end"):  # the sentence says where it is
            del record[name]
        sentence = rows.sentences[noted.sentence]
        text = documents[sentence.document].text
        record["sha256"] = sentence_digest(text, sentence.start, sentence.end)
        records.append(record)
    return {"notes": records, "warning_sections": notes.warning_sections}


# What is on the disk.


def _write_generation(
    index_dir: Path, facts: Mapping[str, Any], files: Mapping[str, bytes], corpus: Corpus
) -> Index:
    """Write a generation beside the others and read it back."""
    sizes = {
        file: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for file, data in files.items()
    }
    manifest = json_bytes({**facts, "files": sizes})
    checksum = f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n".encode()
    name = str(facts["generation"])
    with unfinished_folder(index_dir) as folder:
        for file, data in {**files, "manifest.json": manifest, "manifest.sha256": checksum}.items():
            write(folder / file, data)
        sync_folder(folder)
        built = read_generation(folder, name)  # what cannot be read back must not become current
        check_unchanged(corpus)
        if (index_dir / name).exists():  # a damaged one of the same name: _sound_generation refused it
            remove_folder(index_dir / name)
        os.rename(folder, index_dir / name)
    sync_folder(index_dir)
    return built


def _sound_generation(index_dir: Path, name: str | None) -> Index | None:
    """The generation if it is there and whole."""
    if name is None or not (index_dir / name).is_dir():
        return None
    try:
        return read_generation(index_dir / name, name)
    except (DamagedIndexError, StaleIndexError):
        return None


def _make_current(index_dir: Path, name: str, before: Index | None) -> None:
    """Let CURRENT name a generation, and PREVIOUS the sound one that it named before.

    Between the two renames both name the same: a rollback then has nowhere to go, until the next build.
    """
    if named_in(index_dir / ROLLED_BACK) == name:  # it is built from the corpus now, and must stay so
        (index_dir / ROLLED_BACK).unlink()
        sync_folder(index_dir)
    if before and before.generation != name:
        _let_name(index_dir, {PREVIOUS: before.generation, CURRENT: name})
    elif named_in(index_dir / CURRENT) != name:
        _let_name(index_dir, {CURRENT: name})
    with suppress(OSError):  # it says nothing any more
        (index_dir / ROLLED_BACK).unlink(missing_ok=True)


def _let_name(index_dir: Path, names: Mapping[str, str]) -> None:
    """Let files name generations, one after the other; if that cannot be made to last, all as before."""
    before = {file: _content(index_dir / file) for file in names}
    try:
        for file, name in names.items():
            replace(index_dir / file, f"{name}\n".encode())
        sync_folder(index_dir)
    except BaseException:
        for file in reversed(before):
            _restore(index_dir / file, before[file])
        raise


def _restore(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    elif _content(path) != data:
        replace(path, data)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _remove_others(index_dir: Path, name: str) -> None:
    """Remove the generations that are neither current nor the one before.

    Whoever is just opening one of them finds it gone and opens the current one.
    """
    kept = {name, named_in(index_dir / PREVIOUS)}
    for path in index_dir.iterdir():
        if is_generation(path.name) and path.name not in kept:
            with suppress(OSError):  # the next build tries again
                remove_folder(path)
