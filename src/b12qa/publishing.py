"""A generation → what an engine holds and serves of it, verified before anybody is answered from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from b12qa.embedding import FloatMatrix
from b12qa.engines import CHECKING, Milvus, facts_of
from b12qa.errors import DamagedIndexError, EngineError
from b12qa.index import Index
from b12qa.nearest import LEAST_RECALL, NEAREST
from b12qa.records import whole_question
from b12qa.retrieval import Reading, Retriever, as_embedded
from b12qa.shortcuts import CHUNKS, SENTENCES

if TYPE_CHECKING:
    from b12qa.building import Publish
    from b12qa.progress import Progress

CANARIES = 20
PROBED_ROWS = 200


def publisher(store: Milvus | None, on_progress: Progress) -> Publish:
    """What a build or a rollback does with a generation before it makes it current."""
    from b12qa.building import keep_in_folder

    return keep_in_folder if store is None else lambda index: publish(index, store, on_progress)


def publish(index: Index, store: Milvus, on_progress: Progress) -> None:
    """Let an engine hold a generation and serve it to all, unless something in it is found to be wrong.

    What was served before stays, for those that still ask for it and for a rollback; older ones go.

    Args:
        index: opened from its folder, vectors included.
        on_progress: called with the number of rows sent so far, and of all.

    Raises:
        DamagedIndexError, EngineError: the alias still names what it named before.
    """
    store.fill(index, on_progress)
    verify(index, store)
    store.serve(index.generation)


def verify(index: Index, store: Milvus) -> None:
    """Compare what an engine holds of a generation with the generation itself: counts, bits, answers.

    Raises:
        DamagedIndexError: it does not hold the same rows.
        EngineError: it finds other passages.
    """
    stored = store.open(facts_of(index), consistency=CHECKING)
    for kind, own, far in (
        (CHUNKS, index.chunk_vectors, stored.chunks),
        (SENTENCES, index.sentence_vectors, stored.sentences),
    ):
        rows = np.unique(np.linspace(0, own.ntotal - 1, min(PROBED_ROWS, own.ntotal)).astype(np.int64))
        if not np.array_equal(own.reconstruct_batch(rows), far.reconstruct_batch(rows)):
            raise DamagedIndexError(
                f"{store.described} does not hold the vectors of the {kind} bit for bit. Run: b12qa build"
            )
    if index.spreads is None:
        return  # every row is compared, here as there
    encoder = _StoredEncoder(index)
    far_index = replace(
        index, chunk_vectors=stored.chunks, sentence_vectors=stored.sentences, shortcuts=None, stored=stored
    )
    shares = []
    for text in encoder.texts:
        near, far_off = (
            {(passage.document, passage.start) for passage in _found(Retriever(one, encoder), text)}
            for one in (index, far_index)
        )
        shares.append(len(near & far_off) / len(near))
    if np.mean(shares) < LEAST_RECALL:
        raise EngineError(
            f"{store.described} finds {np.mean(shares):.3f} of the best {NEAREST} passages for "
            f"{len(shares)} questions, expected at least {LEAST_RECALL}. What was served is served on. "
            "Look at the index of the field 'vector', then run: b12qa build"
        )


class _StoredEncoder:
    """Knows the embeddings of some questions of the banks and some sentences, and needs no model."""

    def __init__(self, index: Index) -> None:
        self.name = index.model_name
        self.fingerprint = index.model_fingerprint
        self.dimension = index.sentence_vectors.d
        self.max_tokens = 0
        known = {
            index.plain_text(index.sentences[row]): index.sentence_vectors.reconstruct(row)
            for row in _spread_over(len(index.sentences))
        } | {
            whole_question(index.questions[row]): index.question_vectors.reconstruct(row)
            for row in _spread_over(len(index.questions))
        }
        self._known = {as_embedded(text, index): embedding for text, embedding in known.items()}

    @property
    def texts(self) -> list[str]:
        """Those that can be asked."""
        return list(self._known)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        return np.stack([self._known[text] for text in texts])


def _found(retriever: Retriever, text: str) -> Sequence[Any]:
    [ranking] = retriever.rank_all([[Reading(text)]], as_typed=True)
    return retriever.results(ranking, min(NEAREST, retriever.most_passages))


def _spread_over(count: int) -> list[int]:
    return sorted({int(row) for row in np.linspace(0, count - 1, min(CANARIES, count))})
