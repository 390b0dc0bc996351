"""Which sentences a question is compared with: all of them, or those that shortcuts or a store lead to.

With many rows the candidates are the passages that are near by their vectors or by their words. Their
scores are those of an exhaustive search: exact cosines, all words, and the mean and the spread of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.lexical import Hits, IntVector, Moments
from b12qa.nearest import CANDIDATES
from b12qa.shortcuts import Near, Shortcuts, Spreads
from b12qa.vectors import cosine_moments

# Rows to take from an array; what a slice takes is not copied.
Picked = slice | IntVector


class Scope(NamedTuple):
    """The sentences that are scored, in reading order, and their passages."""

    sentences: Picked  # rows of the sentences
    chunks: Picked  # rows of the passages that hold them
    chunk_of: IntVector  # for each sentence, the position of its passage among these passages
    everything: bool = True

    def positions(self, rows: Picked) -> Picked:
        """Where rows of sentences stand among those that are scored."""
        return _positions(rows, self.sentences)

    def chunk_positions(self, rows: Picked) -> Picked:
        """Where rows of passages stand among those of the sentences that are scored."""
        return _positions(rows, self.chunks)


def numbered(rows: Picked) -> IntVector:
    """Rows one by one."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows


def _positions(rows: Picked, among: Picked) -> Picked:
    return rows if isinstance(among, slice) else np.searchsorted(among, numbered(rows))


class WordHits(NamedTuple):
    """What a query finds by its words."""

    chunks: Hits
    sentences: Hits
    taught: Hits | None  # sentences with the questions that they answer; where there is a bank


class PartMoments(NamedTuple):
    """What the parts of a score are standardized by where not every row is at hand."""

    chunk_cosine: Moments | None = None
    sentence_cosine: Moments | None = None
    chunk_words: Moments | None = None
    sentence_words: Moments | None = None
    taught: Moments | None = None
    taught_words: Moments | None = None


def near_by_shortcuts(shortcuts: Shortcuts, hits: Sequence[WordHits], embeddings: FloatMatrix) -> Near:
    """Rows near any of some queries, by the lists and the words of the folder.

    Args:
        hits: of the queries, and `embeddings` theirs.
    """
    sentences = [shortcuts.sentences.rows(embeddings).ravel()]
    chunks = [shortcuts.chunks.rows(embeddings).ravel()]
    for found in hits:
        chunks.append(found.chunks.best(CANDIDATES))
        sentences.append(found.sentences.best(CANDIDATES))
        if found.taught is not None:
            sentences.append(found.taught.best(CANDIDATES))
    return Near(np.concatenate(chunks), np.concatenate(sentences))


def candidate_scope(near: Near, chunk_of: IntVector, always: IntVector) -> Scope:
    """The passages of rows that are near, and all their sentences.

    Args:
        chunk_of: the passage of every sentence, ascending.
        always: rows of passages that are always compared.
    """
    sentences = near.sentences[near.sentences >= 0]
    passages = np.unique(np.concatenate([always, near.chunks, chunk_of[sentences]]))
    passages = passages[passages >= 0]
    starts, ends = np.searchsorted(chunk_of, passages, "left"), np.searchsorted(chunk_of, passages, "right")
    held = ends - starts
    within = np.arange(held.sum()) - np.repeat(np.cumsum(held) - held, held)
    rows = np.repeat(starts, held) + within
    return Scope(rows, passages, np.repeat(np.arange(len(passages)), held), everything=False)


def part_moments(
    spreads: Spreads, hits: WordHits, embedding: FloatMatrix, chunk_weights: IntVector | None
) -> PartMoments:
    """The moments of a query's scores over all sentences."""
    return PartMoments(
        cosine_moments(spreads.chunks, embedding),
        cosine_moments(spreads.sentences, embedding),
        hits.chunks.moments(chunk_weights),
        hits.sentences.moments(),
        taught_words=hits.taught.moments() if hits.taught is not None else None,
    )
