"""Query → scored chunks: `Retriever`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from b12qa.embedding import Encoder, load_encoder
from b12qa.errors import QueryError
from b12qa.index import Index, check_model, open_index, search
from b12qa.records import Chunk, Excerpt, ScoredChunk, SearchResults, SectionReference, Span

DEFAULT_TOP_K = 5
# The best sentence of a chunk may rank far below the best sentences of another chunk.
SENTENCES_PER_CHUNK = 10


@dataclass(frozen=True, slots=True)
class Retriever:
    """Finds passages for one bare query. Holds the verified index and the model it was built with."""

    index: Index
    encoder: Encoder

    @classmethod
    def load(cls, index_dir: str | Path = "index", *, model: str | None = None) -> Retriever:
        """Open an index with its model.

        Raises:
            MissingIndexError, DamagedIndexError, ModelMismatchError, ModelError
        """
        index, encoder = open_index(Path(index_dir)), load_encoder(model)
        check_model(index, encoder)
        return cls(index, encoder)

    def search(self, query: str, top_k: int | None = None) -> SearchResults:
        """The passages nearest to a query, best first.

        A chunk scores as its best match: its whole text under its headings, or one of its sentences.
        Small units are found, the whole unit is shown, and the best sentence is highlighted.

        Args:
            top_k: passages wanted, from 1 to the number of chunks; by default five, or all there are.

        Raises:
            QueryError: top_k is out of range.
        """
        count = len(self.index.chunks)
        if top_k is None:
            top_k = min(DEFAULT_TOP_K, count)
        if not 1 <= top_k <= count:
            raise QueryError(f"Expected top_k from 1 to {count}, the number of passages; got {top_k}.")
        embedding = self.encoder.encode([query])
        chunk_scores, chunk_rows = search(self.index.chunk_vectors, embedding, top_k)
        sentences_wanted = min(len(self.index.sentences), top_k * SENTENCES_PER_CHUNK)
        sentence_scores, sentence_rows = search(self.index.sentence_vectors, embedding, sentences_wanted)

        scores = {int(row): float(score) for row, score in zip(chunk_rows[0], chunk_scores[0], strict=True)}
        best_sentence: dict[int, int] = {}
        for row, score in zip(sentence_rows[0], sentence_scores[0], strict=True):
            chunk = self.index.sentences[row].chunk
            best_sentence.setdefault(chunk, int(row))
            scores[chunk] = max(scores.get(chunk, -1.0), float(score))
        # Equal scores keep reading order, so that the same question always gets the same answer.
        ranked = sorted(scores, key=lambda row: (-scores[row], row))[:top_k]
        return SearchResults(
            self._scored(row, scores[row], rank, best_sentence.get(row))
            for rank, row in enumerate(ranked, start=1)
        )

    def section_of(self, passage: ScoredChunk) -> SectionReference:
        """Where to read on around a passage."""
        document = next(d for d in self.index.documents if d.name == passage.document)
        section = next(s for s in reversed(document.sections) if s.start <= passage.start)
        return SectionReference(document.name, section.path or (document.title,), section.start, section.end)

    def _scored(self, row: int, score: float, rank: int, sentence_row: int | None) -> ScoredChunk:
        chunk = self.index.chunks[row]
        highlights: tuple[Span, ...] = ()
        if sentence_row is not None:
            sentence = self.index.sentences[sentence_row]
            highlights = (Span(sentence.start, sentence.end),)
        document = self.index.documents[chunk.document]
        body = self._excerpt(chunk, Span(chunk.start, chunk.end))
        return ScoredChunk(
            text=body.text,
            start=body.start,
            end=body.end,
            markup=body.markup,
            document=document.name,
            title=document.title,
            section_path=document.sections[chunk.section].path,
            kind=chunk.kind,
            highlights=highlights,
            context=tuple(self._excerpt(chunk, span) for span in chunk.context),
            score=score,
            rank=rank,
        )

    def _excerpt(self, chunk: Chunk, span: Span) -> Excerpt:
        document = self.index.documents[chunk.document]
        return Excerpt(
            document.text[span.start : span.end], span.start, span.end, document.markup.within(*span)
        )
