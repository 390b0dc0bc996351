"""Everything above → `Answer`: `Assistant`, which every surface calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from b12qa import safety
from b12qa.conversation import to_query
from b12qa.corpus import read_documents
from b12qa.embedding import find_model, load_encoder
from b12qa.errors import DamagedIndexError, IndexUnusableError, QueryError
from b12qa.index import Progress, build_index, check_fresh, no_progress, open_index
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
from b12qa.retrieval import Retriever

MAX_QUOTES = 3
# A second or third quote must come this close to the first.
QUOTE_MARGIN = 0.06
# Cosine of the best match against "the quote answers": a first, coarse calibration.
CALIBRATION_MIDPOINT = 0.42
CALIBRATION_STEEPNESS = 18.0
ANSWERED_FROM = 0.60
RELATED_FROM = 0.25


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
            on_progress: see `b12qa.index.build_index`.

        Raises:
            MissingIndexError, DamagedIndexError, StaleIndexError, ModelMismatchError,
            CorpusError, ModelError
        """
        index_dir = Path(index)
        documents = read_documents(corpus_folder(index_dir, corpus))
        files = find_model(model)
        try:
            opened = open_index(index_dir)
            check_fresh(opened, documents, files)
        except IndexUnusableError:
            if not build:
                raise
            encoder = load_encoder(model)
            build_index(documents, encoder, index_dir, on_progress)
            return cls(Retriever(open_index(index_dir), encoder))
        return cls(Retriever(opened, load_encoder(model)))

    @property
    def documents(self) -> tuple[Document, ...]:
        """The texts that may be quoted."""
        return self.retriever.index.documents

    def search(self, question: str, history: Sequence[str] = (), top_k: int | None = None) -> SearchResults:
        """What `ask` ranks, before it decides the outcome. Arguments as there; `top_k` passages."""
        return self.retriever.search(to_query(question, history).text, top_k)

    def ask(self, question: str, history: Sequence[str] = (), max_quotes: int = MAX_QUOTES) -> Answer:
        """Answer a question with the document's own words, or say that it does not answer.

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
        query = to_query(question, history)
        if not any(character.isalnum() for character in question):
            return self._without_quotes(question, query.text, "Please type a question in words.", 0.0, ())
        results = self.retriever.search(query.text, None if max_quotes <= MAX_QUOTES else max_quotes)
        confidence = _confidence(results[0].score)
        searched = (Notice(NoticeKind.SEARCHED_FOR, f"Searched for: {query.text}"),) if query.reason else ()
        if confidence < RELATED_FROM:
            return self._without_quotes(
                question, query.text, "The article does not say.", confidence, searched, results
            )
        outcome = Outcome.ANSWERED if confidence >= ANSWERED_FROM else Outcome.RELATED
        quotes = tuple(
            self._quote(result)
            for result in results[:max_quotes]
            if result.score >= results[0].score - QUOTE_MARGIN
        )
        words = "" if outcome is Outcome.ANSWERED else "This is close, but may not answer your question."
        own = (Notice(NoticeKind.OUTCOME, words),) if words else ()
        return Answer(
            question, query.text, outcome, confidence, quotes, (*own, *searched, safety.disclaimer())
        )

    def _without_quotes(
        self,
        question: str,
        query: str,
        words: str,
        confidence: float,
        more: tuple[Notice, ...],
        results: Sequence[ScoredChunk] = (),
    ) -> Answer:
        notices = [Notice(NoticeKind.OUTCOME, words), *more]
        nearest = self._nearest_sections(results)
        if nearest:
            notices.append(Notice(NoticeKind.NEAREST_SECTIONS, "The nearest sections are:", nearest))
        notices.append(safety.disclaimer())
        return Answer(question, query, Outcome.NOT_COVERED, confidence, (), tuple(notices))

    def _nearest_sections(self, results: Sequence[ScoredChunk]) -> tuple[SectionReference, ...]:
        references = (self.retriever.section_of(result) for result in results)
        return tuple(dict.fromkeys(references))[:3]

    def _quote(self, result: ScoredChunk) -> Quote:
        document = next(d for d in self.documents if d.name == result.document)
        if document.text[result.start : result.end] != result.text:
            raise DamagedIndexError(f"A passage of {result.document} is no slice of it. Run: b12qa build")
        return Quote(**{field.name: getattr(result, field.name) for field in fields(Quote)})


load = Assistant.load


def corpus_folder(index_dir: str | Path, corpus: str | Path | None = None) -> Path:
    """The corpus that belongs to an index: the one named, or the folder `corpus` beside it, or here."""
    if corpus is not None:
        return Path(corpus)
    beside = Path(index_dir).resolve().parent / "corpus"
    return beside if beside.is_dir() else Path("corpus")


def _confidence(score: float) -> float:
    return 1 / (1 + math.exp(-CALIBRATION_STEEPNESS * (score - CALIBRATION_MIDPOINT)))
