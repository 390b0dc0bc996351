"""txtai: `Embeddings` with content, passages from its own segmentation into paragraphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protocol import FloatMatrix, PassagesRunner, StandIn, model_folder, serve
from txtai import Embeddings


class Txtai(PassagesRunner):
    """Dense by default; ``hybrid`` adds its BM25, half and half, as its documentation does."""

    one_at_a_time = True  # with several threads the process ends by a signal (11)

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        vectors: dict[str, Any] = {"path": None if stand_in else model_folder()}
        if stand_in is not None:
            encode = stand_in.encode

            def transform(texts: Sequence[str]) -> FloatMatrix:  # it takes plain functions only
                return encode(texts)

            vectors = {"method": "external", "transform": transform}
        self._vectors = vectors

    def cut(self, text: str) -> list[str]:
        from txtai.pipeline import Segmentation

        return list(Segmentation(paragraphs=True)(text))

    def prepare(self) -> None:
        self._embeddings = Embeddings(content=True, hybrid=self.hybrid, **self._vectors)

    def index(self, passages: list[str]) -> None:
        self._embeddings.index(passages)
        self._count = len(passages)
        self._keep()

    def index_more(self, passages: list[str]) -> None:
        self._embeddings.upsert((self._count + number, text, None) for number, text in enumerate(passages))
        self._count += len(passages)
        self._keep()

    def open(self) -> None:
        self._embeddings = Embeddings()
        self._embeddings.load(str(self.folder), config=self._vectors)

    def ask(self, question: str, top_k: int) -> list[str]:
        return [found["text"] for found in self._embeddings.search(question, top_k)]

    def _keep(self) -> None:
        # A function cannot be kept; whoever opens the index brings it along.
        transform = self._embeddings.config.pop("transform", None)
        self._embeddings.save(str(self.folder))
        if transform:
            self._embeddings.config["transform"] = transform


if __name__ == "__main__":
    serve(Txtai)
