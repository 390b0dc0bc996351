"""Chroma: one collection kept on disk, passages cut at blank lines, since it brings no splitter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings
from protocol import PassagesRunner, StandIn, model_folder, serve

COLLECTION = "passages"
# Cosines, and one thread, as for everyone.
CONFIGURATION = {"hnsw": {"space": "cosine", "num_threads": 1}}


class Chroma(PassagesRunner):
    """Its own function for sentence-transformers embeds; the stand-in's vectors are handed in."""

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(path=str(folder), settings=settings)
        self._function: Any = None
        if stand_in is None:
            from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

            self._function = SentenceTransformerEmbeddingFunction(
                model_name=model_folder(), device="cpu", normalize_embeddings=True
            )

    def index(self, passages: list[str]) -> None:
        self._collection = self._client.create_collection(
            COLLECTION, embedding_function=self._function, configuration=CONFIGURATION
        )
        self.index_more(passages)

    def index_more(self, passages: list[str]) -> None:
        before = self._collection.count()
        size = self._client.get_max_batch_size()
        for start in range(0, len(passages), size):
            some = passages[start : start + size]
            vectors = self.stand_in.encode(some) if self.stand_in else None
            ids = [str(before + start + number) for number in range(len(some))]
            self._collection.add(ids=ids, documents=some, embeddings=vectors)

    def open(self) -> None:
        self._collection = self._client.get_collection(COLLECTION, embedding_function=self._function)

    def ask(self, question: str, top_k: int) -> list[str]:
        asked: dict[str, Any] = {"query_texts": [question]}
        if self.stand_in:
            asked = {"query_embeddings": self.stand_in.encode([question])}
        return list(self._collection.query(**asked, n_results=top_k)["documents"][0])


if __name__ == "__main__":
    serve(Chroma)
