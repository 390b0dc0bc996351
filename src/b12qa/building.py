"""A corpus → a new generation, made current; and the way back.

A build embeds only what no earlier generation holds, writes beside the others, reads back what it
wrote, and lets CURRENT name it by one rename. `index.py` describes what is written, and reads it.
"""

from __future__ import annotations

import gc
import hashlib
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from b12qa.bank import BankModel, BankRows, bank_rows, fit
from b12qa.changes import SectionChanges, section_changes
from b12qa.chunking import Chunks, chunk_documents, embedded_text
from b12qa.corpus import Corpus, Problem, check_unchanged
from b12qa.embedding import Encoder, check_embeddings, encode_batches
from b12qa.errors import DamagedIndexError, StaleIndexError
from b12qa.finished import KnownVectors
from b12qa.formats import (
    DIGEST_BYTES,
    DIGESTS_FILE,
    VECTOR_FILES,
    bank_files,
    map_vectors,
    row_files,
    vectors_file,
    word_files,
)
from b12qa.generations import (
    CURRENT,
    PREVIOUS,
    make_current,
    make_current_again,
    named_in,
    previous_generation,
    remove_others,
)
from b12qa.index import Index, generation_inputs, generation_name, read_generation
from b12qa.lexical import LexicalIndex, LexicalIndexes, Vocabulary
from b12qa.markdown import plain_text, plain_text_of
from b12qa.nearest import AUTO, type_for
from b12qa.notes import Notes, check_notes, read_notes
from b12qa.progress import Progress, no_progress
from b12qa.questions import QuestionBank, check_banks, read_banks, read_synonyms
from b12qa.records import Chunk, Document, OpenQuestion, Question, Sentence, whole_question
from b12qa.sealed import json_bytes, seal
from b12qa.shortcuts import make_shortcuts
from b12qa.storage import HashedFolder, locked, remove_folder, sync_folder, unfinished_folder

Publish = Callable[[Index], None]
Digests = Sequence[Sequence[bytes]]  # of the texts of every kind of row, in the order of VECTOR_FILES

TEXTS_AT_ONCE = 256
TEXTS_IN_MEMORY = 8192
ROWS_AT_ONCE = 4096
# So many objects are made before garbage is looked for, and again among those that have lived longer.
SELDOM = (100_000, 20, 20)
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


def keep_in_folder(built: Index) -> None:
    """Send it nowhere."""


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
    notes: int  # of editors
    notes_before: int  # in the generation that was current before
    without_bank: int  # documents of which no bank knows a question that they answer
    problems: tuple[Problem, ...]  # what is wrong with banks and notes
    embedded: int  # different texts given to the model; 0 when the generation was there already
    reused: int  # different texts whose vectors an earlier generation held
    compared_with: str | None  # the generation that was current before; None if there was no sound one
    edited: frozenset[str]  # files of the corpus that differ from that one; all, if there was none
    changes: tuple[SectionChanges, ...]  # against that one, in reading order; all sections
    seconds: float


def build_index(
    corpus: Corpus,
    encoder: Encoder,
    index_dir: Path,
    on_progress: Progress = no_progress,
    index_type: str = AUTO,
    publish: Publish = keep_in_folder,
) -> BuildReport:
    """Build the generation for a corpus, make it current, and remove those that nobody needs.

    Args:
        on_progress: called with the number of texts embedded so far, and of all that must be.
        index_type: how near rows are found, one of `nearest.INDEX_TYPES`; "auto" goes by their number.
        publish: called with the generation before it becomes current, which it does not if this fails.

    Raises:
        BuildLockedError: another build is writing there.
        IndexTypeError: there is no such type, or there are too few passages for it.
        CorpusError: a question bank, a list of synonyms or notes cannot be read, a note is not sound, a
            question is answered and left open, or a file of the corpus was edited during the build.
        ModelError: the model gave unusable vectors.
        DamagedIndexError: what was written could not be read back (a full disk, say).
        OSError: the folder cannot be written. In every case the old generation stays current.
    """
    started = time.perf_counter()
    with locked(index_dir), _COLLECTOR.seldom():
        before, built, problems, embedded = _prepared(
            corpus, encoder, index_dir, on_progress, index_type, refuses=True
        )
        name = built.generation
        publish(built)
        make_current(index_dir, name, before.generation if before else None)
        remove_others(index_dir, name)
    return BuildReport(
        generation=name,
        documents=len(built.documents),
        sections=sum(len(document.sections) for document in built.documents),
        chunks=len(built.chunks),
        sentences=len(built.sentences),
        questions=len(built.questions),
        open_questions=len(built.open_questions),
        notes=len(built.notes),
        notes_before=len(before.notes) if before else 0,
        without_bank=len(built.documents) - len(built.bank_models),
        problems=problems,
        embedded=embedded,
        reused=len(set().union(*_digests_of(built))) - embedded,
        compared_with=before.generation if before else None,
        edited=_edited(corpus, before),
        changes=section_changes(
            before.documents if before else (),
            before.chunks if before else (),
            built.documents,
            built.chunks,
        ),
        seconds=time.perf_counter() - started,
    )


def _edited(corpus: Corpus, before: Index | None) -> frozenset[str]:
    known = before.inputs["corpus"] if before else {}
    return frozenset(file for file, digest in corpus.hashes().items() if known.get(file) != digest)


def prepare_index(
    corpus: Corpus, encoder: Encoder, index_dir: Path, on_progress: Progress = no_progress
) -> Index:
    """Build the generation for a corpus beside the current one, which stays current.

    A build of the same corpus finds it there; a build of another one removes it. Notes that are not sound
    are left out here, and a question that is answered and left open is answered, so that an edit can be
    looked at before they are mended. Arguments and errors as in `build_index`.
    """
    with locked(index_dir), _COLLECTOR.seldom():
        _, built, _, _ = _prepared(corpus, encoder, index_dir, on_progress)
    return built


def _prepared(
    corpus: Corpus,
    encoder: Encoder,
    index_dir: Path,
    on_progress: Progress,
    index_type: str = AUTO,
    *,
    refuses: bool = False,
) -> tuple[Index | None, Index, tuple[Problem, ...], int]:
    """Find or compute the generation for a corpus.

    Args:
        refuses: whether errors in banks and notes are refused, before anything is embedded.

    Returns:
        The current generation if it is sound, the one for the corpus, what is wrong with banks and notes,
        and how many texts were embedded.
    """
    type_for(0, index_type)  # refuses an unknown one before anything is done
    inputs = generation_inputs(corpus, encoder, index_type)
    name = generation_name(inputs)
    before = _sound_generation(index_dir, named_in(index_dir / CURRENT))
    built = before if before and before.generation == name else _sound_generation(index_dir, name)
    if built:
        check_unchanged(corpus)
        bank, notes = _beside(corpus, built.sentences, refuses=refuses)
        return before, built, (*bank.problems, *notes.problems), 0
    previous = _sound_generation(index_dir, named_in(index_dir / PREVIOUS))
    known = KnownVectors(index_dir, {"model": inputs["model"], **versions_that_compute()}, encoder.dimension)
    earlier = _Earlier([index for index in (before, previous) if index], inputs, known)
    built, problems, embedded = _new_generation(
        corpus, encoder, index_dir, inputs, earlier, on_progress, refuses=refuses
    )
    known.forget_parts()
    return before, built, problems, embedded


def _beside(corpus: Corpus, sentences: Sequence[Sentence], *, refuses: bool) -> tuple[QuestionBank, Notes]:
    """What editors keep beside the documents. Argument as in `_prepared`."""
    bank, notes = read_banks(corpus, sentences), read_notes(corpus, sentences)
    if refuses:
        check_banks(bank)
        check_notes(notes)
    return bank, notes


def roll_back(index_dir: Path, publish: Publish = keep_in_folder) -> Index:
    """Make the generation before the current one current again, after verifying it.

    It stays current, though older than the corpus, until the next build. `publish` as in `build_index`.

    Raises:
        BuildLockedError: a build is writing there.
        MissingIndexError: there is no earlier generation.
        DamagedIndexError, StaleIndexError: the earlier generation must not be served.
        OSError: the folder cannot be written. In every case the current generation stays current.
    """
    with locked(index_dir):
        name = previous_generation(index_dir)
        earlier = read_generation(index_dir / name, name, rolled_back=True)
        publish(earlier)
        make_current_again(index_dir, name)
    return earlier


class _Collector:
    """Lets Python look for garbage seldom for a while, and leaves the setting of the process as it was.

    Millions of records are made and none is garbage; looking through them took a third of a build.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._before = gc.get_threshold()

    @contextmanager
    def seldom(self) -> Iterator[None]:
        """For any number of callers at once, until the last of them is done."""
        with self._lock:
            if not self._callers:
                self._before = gc.get_threshold()
                gc.set_threshold(*SELDOM)
            self._callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1
                if not self._callers:
                    gc.set_threshold(*self._before)


_COLLECTOR = _Collector()


# What is taken from earlier generations.


class _Cut(NamedTuple):
    """The rows of one document as if it were the only one, and the digests of their texts."""

    chunks: Sequence[Chunk]
    sentences: Sequence[Sentence]
    chunk_digests: Sequence[bytes]
    sentence_digests: Sequence[bytes]


class _Earlier:
    """What earlier generations hold that a new one would compute again, bit for bit."""

    def __init__(self, generations: Sequence[Index], inputs: Mapping[str, Any], known: KnownVectors) -> None:
        self.known = known
        self.bank_models: dict[bytes, BankModel] = {}  # by fingerprint of the bank's rows
        self.cuts: dict[tuple[str, str], _Cut] = {}  # by name and hash of a document
        for index in generations:
            if index.inputs["model"] != inputs["model"] or index.made_with != versions_that_compute():
                continue
            digests = _digests_of(index)
            for kind, vectors in zip(digests, index.vectors, strict=True):
                known.take(kind, vectors)
            if any(index.inputs[part] != inputs[part] for part in ("settings", "libraries")):
                continue
            for lesson in _lessons(index.sentences, index.questions, index.open_questions):
                self.bank_models[lesson.fingerprint(digests)] = index.bank_models[lesson.rows.document]
            self.cuts |= {
                (document.name, document.sha256): cut
                for document, cut in zip(index.documents, _cuts_of(index, digests), strict=True)
            }


def _cuts_of(index: Index, digests: Digests) -> Iterator[_Cut]:
    """The rows of each document of a generation."""
    chunk = sentence = 0
    of_chunks = Counter(row.document for row in index.chunks)
    of_sentences = Counter(row.document for row in index.sentences)
    for number in range(len(index.documents)):
        chunks = slice(chunk, chunk + of_chunks[number])
        sentences = slice(sentence, sentence + of_sentences[number])
        yield _Cut(
            [_moved_chunk(row, 0) for row in index.chunks[chunks]],
            [_moved_sentence(row, 0, -chunk) for row in index.sentences[sentences]],
            digests[0][chunks],
            digests[1][sentences],
        )
        chunk, sentence = chunks.stop, sentences.stop


def _moved_chunk(row: Chunk, document: int) -> Chunk:
    return Chunk(document, row.start, row.end, row.kind, row.section, row.context)


def _moved_sentence(row: Sentence, document: int, chunks: int) -> Sentence:
    return Sentence(document, row.start, row.end, row.chunk + chunks, row.continues)


class _Lesson(NamedTuple):
    """What one document's bank is learnt from, beside embeddings."""

    rows: BankRows
    question_sentences: Sequence[int]  # for each question, its sentence among those of the document
    question_texts: Sequence[str]  # without those that they hang on: their words are learnt from
    open_texts: Sequence[str]

    def fingerprint(self, digests: Digests) -> bytes:
        """Equal for two that teach the same."""
        _, *kinds = digests
        rows = zip((self.rows.sentences, self.rows.questions, self.rows.open_questions), kinds, strict=True)
        read = [[kind[row].hex() for row in some] for some, kind in rows]
        texts = (self.question_texts, self.open_texts)
        return hashlib.sha256(json_bytes([read, self.question_sentences, *texts])).digest()


def _lessons(
    sentences: Sequence[Sentence], questions: Sequence[Question], open_questions: Sequence[OpenQuestion]
) -> Iterator[_Lesson]:
    for rows in bank_rows(sentences, questions, open_questions):
        yield _Lesson(
            rows,
            [questions[row].sentence - rows.sentences[0] for row in rows.questions],
            [questions[row].text for row in rows.questions],
            [open_questions[row].text for row in rows.open_questions],
        )


def _digests_of(index: Index) -> Digests:
    """The digests of the texts of every kind of row, in the order of VECTOR_FILES."""
    data, kinds, start = index.text_digests, [], 0
    for vectors in index.vectors:
        end = start + DIGEST_BYTES * vectors.ntotal
        kinds.append([data[i : i + DIGEST_BYTES] for i in range(start, end, DIGEST_BYTES)])
        start = end
    return kinds


def versions_that_compute() -> dict[str, str]:
    """Of the libraries whose results are not mixed with those of another version."""
    return {name: version(name) for name in _LIBRARIES_THAT_COMPUTE}


# What is computed.


def _new_generation(
    corpus: Corpus,
    encoder: Encoder,
    index_dir: Path,
    inputs: Mapping[str, Any],
    earlier: _Earlier,
    on_progress: Progress,
    *,
    refuses: bool,
) -> tuple[Index, tuple[Problem, ...], int]:
    """Compute a generation and write it.

    Args:
        refuses: as in `_prepared`.

    Returns:
        The generation as read back, what is wrong with banks and notes, and how many texts were embedded.
    """
    documents = corpus.documents
    cuts = [earlier.cuts.get((d.name, d.sha256)) or _cut(d, encoder) for d in documents]
    rows = _joined(cuts)
    bank, notes = _beside(corpus, rows.sentences, refuses=refuses)
    synonyms = read_synonyms(corpus)
    texts = _RowTexts(documents, rows, bank, encoder)
    digests = _row_digests(cuts, bank)
    known = earlier.known
    new = {
        digest: (kind, row)
        for kind, of_kind in enumerate(digests)
        for row, digest in enumerate(of_kind)
        if digest not in known
    }
    _embed(new, texts, encoder, known, on_progress)
    models = dict(_fit_banks(rows, bank, digests, earlier))
    counts = {file: len(kind) for file, kind in zip(VECTOR_FILES, digests, strict=True)}
    files: dict[str, bytes | Iterable[bytes]] = {
        **row_files(documents, rows, bank, synonyms, notes, corpus.beside),
        **word_files(texts.words(synonyms)),
        DIGESTS_FILE: b"".join(digest for kind in digests for digest in kind),
        **{
            file: vectors_file(len(kind), encoder.dimension, map(known.matrix, _batches(kind, ROWS_AT_ONCE)))
            for file, kind in zip(VECTOR_FILES, digests, strict=True)
        },
        **bank_files(models),
    }
    manifest = {
        "generation": generation_name(inputs),
        "inputs": inputs,
        "model_name": encoder.name,
        "made_with": versions_that_compute(),
        "counts": counts,
        "calibrations": {str(number): model.calibration.to_dict() for number, model in models.items()},
    }

    def shortcuts(folder: HashedFolder) -> dict[str, Any]:
        return make_shortcuts(
            folder,
            inputs["index_type"],
            lambda rows: map_vectors(
                folder.path / f"{rows}.faiss", counts[f"{rows}.faiss"], encoder.dimension
            ),
            np.bincount([sentence.chunk for sentence in rows.sentences], minlength=len(rows.chunks)),
            known.matrix([*digests[2], *digests[3]]),
            weighted=bool(bank.answered),
        )

    built = _write_generation(index_dir, manifest, files, shortcuts, corpus)
    return built, (*bank.problems, *notes.problems), len(new)


def _row_digests(cuts: Sequence[_Cut], bank: QuestionBank) -> Digests:
    """As `_digests_of`, of rows that are in no index yet."""
    return [
        [digest for cut in cuts for digest in cut.chunk_digests],
        [digest for cut in cuts for digest in cut.sentence_digests],
        [_digest(whole_question(question)) for question in bank.answered],
        [_digest(whole_question(question)) for question in bank.open],
    ]


def _cut(document: Document, encoder: Encoder) -> _Cut:
    rows = chunk_documents([document], encoder.count_tokens, encoder.max_tokens)
    return _Cut(
        rows.chunks,
        rows.sentences,
        [_digest(_chunk_text(document, chunk, encoder)) for chunk in rows.chunks],
        [_digest(plain_text_of(document, sentence)) for sentence in rows.sentences],
    )


def _joined(cuts: Sequence[_Cut]) -> Chunks:
    """The rows of all documents, in their order."""
    chunks: list[Chunk] = []
    sentences: list[Sentence] = []
    for number, cut in enumerate(cuts):
        sentences += [_moved_sentence(row, number, len(chunks)) for row in cut.sentences]
        chunks += [_moved_chunk(row, number) for row in cut.chunks]
    return Chunks(tuple(chunks), tuple(sentences))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()


@dataclass(frozen=True, slots=True)
class _RowTexts:
    """The texts of rows, made when they are asked for: all of them need not be in memory."""

    documents: Sequence[Document]
    rows: Chunks
    bank: QuestionBank
    encoder: Encoder

    def read(self, kind: int, row: int) -> str:
        """What the model reads for a row of a kind, in the order of VECTOR_FILES."""
        if kind == 0:
            chunk = self.rows.chunks[row]
            return _chunk_text(self.documents[chunk.document], chunk, self.encoder)
        if kind == 1:
            return self._plain(self.rows.sentences[row])
        return whole_question((self.bank.answered if kind == 2 else self.bank.open)[row])

    def words(self, synonyms: Sequence[Sequence[str]]) -> LexicalIndexes:
        """What the lexical half knows."""
        answered, left_open = ([one.text for one in some] for some in (self.bank.answered, self.bank.open))
        whole = (plain_text(d.text, 0, len(d.text), d.markup) for d in self.documents)
        sentences = LexicalIndex(self._plain(sentence) for sentence in self.rows.sentences)
        return LexicalIndexes(
            LexicalIndex(self._plain(chunk) for chunk in self.rows.chunks),
            sentences,
            LexicalIndex(self._taught()) if answered else sentences,
            LexicalIndex(answered + left_open),
            Vocabulary.of(whole, answered, left_open, synonyms),
        )

    def _taught(self) -> Iterator[str]:
        questions = defaultdict(list)
        for question in self.bank.answered:
            questions[question.sentence].append(question.text)
        for row, sentence in enumerate(self.rows.sentences):
            yield " ".join([self._plain(sentence), *questions[row]])

    def _plain(self, row: Chunk | Sentence) -> str:
        return plain_text_of(self.documents[row.document], row)


def _chunk_text(document: Document, chunk: Chunk, encoder: Encoder) -> str:
    return embedded_text(document, chunk, chunk.section, encoder.count_tokens, encoder.max_tokens)


def _embed(
    new: Mapping[bytes, tuple[int, int]],
    texts: _RowTexts,
    encoder: Encoder,
    known: KnownVectors,
    on_progress: Progress,
) -> None:
    """Embed the texts of some rows, by digest."""
    done = 0
    for some in _batches(list(new), TEXTS_IN_MEMORY):
        read = {digest: texts.read(*new[digest]) for digest in some}
        # Texts of a length go together: the model takes those of equally many tokens at once.
        batches = list(_batches(sorted(some, key=lambda digest: len(read[digest])), TEXTS_AT_ONCE))
        vectors = encode_batches(encoder, ([read[digest] for digest in batch] for batch in batches))
        for batch, embedded in zip(batches, vectors, strict=True):
            known.add(batch, check_embeddings(embedded, len(batch), encoder.dimension))
            done += len(batch)
            on_progress(done, len(new))


def _batches(items: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _fit_banks(
    rows: Chunks,
    bank: QuestionBank,
    digests: Digests,
    earlier: _Earlier,
) -> Iterator[tuple[int, BankModel]]:
    """What each document's bank teaches, by position of the document."""
    _, of_sentences, of_questions, of_open_questions = digests
    vectors = earlier.known.matrix
    for lesson in _lessons(rows.sentences, bank.answered, bank.open):
        own = lesson.rows
        known = earlier.bank_models.get(lesson.fingerprint(digests))
        yield (
            own.document,
            known
            or fit(
                sentence_embeddings=vectors([of_sentences[row] for row in own.sentences]),
                question_embeddings=vectors([of_questions[row] for row in own.questions]),
                question_sentences=lesson.question_sentences,
                open_embeddings=vectors([of_open_questions[row] for row in own.open_questions]),
                questions=lesson.question_texts,
                open_questions=lesson.open_texts,
            ),
        )


# What is on the disk.


def _write_generation(
    index_dir: Path,
    facts: Mapping[str, Any],
    files: Mapping[str, bytes | Iterable[bytes]],
    shortcuts: Callable[[HashedFolder], dict[str, Any]],
    corpus: Corpus,
) -> Index:
    """Write a generation beside the others and read it back."""
    name = str(facts["generation"])
    with unfinished_folder(index_dir) as folder:
        writer = HashedFolder(folder)
        for file, data in files.items():
            writer.write(file, data)
        nearest = shortcuts(writer)
        seal(folder, {**facts, "nearest": nearest}, writer.files)
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
