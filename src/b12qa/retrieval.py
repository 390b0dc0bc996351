"""Query → scored chunks and sentences: `Retriever`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import numpy as np

from b12qa.bank import Signals, bank_rows, lexical_margin, sigmoid
from b12qa.candidates import (
    PartMoments,
    Picked,
    Scope,
    WordHits,
    candidate_scope,
    near_by_shortcuts,
    numbered,
    part_moments,
)
from b12qa.embedding import Encoder, FloatMatrix, load_encoder
from b12qa.errors import QueryError
from b12qa.exported import exported_encoder
from b12qa.folders import DEFAULT_INDEX, index_folder
from b12qa.index import Index, all_cosines, always_compared, check_model, open_index
from b12qa.lexical import STOP_WORDS, IntVector, Moments, Scores, Vocabulary, query_terms, terms
from b12qa.nearest import CANDIDATES
from b12qa.plain import writable
from b12qa.records import (
    OpenQuestion,
    ScoredChunk,
    SearchResults,
    SectionReference,
    Span,
)
from b12qa.shortcuts import Store
from b12qa.vectors import cosines_of

DEFAULT_TOP_K = 5
UBIQUITOUS_SHARE = 0.25
# Of several documents, one with fewer has no words that are everywhere in it.
FEWEST_PASSAGES = 8
# So many open questions are looked at for what is missing.
NEAREST_OPEN = 5
# Of a question that no bank knows anything of, what they teach differs between sentences by chance. It counts
# in full only where so much is taught of one sentence; else it would outshout documents without a bank.
LEAST_TAUGHT = 0.6
# Without a bank: cosine of the best match against "answers", measured without the bank.
COSINE_MIDPOINT = 0.42
COSINE_STEEPNESS = 18.0
# Documents that hold one of so many best sentences are ranked by their own standards.
OWN_STANDARDS_AMONG = 20
# More than the rounding of a score.
CLEARLY_FIRST = np.float32(1e-3)
# What a bank leaves open is asked of its document, and not of one without a bank whose likest text is so much
# less like it, in cosines.
OPEN_ELSEWHERE = 0.2
# Nor of one with a bank, if all that this knows is so much less like it.
OPEN_BESIDE_A_BANK = 0.1
_PHRASE_ENDS = re.compile(r"[^\w\s'’-]+")
# What a finished sentence ends with, in any script.
_ENDS = tuple("?!.\u2026\uff1f\uff01\u3002")


class Reading(NamedTuple):
    """One way to understand a question, and how much it counts."""

    text: str
    weight: float = 1.0  # in the ranking
    trust: float = 1.0  # in the confidence


class Topics(NamedTuple):
    """Which stems tell the topics of some documents apart."""

    ubiquitous: frozenset[str]  # in more than a quarter of the passages: they name no topic among them
    subjects: frozenset[str]  # those of them that a title names: what everything here is about
    known: frozenset[str]  # in any document, or in a question that one answers
    name: str = ""  # of the subject of one of them, in words of its title

    def know(self, text: str) -> bool:
        """Whether any word of a text is one of these documents."""
        return not self.known.isdisjoint(terms(text))


@dataclass(frozen=True, slots=True)
class Ranking:
    """How every sentence scores for a question."""

    scores: Scores  # shape (n_sentences,), standardized; higher is better, minus infinity where not compared
    confidence: float  # that the best sentence's document answers, 0 to 1
    open_questions: tuple[tuple[OpenQuestion, float], ...]  # those nearest to what was asked, with cosines
    beside: Mapping[str, float] = field(default_factory=dict)  # that others of the best documents answer
    read: tuple[tuple[Reading, _Searched], ...] = ()  # what it was made from

    @property
    def best(self) -> int:
        """Row of the best sentence; the first in reading order if several are equal."""
        return int(self.scores.argmax())


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sentence's score is made of, each part standardized over all sentences, and its weight.

    Chosen on the development questions; the ablation in evals/README.md takes each away in turn.
    """

    chunk_cosine: float = 1.0  # of the passage under its headings
    sentence_cosine: float = 1.0
    chunk_words: float = 0.5  # BM25
    sentence_words: float = 0.5
    own_with_bank: float = 0.3  # what the four above count where there is a bank
    taught: float = 1.0  # by the bank's regression
    taught_words: float = 0.5  # BM25 of the sentence together with the questions that it answers
    # Without a bank a passage counts as a whole, and its words more.
    whole_words: float = 0.7  # BM25, in place of `chunk_words`
    likest_sentence: float = 0.5  # the best cosine among its sentences
    joined_without_bank: float = 0.5  # what a reading that carries the topic counts beside the bare question


def as_embedded(text: str, index: Index) -> str:
    """A text that is searched, as it is embedded.

    Many people type no question mark. A model places "how much is in mushrooms" elsewhere than the same
    with a mark, and the questions of a bank, which mostly have one, then teach less of it.
    """
    if not index.bank_models or text.rstrip().endswith(_ENDS):
        return text
    return f"{text}?"


@dataclass(frozen=True)
class Retriever:
    """Finds passages for one bare query. Holds the verified index and the model it was built with."""

    index: Index
    encoder: Encoder
    parts: Parts = Parts()

    @classmethod
    def load(
        cls,
        index_dir: str | Path = DEFAULT_INDEX,
        *,
        model: str | Path | None = None,
        store: Store | None = None,
    ) -> Retriever:
        """Open an index with its model.

        Args:
            index_dir, model: as in `b12qa.answering.Assistant.load`.
            store: what keeps the vectors, if not the folder; see `b12qa.engines.configured_store`.

        Raises:
            MissingIndexError, DamagedIndexError, ModelMismatchError, ModelError, EngineError
            QueryError: index_dir is no path, or a file.
        """
        folder = index_folder(index_dir)
        index = open_index(folder, store)
        exported = exported_encoder(folder, index.model_fingerprint, model)
        encoder = exported or load_encoder(model)
        check_model(index, encoder)
        return cls(index, encoder)

    def search(self, query: str, top_k: int | None = None) -> SearchResults:
        """The passages that fit a query best, best first.

        Small units are found, whole units are shown: a passage scores as its best sentence, and that
        sentence is highlighted.

        Args:
            top_k: passages wanted, from 1; by default five. Where there are fewer, all of them come.

        Raises:
            QueryError: top_k is below 1, or more than `most_passages` of a large index, or no whole number;
                or the query is no text.
        """
        if not isinstance(query, str):
            raise QueryError(f"Expected a text as query, got {type(query).__name__}.")
        return self.results(self.rank([Reading(writable(query))]), top_k)

    def rank(self, readings: Sequence[Reading]) -> Ranking:
        """Score every sentence for a question, read in one or several ways.

        The first reading is the one that says what is missing.
        """
        return self.rank_all([readings])[0]

    def rank_all(self, questions: Sequence[Sequence[Reading]], *, as_typed: bool = False) -> list[Ranking]:
        """`rank` for several questions at once: all their readings are embedded together.

        Args:
            as_typed: search them without bringing them to the spelling of the documents.
        """
        texts = list(dict.fromkeys(reading.text for readings in questions for reading in readings))
        known = dict(zip(texts, self._searched(texts, as_typed), strict=True))
        return [self._rank([(reading, known[reading.text]) for reading in each]) for each in questions]

    def rank_also(self, ranking: Ranking, reading: Reading) -> Ranking:
        """`rank`, with one reading more than a ranking was made from."""
        [searched] = self._searched([reading.text], as_typed=False)
        return self._rank([*ranking.read, (reading, searched)])

    def _searched(self, texts: Sequence[str], as_typed: bool) -> Iterator[_Searched]:
        """Each text as it is searched, its cosines to everything, and what the banks teach of it."""
        searched = list(texts) if as_typed else [self.vocabulary.bring_to(text) for text in texts]
        embeddings = self.encoder.encode([as_embedded(text, self.index) for text in searched])
        stems = [query_terms(text) for text in searched]
        hits = [self._hits(of_text) for of_text in stems]
        scope = self._scope(searched, hits, embeddings)
        chunks, sentences = (
            all_cosines(vectors, embeddings)
            if isinstance(rows, slice)
            else cosines_of(vectors, embeddings, rows)
            for vectors, rows in (
                (self.index.chunk_vectors, scope.chunks),
                (self.index.sentence_vectors, scope.sentences),
            )
        )
        every = _Cosines(
            chunks=chunks,
            sentences=sentences,
            questions=all_cosines(self.index.question_vectors, embeddings),
            open_questions=all_cosines(self.index.open_question_vectors, embeddings),
        )
        for row, (of_text, *of_kinds) in enumerate(zip(stems, *every, strict=True)):
            cosines = _Cosines(*of_kinds)
            taught = {d: self._taught(d, cosines, scope) for d in self.index.bank_models}
            moments = self._moments(hits[row], embeddings[row])
            yield _Searched(of_text, cosines, taught, scope, hits[row], moments)

    def _rank(self, read: Sequence[tuple[Reading, _Searched]]) -> Ranking:
        index = self.index
        searched = [one for _, one in read]
        weights = [reading.weight for reading, _ in read]
        if not index.bank_models:
            weights[1:] = [weight * self.parts.joined_without_bank for weight in weights[1:]]
        scores = np.full(len(index.sentences), -np.inf, dtype=np.float32)
        every = [self._fused(self._evidence(one)) for one in searched]
        fused, rows = _mean(every, weights), searched[0].scope.sentences
        scores[rows] = fused
        near = [index.sentences[int(scores.argmax())].document]
        if index.bank_models and len(index.documents) > 1:
            best = _best(fused, OWN_STANDARDS_AMONG)
            best = best if isinstance(rows, slice) else rows[best]
            asked = self._asked_of(searched[0], near[0])
            near = list(dict.fromkeys([asked, *(index.sentences[row].document for row in best.tolist())]))
            self._rank_by_own_standards(scores, near, searched, weights)
        trust = [reading.trust for reading, _ in read]
        first, *others = near
        return Ranking(
            scores,
            self._mean_confidence(searched, trust, first),
            self._nearest_open(searched[0].cosines),
            {index.documents[each].name: self._mean_confidence(searched, trust, each) for each in others},
            tuple(read),
        )

    def _rank_by_own_standards(
        self,
        scores: Scores,
        documents: Sequence[int],
        searched: Sequence[_Searched],
        weights: Sequence[float],
    ) -> None:
        """Score sentences as they are scored where their document with a bank is the only one.

        Among documents each stands where its best sentence does among the sentences of all.

        Args:
            scores: of all sentences, changed in place.
            documents: to be ranked so; the first comes before all others.
        """
        above_all = scores.max() + CLEARLY_FIRST
        shift = np.float32(0)
        for document in documents:
            if document in self.index.bank_models:
                rows = self._bank_rows[document].sentences
                own = _mean([self._fused(self._evidence_of(one, document)) for one in searched], weights)
                is_first = document == documents[0]
                lift = (above_all if is_first else scores[rows].max()) - own.max()
                scores[rows] = own + lift
                shift = lift if is_first else shift
        scores -= shift

    def _asked_of(self, searched: _Searched, first: int) -> int:
        """The document that a question is asked of: the one that comes first, as a rule.

        It is another one if the bank of that one leaves open what is more like the question than all that the
        first one knows.
        """
        left_open, cosine = next(iter(self._nearest_open(searched.cosines)), (None, 0.0))
        if left_open is None or left_open.document not in self.index.bank_models:
            return first
        if first in self.index.bank_models:
            known = self._likest_of_bank(searched, first) + OPEN_BESIDE_A_BANK
        else:
            known = self._likest_text(searched, first) + OPEN_ELSEWHERE
        return first if cosine < known else left_open.document

    def _mean_confidence(self, searched: Sequence[_Searched], trust: Sequence[float], document: int) -> float:
        """That a document answers, by readings as far as each is trusted."""
        weighed = [(one, weight) for one, weight in zip(searched, trust, strict=True) if weight]
        return sum(weight * self._confidence(one, document) for one, weight in weighed) / sum(trust)

    def results(self, ranking: Ranking, top_k: int | None = None) -> SearchResults:
        """The best passages of a ranking. Arguments and errors as in `search`."""
        best = self._best_rows(ranking, top_k)
        return SearchResults(self._scored(row, ranking, rank) for rank, row in enumerate(best, start=1))

    def following(self, passage: ScoredChunk, ranking: Ranking, top_k: int) -> Iterator[ScoredChunk]:
        """Those of the best passages that follow one in its section, in reading order, cut when asked for.

        Arguments and errors as in `search`.
        """
        document = self.index.position_of(passage.document)
        place = (document, self.index.documents[document].section_at(passage.start))
        found = []
        for rank, row in enumerate(self._best_rows(ranking, top_k), start=1):
            chunk = self.index.chunks[self.index.sentences[row].chunk]
            if (chunk.document, chunk.section) == place and chunk.start > passage.start:
                found.append((chunk.start, row, rank))
        return (self._scored(row, ranking, rank) for _, row, rank in sorted(found))

    def _best_rows(self, ranking: Ranking, top_k: int | None) -> list[int]:
        """The best sentence of each of the best passages, best first."""
        wanted = self.passages_wanted(top_k)
        # A stable sort keeps reading order among equals: the same question always gets the same answer.
        compared = np.flatnonzero(ranking.scores > -np.inf)
        best_first = compared[np.argsort(-ranking.scores[compared], kind="stable")]
        best_sentences: dict[int, int] = {}
        for row in best_first:
            best_sentences.setdefault(self.index.sentences[row].chunk, int(row))
            if len(best_sentences) == wanted:
                break
        return list(best_sentences.values())

    def passages_wanted(self, top_k: int | None) -> int:
        """So many passages come for a `top_k`. Errors as in `search`."""
        if top_k is None:
            top_k = DEFAULT_TOP_K
        if not isinstance(top_k, Integral) or isinstance(top_k, bool):
            raise QueryError(f"Expected a whole number as top_k, got {top_k!r}.")
        top_k = int(top_k)
        if top_k < 1:
            raise QueryError(f"Expected a whole number of at least 1 as top_k, got {top_k}.")
        count, most = len(self.index.chunks), self.most_passages
        if top_k > most and most < count:
            raise QueryError(f"Expected top_k from 1 to {most}, of {count} passages; got {top_k}.")
        return min(top_k, count)

    @property
    def most_passages(self) -> int:
        """So many passages of a ranking can be had: of a large index only candidates are compared."""
        count = len(self.index.chunks)
        return count if self.index.spreads is None else min(count, CANDIDATES)

    def section_of(self, passage: ScoredChunk) -> SectionReference:
        """Where to read on around a passage."""
        document = self.index.document_of(passage.document)
        found = document.sections[document.section_at(passage.start)]
        path = found.path or (document.title,)
        title = document.title if len(self.index.documents) > 1 else ""
        return SectionReference(document.name, path, found.start, found.end, title)

    @cached_property
    def topics(self) -> Topics:
        """Which words can name a topic here."""
        titles = [document.title for document in self.index.documents]
        return Topics(
            ubiquitous=self._ubiquitous_terms,
            subjects=self._ubiquitous_terms.intersection(terms(" ".join(titles))),
            known=self.vocabulary.answered_stems,
        )

    def topics_of(self, document: int) -> Topics:
        """`topics`, with the name of what a document is about, if it has a bank and its title tells."""
        return self.topics._replace(name=self._subject_names.get(document, ""))

    @cached_property
    def _subject_names(self) -> dict[int, str]:
        titles = {number: self.index.documents[number].title for number in self.index.bank_models}
        return {number: _named_in(title, self.topics.subjects) for number, title in titles.items()}

    @cached_property
    def _ubiquitous_terms(self) -> frozenset[str]:
        """Terms in more than a quarter of the passages of a document with a bank, or of all others."""
        postings = self.index.words.chunks.postings
        with_bank = np.array(sorted(self.index.bank_models), dtype=np.int64)
        document_of = np.array([chunk.document for chunk in self.index.chunks], dtype=np.int64)
        groups = np.where(np.isin(document_of, with_bank), 1 + np.searchsorted(with_bank, document_of), 0)
        sizes = np.bincount(groups)
        fewest = 0 if np.count_nonzero(sizes) == 1 else FEWEST_PASSAGES
        group_of = groups[postings.rows]
        of_banks = np.flatnonzero(group_of)
        term_of = np.searchsorted(postings.starts, of_banks, "right") - 1
        held, often = np.unique(term_of * len(sizes) + group_of[of_banks], return_counts=True)
        size = sizes[held % len(sizes)]
        found = [held[(often > size * UBIQUITOUS_SHARE) & (size >= fewest)] // len(sizes)]
        if sizes[0] >= fewest:
            others = np.diff(postings.starts) - np.bincount(term_of, minlength=len(postings.terms))
            found.append(np.flatnonzero(others > sizes[0] * UBIQUITOUS_SHARE))
        return frozenset(postings.terms[term] for term in np.unique(np.concatenate(found)))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the documents and their banks."""
        return self.index.words.vocabulary

    # How a sentence scores.

    def _evidence(self, searched: _Searched) -> _Evidence:
        """What speaks for the sentences of all documents."""
        _, cosines, taught_by, scope, hits, moments = searched
        taught = np.zeros(len(scope.chunk_of), dtype=np.float32)
        for document, (sentence_scores, _) in taught_by.items():
            taught[scope.positions(self._bank_rows[document].sentences)] = sentence_scores
        return _Evidence(
            chunk_of=scope.chunk_of,
            chunk_cosines=cosines.chunks,
            sentence_cosines=cosines.sentences,
            chunk_words=hits.chunks.scores[scope.chunks],
            sentence_words=hits.sentences.scores[scope.sentences],
            taught=taught,
            taught_words=None if hits.taught is None else hits.taught.scores[scope.sentences],
            of_all=moments._replace(taught=self._taught_moments(taught, scope)) if taught_by else moments,
        )

    def _evidence_of(self, searched: _Searched, document: int) -> _Evidence:
        """What speaks for the sentences of a document with a bank, as if there were no others."""
        stems, cosines, taught_by, scope, *_ = searched
        rows, words = self._bank_rows[document], self.index.words
        sentences, chunks = numbered(rows.sentences), numbered(rows.chunks)
        return _Evidence(
            chunk_of=self._chunk_of[rows.sentences] - chunks[0],
            chunk_cosines=cosines.chunks[scope.chunk_positions(rows.chunks)],
            sentence_cosines=cosines.sentences[scope.positions(rows.sentences)],
            chunk_words=words.chunks.scores_among(stems, chunks),
            sentence_words=words.sentences.scores_among(stems, sentences),
            taught=taught_by[document][0],
            taught_words=words.taught.scores_among(stems, sentences),
        )

    def _fused(self, evidence: _Evidence) -> Scores:
        """Dense and lexical scores of every sentence, and what the bank teaches of it."""
        if evidence.taught_words is None:
            return self._fused_without_bank(evidence)
        parts, chunk_of, of_all = self.parts, evidence.chunk_of, evidence.of_all
        chunk_words = evidence.chunk_words[chunk_of]
        scores: Scores = (
            parts.chunk_cosine * _standardized(evidence.chunk_cosines[chunk_of], of_all.chunk_cosine)
            + parts.sentence_cosine * _standardized(evidence.sentence_cosines, of_all.sentence_cosine)
            + parts.chunk_words * _standardized(chunk_words, of_all.chunk_words)
            + parts.sentence_words * _standardized(evidence.sentence_words, of_all.sentence_words)
        )
        with_bank: Scores = (
            parts.own_with_bank * scores
            + parts.taught * _standardized(evidence.taught, of_all.taught)
            + parts.taught_words * _standardized(evidence.taught_words, of_all.taught_words)
        )
        return with_bank

    def _fused_without_bank(self, evidence: _Evidence) -> Scores:
        """A passage as a whole, and beside it its best sentence, which is highlighted.

        "I need information on benefits planning" is answered by a passage, and by no sentence of it.
        """
        parts, chunk_of, of_all = self.parts, evidence.chunk_of, evidence.of_all
        cosine = _standardized(evidence.sentence_cosines, of_all.sentence_cosine)
        likest, highlighted = np.full((2, len(evidence.chunk_cosines)), -np.inf, dtype=np.float32)
        np.maximum.at(likest, chunk_of, cosine)
        passages: Scores = (
            parts.chunk_cosine * _standardized(evidence.chunk_cosines, of_all.chunk_cosine)
            + parts.whole_words * _standardized(evidence.chunk_words, of_all.chunk_words)
            + parts.likest_sentence * likest
        )
        words = _standardized(evidence.sentence_words, of_all.sentence_words)
        sentences: Scores = parts.sentence_cosine * cosine + parts.sentence_words * words
        np.maximum.at(highlighted, chunk_of, sentences)
        # The best sentence has the score of its passage, the others what they are worse.
        scores: Scores = passages[chunk_of] + (sentences - highlighted[chunk_of])
        return scores

    def _taught_moments(self, taught: Scores, scope: Scope) -> Moments | None:
        """Of what the banks teach of all sentences: nothing of those without a bank."""
        several = len(self.index.documents) > 1
        if scope.everything and not several:
            return None
        values, count = taught.astype(np.float64), len(self.index.sentences)
        mean, spread = Moments.of(float(values.sum() / count), float((values**2).sum() / count))
        return Moments(mean, max(spread, LEAST_TAUGHT / math.sqrt(count)) if several else spread)

    def _hits(self, stems: Sequence[str]) -> WordHits:
        words = self.index.words
        taught = words.taught.hits(stems) if self.index.bank_models else None
        return WordHits(words.chunks.hits(stems), words.sentences.hits(stems), taught)

    def _scope(self, searched: Sequence[str], hits: Sequence[WordHits], embeddings: FloatMatrix) -> Scope:
        """The sentences that are scored for some queries: of a large index, those that are near any."""
        if self.index.stored is not None:
            near = self.index.stored.near(searched, embeddings)
        elif self.index.shortcuts is not None:
            near = near_by_shortcuts(self.index.shortcuts, hits, embeddings)
        else:
            return Scope(slice(None), slice(None), self._chunk_of)
        return candidate_scope(near, self._chunk_of, self._always_compared)

    def _moments(self, hits: WordHits, embedding: FloatMatrix) -> PartMoments:
        if self.index.spreads is None:
            return PartMoments()
        return part_moments(self.index.spreads, hits, embedding, self._chunk_weights)

    def _taught(self, document: int, cosines: _Cosines, scope: Scope) -> tuple[Scores, float]:
        rows = self._bank_rows[document]
        anchors = (
            cosines.sentences[scope.positions(rows.sentences)],
            cosines.questions[rows.questions],
            cosines.open_questions[rows.open_questions],
        )
        sentences, answerable = self.index.bank_models[document].apply(np.concatenate(anchors)[np.newaxis])
        return sentences[0], float(answerable[0])

    def _confidence(self, searched: _Searched, document: int) -> float:
        """The probability that a document answers a query."""
        if document in self.index.bank_models:
            return self._confidence_by_bank(searched, document)
        nearest = self._likest_text(searched, document)
        by_cosine = sigmoid(COSINE_STEEPNESS * (nearest - COSINE_MIDPOINT))
        likest = self._nearest_open(searched.cosines)[:1]
        if not likest or likest[0][1] < nearest + OPEN_ELSEWHERE:
            return by_cosine
        # What a bank leaves open; one of open questions alone teaches nothing.
        return min(by_cosine, sigmoid(COSINE_STEEPNESS * (nearest - likest[0][1])))

    def _likest_text(self, searched: _Searched, document: int) -> float:
        """The best cosine to a sentence or a passage of a document."""
        _, cosines, _, scope, *_ = searched
        sentences = self._document_of[scope.sentences] == document
        chunks = np.unique(scope.chunk_of[sentences])
        return float(max(cosines.sentences[sentences].max(), cosines.chunks[chunks].max()))

    def _likest_of_bank(self, searched: _Searched, document: int) -> float:
        """The best cosine to a sentence of a document or a question of its bank."""
        rows, cosines = self._bank_rows[document], searched.cosines
        known = (
            cosines.sentences[searched.scope.positions(rows.sentences)],
            cosines.questions[rows.questions],
            cosines.open_questions[rows.open_questions],
        )
        return float(max(part.max() for part in known if part.size))

    def _confidence_by_bank(self, searched: _Searched, document: int) -> float:
        stems, _, taught_by, *_ = searched
        rows = self._bank_rows[document]
        sentence_scores, answerable = taught_by[document]
        words = self._words_of_bank(stems, rows)
        return self.index.bank_models[document].calibration.confidence(
            Signals(
                answerable=answerable,
                lexical_margin=lexical_margin(words, rows.n_answered),
                best_sentence=float(sentence_scores.max()),
                nearest=self._likest_of_bank(searched, document),
            )
        )

    def _words_of_bank(self, stems: Sequence[str], rows: _Rows) -> Scores:
        """BM25 of the questions of one bank."""
        questions = self.index.words.questions
        if len(self.index.documents) == 1:
            return questions.hits(stems).scores
        return questions.scores_among(stems, numbered(rows.of_bank))

    def _nearest_open(self, cosines: _Cosines) -> tuple[tuple[OpenQuestion, float], ...]:
        """The open questions that are most like what was asked, with their cosines, the likest first."""
        if not len(cosines.open_questions):
            return ()
        rows = _best(cosines.open_questions, NEAREST_OPEN)
        return tuple((self.index.open_questions[row], float(cosines.open_questions[row])) for row in rows)

    # What is the same for every query.

    @cached_property
    def _chunk_of(self) -> np.ndarray:
        return np.array([sentence.chunk for sentence in self.index.sentences], dtype=np.int64)

    @cached_property
    def _document_of(self) -> IntVector:
        return np.array([sentence.document for sentence in self.index.sentences], dtype=np.int64)

    @cached_property
    def _chunk_weights(self) -> IntVector | None:
        """How much each passage counts in the moments of all: a bank scores sentences with their passages."""
        if not self.index.bank_models:
            return None
        return np.bincount(self._chunk_of, minlength=len(self.index.chunks))

    @cached_property
    def _always_compared(self) -> IntVector:
        return always_compared(self.index.chunks, self.index.bank_models, self.index.warning_sections)

    @cached_property
    def _bank_rows(self) -> dict[int, _Rows]:
        index = self.index
        return {
            rows.document: _Rows(
                _picked(sorted({index.sentences[row].chunk for row in rows.sentences})),
                _picked(rows.sentences),
                _picked(rows.questions),
                _picked(rows.open_questions),
                _picked([*rows.questions, *(len(index.questions) + row for row in rows.open_questions)]),
                len(rows.questions),
            )
            for rows in bank_rows(index.sentences, index.questions, index.open_questions)
        }

    # From rows to what is shown.

    def _scored(self, row: int, ranking: Ranking, rank: int) -> ScoredChunk:
        sentence = self.index.sentences[row]
        chunk = self.index.chunks[sentence.chunk]
        document = self.index.documents[chunk.document]
        body = document.excerpt(Span(chunk.start, chunk.end))
        return ScoredChunk(
            text=body.text,
            start=body.start,
            end=body.end,
            markup=body.markup,
            document=document.name,
            title=document.title,
            section_path=document.sections[chunk.section].path,
            kind=chunk.kind,
            highlights=(Span(sentence.start, sentence.end),),
            context=tuple(document.excerpt(span) for span in chunk.context),
            score=float(ranking.scores[row]),
            rank=rank,
        )


class _Cosines(NamedTuple):
    """Cosines to all that is embedded: each (n_rows,), or (n_queries, n_rows) of several queries."""

    chunks: FloatMatrix
    sentences: FloatMatrix
    questions: FloatMatrix
    open_questions: FloatMatrix


class _Searched(NamedTuple):
    """A query as it is searched."""

    stems: Sequence[str]
    cosines: _Cosines
    taught: Mapping[int, tuple[Scores, float]]  # by document: of its sentences, and that it answers
    scope: Scope  # the rows that the cosines belong to
    hits: WordHits
    moments: PartMoments


class _Evidence(NamedTuple):
    """What speaks for each of some sentences, and for each of their passages."""

    chunk_of: IntVector  # for each sentence, the position of its passage among these
    chunk_cosines: FloatMatrix
    sentence_cosines: FloatMatrix
    chunk_words: Scores
    sentence_words: Scores
    taught: Scores  # by the banks of their documents
    taught_words: Scores | None  # where there is a bank
    of_all: PartMoments = PartMoments()  # what they are standardized by, if not by these alone


class _Rows(NamedTuple):
    """Which rows belong to a document with a bank."""

    chunks: Picked
    sentences: Picked
    questions: Picked
    open_questions: Picked
    of_bank: Picked  # among all questions, first the answered ones
    n_answered: int


def _named_in(title: str, subjects: AbstractSet[str]) -> str:
    """The first words of a title, side by side and none of them a stop word, that name a subject."""
    for phrase in _PHRASE_ENDS.split(title):
        for is_stop_word, some in groupby(phrase.split(), lambda word: word.lower() in STOP_WORDS):
            name = " ".join(some)
            if not is_stop_word and not subjects.isdisjoint(terms(name)):
                return name
    return ""


def _picked(rows: Sequence[int]) -> Picked:
    """Rows to take from an array, as a slice if they follow one another."""
    follow = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
    return slice(rows[0], rows[-1] + 1) if follow else np.array(rows, dtype=np.int64)


def _best(scores: Scores, count: int) -> IntVector:
    """Positions of the best scores, best first, of equals the first."""
    count = min(count, len(scores))
    best = np.argpartition(-scores, count - 1)[:count]
    return best[np.lexsort((best, -scores[best]))]


def _mean(scores: Sequence[Scores], weights: Sequence[float]) -> Scores:
    total = np.zeros_like(scores[0])
    for one, weight in zip(scores, weights, strict=True):
        total += np.float32(weight) * one
    total /= np.float32(sum(weights))
    return total


def _standardized(scores: Scores, moments: Moments | None = None) -> Scores:
    """Mean 0 and standard deviation 1, so that parts of different scale can be added.

    Args:
        moments: of all rows, where the scores are those of some.
    """
    centred: Scores = scores - (scores.mean() if moments is None else np.float32(moments.mean))
    spread = float(np.sqrt(centred @ centred / len(centred))) if moments is None else moments.spread
    return centred / spread if spread > 0 else centred
