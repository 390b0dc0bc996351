"""What `b12qa check` looks at: the corpus as an editor left it, the index as the disk kept it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from b12qa.answering import NOT_MENTIONED, reason_for
from b12qa.chunking import TokenCounter, chunk_documents, long_blocks
from b12qa.corpus import (
    Corpus,
    Problem,
    Severity,
    Source,
    Sources,
    check_astray,
    check_source,
    check_titles,
    check_unread,
    make_corpus,
    names_beside,
)
from b12qa.embedding import find_model, token_counter
from b12qa.engines import configured_store
from b12qa.errors import EmptyCorpusError, YamlError
from b12qa.exported import exported_encoder
from b12qa.formats import VECTOR_FILES
from b12qa.index import Index, all_cosines, check_fresh, open_index
from b12qa.lexical import terms, words
from b12qa.markdown import Lines, plain_text_of
from b12qa.notes import read_notes
from b12qa.plain import short
from b12qa.publishing import verify
from b12qa.questions import QuestionBank, bank_file, check_synonyms, read_banks
from b12qa.records import Sentence, whole_question
from b12qa.strict_yaml import compose

NEIGHBOURS = 5
QUESTIONS_AT_ONCE = 512


def check_corpus(sources: Sources, model: str | None = None) -> list[Problem]:
    """Everything an editor should know about the corpus, by file and line."""
    problems: list[Problem] = []
    count_tokens, max_tokens = token_counter(find_model(model))
    for source in sources.files:
        problems += check_document(source, count_tokens, max_tokens)
    problems += check_titles(sources)
    problems += check_astray(sources)
    problems += check_unread(sources)
    problems += empty_files(sources)
    problems += _unreadable_beside_broken(sources)
    whole = [source for source in sources.files if source.document is not None]
    with suppress(EmptyCorpusError):  # a document without text has been reported above
        corpus = make_corpus(replace(sources, files=tuple(whole), astray=()))
        sentences = chunk_documents(corpus.documents, count_tokens, max_tokens).sentences
        problems += _problems_beside(corpus, sentences, is_whole=len(whole) == len(sources.files))
    return problems


def _problems_beside(corpus: Corpus, sentences: Sequence[Sentence], *, is_whole: bool) -> list[Problem]:
    """What is wrong with banks, notes and synonyms; one that cannot be read hides no other.

    Args:
        is_whole: whether all documents could be read. Otherwise the words of a group may stand in another.
    """
    unreadable: list[Problem] = []

    def note(error: YamlError) -> None:
        unreadable.append(_unreadable(error))

    banks = read_banks(corpus, sentences, note)
    notes = read_notes(corpus, sentences, note)
    synonyms = list(check_synonyms(corpus, note))
    return [
        *unreadable,
        *banks.problems,
        *untrue_reasons(corpus, sentences, banks),
        *notes.problems,
        *(synonyms if is_whole else ()),
    ]


def _unreadable_beside_broken(sources: Sources) -> Iterator[Problem]:
    """Files that are no YAML, beside documents that cannot be read; more is not known of what they hold."""
    for source in sources.files:
        for file in names_beside(Path(source.file).stem) if source.document is None else ():
            try:
                compose(sources.beside.get(file, b""), file)
            except YamlError as error:
                yield _unreadable(error)


def _unreadable(error: YamlError) -> Problem:
    return Problem(Severity.ERROR, error.file, error.line, f"{error.found}. {error.remedy}")


def check_document(source: Source, count_tokens: TokenCounter, max_tokens: int) -> list[Problem]:
    """Everything an editor should know about one document, in order of lines.

    Args:
        count_tokens, max_tokens: as in `chunk_documents`.
    """
    found = check_source(source)
    if source.document is not None:
        lines = Lines(source.document.text)
        for block, tokens in long_blocks(source.document, count_tokens, max_tokens):
            line = lines.number_at(block.start)
            message = f"block of {tokens} tokens, more than the {max_tokens} the model reads: it is split"
            found.append(Problem(Severity.WARNING, source.file, line, message))
    return sorted(found, key=lambda problem: (problem.line, problem.message))


def empty_files(sources: Sources) -> Iterator[Problem]:
    """Files beside a document that hold nothing: written to be filled, or emptied by a slip."""
    for file, data in sorted(sources.beside.items()):
        lines = data.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
        if not any(line.strip() and not line.lstrip().startswith("#") for line in lines):
            message = "holds nothing but blanks and comments: write what belongs there, or take the file away"
            yield Problem(Severity.WARNING, file, 1, message)


def untrue_reasons(corpus: Corpus, sentences: Sequence[Sentence], banks: QuestionBank) -> Iterator[Problem]:
    """Reasons such as "does not mention snails" where snails are mentioned: no reader is given them.

    More reasons than these are not given, since documents hold each of their words somewhere: "does not
    mention mouth ulcers" may be true all the same. What another document mentions counts if it speaks of
    more of the question: drops of oil on a chain are not those of a vitamin.
    """
    known = frozenset(term for document in corpus.documents for term in terms(document.text))
    lines_of = cache(lambda number: Lines(corpus.documents[number].text))
    texts = [plain_text_of(corpus.documents[each.document], each) for each in sentences]
    plain = list(map(_plainly, texts))
    for question, line in zip(banks.open, banks.open_lines, strict=True):
        asked = {*terms(question.text), *terms(question.reason)}
        if not question.reason.startswith(NOT_MENTIONED) or reason_for(asked, [(question, 1.0)], known):
            continue
        denied = question.reason.removeprefix(NOT_MENTIONED).strip()
        rows = [row for row, text in enumerate(plain) if denied and _plainly(denied) in text]
        beyond = {*terms(question.text)}.difference(terms(denied))
        own = (row for row in rows if sentences[row].document == question.document)
        of_others = (row for row in rows if beyond.intersection(terms(texts[row])))
        where = next(chain(own, of_others), None)
        if where is not None:
            found = sentences[where]
            there = lines_of(found.document).number_at(found.start)
            name, home = (corpus.documents[each.document].name for each in (found, question))
            to = "there" if name == home else f"to {bank_file(name)}"
            message = (
                f"the reason {question.reason!r} is not given to readers, since the words stand in "
                f"line {there} of {name}.md; if that answers {short(question.text)!r}, move the question {to}"
            )
            yield Problem(Severity.WARNING, bank_file(home), line, message)


def _plainly(text: str) -> str:
    """Words one after the other, without what makes them several."""
    return f" {' '.join(word.removesuffix('s') for word in words(text))} "


def stray_questions(index: Index) -> Iterator[tuple[str, str]]:
    """Questions of the banks that lead elsewhere when they are left out themselves.

    A question strays if none of its nearest neighbours among the other questions and the sentences
    belongs to its own passage.

    Yields:
        The question, and the nearest other question or sentence.
    """
    if not index.questions:
        return
    texts = [whole_question(question) for question in index.questions]
    of_question = np.array([index.sentences[question.sentence].chunk for question in index.questions])
    of_sentence = np.array([sentence.chunk for sentence in index.sentences])
    chunks = np.concatenate([of_question, of_sentence])
    embeddings = index.question_vectors.reconstruct_n(0, len(texts))
    for first in range(0, len(texts), QUESTIONS_AT_ONCE):
        some = embeddings[first : first + QUESTIONS_AT_ONCE]
        parts = (all_cosines(index.question_vectors, some), all_cosines(index.sentence_vectors, some))
        cosines = np.concatenate(parts, axis=1)
        own = np.arange(first, first + len(some))
        cosines[np.arange(len(some)), own] = -1
        nearest = np.argsort(-cosines, axis=1)[:, :NEIGHBOURS]
        for row in np.flatnonzero((chunks[nearest] != of_question[own][:, np.newaxis]).all(axis=1)):
            yield texts[first + row], _text_of(index, int(nearest[row, 0]))


def _text_of(index: Index, anchor: int) -> str:
    if anchor < len(index.questions):
        return whole_question(index.questions[anchor])
    return index.plain_text(index.sentences[anchor - len(index.questions)])


def check_index(index_dir: Path, corpus: Corpus, model: str | None = None) -> Index:
    """Verify every byte of the index, and that it was built from what is at hand.

    Where an engine keeps the vectors, it is compared with the folder, if that has them as well.

    Raises:
        MissingIndexError, StaleIndexError, ModelMismatchError, DamagedIndexError, ModelError, EngineError
    """
    store = configured_store()
    opened = open_index(index_dir, store)
    if store is not None and (index_dir / opened.generation / VECTOR_FILES[0]).exists():
        opened = open_index(index_dir)
        verify(opened, store)
    check_fresh(opened, corpus, find_model(model))
    exported_encoder(index_dir, opened.model_fingerprint, model)
    return opened
