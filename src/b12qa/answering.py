"""Everything above → `Answer`: `Assistant`, which every surface calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from b12qa import safety
from b12qa.building import Progress, build_index, no_progress
from b12qa.conversation import Query, to_query
from b12qa.corpus import read_corpus
from b12qa.embedding import RememberingEncoder, find_model, load_encoder
from b12qa.errors import DamagedIndexError, IndexUnusableError, QueryError
from b12qa.index import check_servable, open_index
from b12qa.lexical import terms
from b12qa.records import (
    Answer,
    Document,
    Notice,
    NoticeKind,
    Outcome,
    Quote,
    ScoredChunk,
    SearchResults,
    SectionReference,
)
from b12qa.retrieval import Ranking, Retriever
from b12qa.storage import locked

MAX_QUOTES = 3
# Chosen on the development questions, see evals/README.md.
ANSWERED_FROM = 0.45
RELATED_FROM = 0.2
# A further quote must score at least this share of the first.
QUOTE_SHARE = 0.35
# An open question of the bank says what is missing only if it is about the same thing.
SAME_QUESTION_COSINE = 0.6
MAX_MISSING_WORDS = 2
# How much a message counts as a whole, beside the questions in it.
WHOLE_WEIGHT = 0.5
MAX_NEAREST_SECTIONS = 3


@dataclass(frozen=True, slots=True)
class Assistant:
    """Answers questions with quotes, or says that the article does not."""

    retriever: Retriever

    @classmethod
    def load(
        cls,
        index: str | Path = "index",
        *,
        corpus: str | Path | None = None,
        model: str | None = None,
        build: bool = False,
        on_progress: Progress = no_progress,
    ) -> Assistant:
        """Open an index, after making sure that it was built from what is at hand.

        Args:
            index: the folder that `b12qa build` writes.
            corpus: the folder of documents; by default the folder `corpus` beside the index.
            model: see `b12qa.embedding.find_model`.
            build: build the index first when it is missing, stale or damaged, instead of refusing.
            on_progress: see `b12qa.building.build_index`.

        Raises:
            MissingIndexError, DamagedIndexError, StaleIndexError, ModelMismatchError,
            CorpusError, ModelError
        """
        index_dir = Path(index)
        sources = read_corpus(corpus_folder(index_dir, corpus))
        files = find_model(model)
        try:
            opened = open_index(index_dir)
            check_servable(opened, sources, files)
        except IndexUnusableError:
            if not build:
                raise
            with locked(index_dir):  # before the model is loaded, which takes seconds
                encoder = load_encoder(model)
                build_index(sources, encoder, index_dir, on_progress)
            return cls(Retriever(open_index(index_dir), encoder))
        return cls(Retriever(opened, load_encoder(model)))

    @property
    def documents(self) -> tuple[Document, ...]:
        """The texts that may be quoted."""
        return self.retriever.index.documents

    def search(self, question: str, history: Sequence[str] = (), top_k: int | None = None) -> SearchResults:
        """What `ask` ranks, before it decides the outcome. Arguments as there; `top_k` passages."""
        ranking, _ = self._rank(self._query(question, history))
        return self.retriever.results(ranking, top_k)

    def ask(self, question: str, history: Sequence[str] = (), max_quotes: int = MAX_QUOTES) -> Answer:
        """Answer a question with the document's own words, or say that it does not answer.

        Red flags come first: with an emergency or urgent one, nothing is searched and nothing quoted.

        Args:
            question: as typed, of any length.
            history: the user's earlier questions, oldest first.
            max_quotes: at most so many quotes, from 1.

        Raises:
            QueryError: max_quotes is below 1.
            DamagedIndexError: a passage is no longer a slice of its document.
        """
        if max_quotes < 1:
            raise QueryError(f"Expected at least 1 for max_quotes, got {max_quotes}.")
        # A terminal passes bytes that are no UTF-8 on as half characters, which nothing can write out.
        question = question.encode("utf-8", "replace").decode("utf-8")
        card = safety.care_card(question, history)
        care = [] if card is None else [safety.care_notice(card)]
        if card is not None and card.level in safety.BEFORE_ANY_QUOTE:
            return Answer(question, "", Outcome.URGENT, 0.0, (), (*care, safety.disclaimer()), card)
        about = safety.about_reply(question)
        if about is not None:
            notices = [*care, about, safety.disclaimer()]
            return Answer(question, "", Outcome.NOT_COVERED, 0.0, (), tuple(notices), card)
        query = self._query(question, history)
        if not any(character.isalnum() for character in question):
            words = Notice(NoticeKind.OUTCOME, "Please type a question in words.")
            notices = [*care, words, safety.disclaimer()]
            return Answer(question, query.text, Outcome.NOT_COVERED, 0.0, (), tuple(notices), card)
        ranking, parts = self._rank(query)
        wanted = min(max(MAX_QUOTES, max_quotes), len(self.retriever.index.chunks))
        results = self.retriever.results(ranking, wanted)
        outcome = _outcome(ranking.confidence)
        notices = [
            *care,
            *self._outcome_notices(outcome, query, ranking),
            *_absent_parts(outcome, query, parts),
            *_searched_for(query),
            *self._nearest_sections(outcome, results),
            safety.disclaimer(),
        ]
        return Answer(
            question=question,
            query=query.text,
            outcome=outcome,
            confidence=ranking.confidence,
            quotes=self._quotes(outcome, results, max_quotes),
            notices=tuple(notices),
            care_card=card,
        )

    def embedding_ahead(self, questions: Iterable[tuple[str, Sequence[str]]]) -> Assistant:
        """An assistant that gives the same answers, and has embedded these questions, each with its history.

        Many texts at once are embedded faster than one by one. For evaluations: it remembers every question.
        """
        encoder = RememberingEncoder(self.retriever.encoder)
        ahead = Assistant(replace(self.retriever, encoder=encoder))
        queries = [ahead._query(question, history) for question, history in questions]
        readings = [r for query in queries for part in (query, *query.parts) for r in part.readings]
        if readings:
            encoder.encode([ahead.retriever.vocabulary.bring_to(reading.text) for reading in readings])
        return ahead

    def _query(self, question: str, history: Sequence[str]) -> Query:
        return to_query(question, history, self.retriever.topics)

    def _rank(self, query: Query) -> tuple[Ranking, list[Ranking]]:
        """The ranking of a message, and of each question in it if there are several.

        Several questions are searched one by one, so that each brings its own passage to the top.
        """
        readings = [query.readings, *(part.readings for part in query.parts)]
        whole, *parts = self.retriever.rank_all(readings)
        if not parts:
            return whole, []
        best = np.maximum.reduce([part.scores for part in parts])
        scores = (best + WHOLE_WEIGHT * whole.scores) / (1 + WHOLE_WEIGHT)
        # One answered part is worth showing, even if the other is not.
        confidence = (whole.confidence + max(part.confidence for part in parts)) / 2
        return replace(whole, scores=scores, confidence=confidence), parts

    def _quotes(self, outcome: Outcome, results: Sequence[ScoredChunk], max_quotes: int) -> tuple[Quote, ...]:
        if outcome is Outcome.NOT_COVERED:
            return ()
        # One passage is enough to show what is close; more would look like an answer.
        limit = max_quotes if outcome is Outcome.ANSWERED else 1
        least = QUOTE_SHARE * results[0].score
        return tuple(self._quote(result) for result in results[:limit] if result.score >= least)

    def _quote(self, result: ScoredChunk) -> Quote:
        document = next(d for d in self.documents if d.name == result.document)
        if document.text[result.start : result.end] != result.text:
            raise DamagedIndexError(f"A passage of {result.document} is no slice of it. Run: b12qa build")
        return Quote(**{field.name: getattr(result, field.name) for field in fields(Quote)})

    def _outcome_notices(self, outcome: Outcome, query: Query, ranking: Ranking) -> list[Notice]:
        if outcome is Outcome.ANSWERED:
            return []
        words = (
            "The article does not say."
            if outcome is Outcome.NOT_COVERED
            else "This is close, but may not answer your question."
        )
        return [Notice(NoticeKind.OUTCOME, words), *self._missing(query, ranking)]

    def _missing(self, query: Query, ranking: Ranking) -> list[Notice]:
        """What the article lacks, where the bank or the words of the question tell."""
        found = ranking.open_question
        same = found is not None and ranking.open_question_cosine >= SAME_QUESTION_COSINE
        # "does not mention breastfeeding" would be true, and beside the point of a question on pregnancy.
        if found and same and set(terms(found.reason)) & set(terms(query.question)):
            return [Notice(NoticeKind.MISSING, f"The article {found.reason}.")]
        missing = self.retriever.vocabulary.missing_words(query.question)[:MAX_MISSING_WORDS]
        if not missing:
            return []
        return [Notice(NoticeKind.MISSING, f"The article does not mention {' or '.join(missing)}.")]

    def _nearest_sections(self, outcome: Outcome, results: Sequence[ScoredChunk]) -> list[Notice]:
        if outcome is Outcome.ANSWERED:
            return []
        sections = dict.fromkeys(self.retriever.section_of(result) for result in results)
        nearest: tuple[SectionReference, ...] = tuple(sections)[:MAX_NEAREST_SECTIONS]
        return [Notice(NoticeKind.NEAREST_SECTIONS, "The nearest sections are:", nearest)]


load = Assistant.load


def corpus_folder(index_dir: str | Path, corpus: str | Path | None = None) -> Path:
    """The corpus that belongs to an index: the one named, or the folder `corpus` beside it, or here."""
    if corpus is not None:
        return Path(corpus)
    beside = Path(index_dir).resolve().parent / "corpus"
    return beside if beside.is_dir() else Path("corpus")


def _outcome(confidence: float) -> Outcome:
    if confidence >= ANSWERED_FROM:
        return Outcome.ANSWERED
    return Outcome.RELATED if confidence >= RELATED_FROM else Outcome.NOT_COVERED


def _absent_parts(outcome: Outcome, query: Query, parts: Sequence[Ranking]) -> list[Notice]:
    """Name the questions of a message that are not answered while another one is."""
    if outcome is not Outcome.ANSWERED or all(part.confidence < ANSWERED_FROM for part in parts):
        return []
    return [
        Notice(NoticeKind.MISSING, f"The article does not say: {part.question}")
        for part, ranking in zip(query.parts, parts, strict=True)
        if ranking.confidence < RELATED_FROM
    ]


def _searched_for(query: Query) -> list[Notice]:
    if not query.reason:
        return []
    return [Notice(NoticeKind.SEARCHED_FOR, f"Searched for: {query.text}")]
