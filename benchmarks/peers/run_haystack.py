"""Haystack: its in-memory store behind pipelines, passages of 200 words, its splitter's default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from protocol import PassagesRunner, StandIn, model_folder, serve


class Haystack(PassagesRunner):
    """A pipeline that embeds a question and retrieves; with ``hybrid`` it also joins BM25 by rank."""

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        self._kept = folder / "store.json"
        self._store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        self._embedder: Any = None

    def cut(self, text: str) -> list[str]:
        splitter = DocumentSplitter()
        splitter.warm_up()
        found = splitter.run(documents=[Document(content=text)])["documents"]
        return [document.content for document in found]

    def prepare(self) -> None:
        if self.stand_in is None:
            from haystack.utils import ComponentDevice
            from haystack_integrations.components.embedders.sentence_transformers import (
                SentenceTransformersDocumentEmbedder,
            )

            self._embedder = SentenceTransformersDocumentEmbedder(
                model=model_folder(),
                device=ComponentDevice.from_str("cpu"),
                normalize_embeddings=True,
                progress_bar=False,
            )
            self._embedder.warm_up()

    def index(self, passages: list[str]) -> None:
        self.index_more(passages)

    def index_more(self, passages: list[str]) -> None:
        if self.stand_in is not None:
            vectors = self.stand_in.encode(passages).tolist()
            documents = [
                Document(content=text, embedding=vector)
                for text, vector in zip(passages, vectors, strict=True)
            ]
        else:
            documents = self._embedder.run(documents=[Document(content=text) for text in passages])[
                "documents"
            ]
        self._store.write_documents(documents)
        self._store.save_to_disk(str(self._kept))

    def open(self) -> None:
        self._store = InMemoryDocumentStore.load_from_disk(str(self._kept))
        self._pipeline = Pipeline()
        self._pipeline.add_component("nearest", InMemoryEmbeddingRetriever(self._store, top_k=3))
        if self.stand_in is None:
            from haystack.utils import ComponentDevice
            from haystack_integrations.components.embedders.sentence_transformers import (
                SentenceTransformersTextEmbedder,
            )

            embedder = SentenceTransformersTextEmbedder(
                model=model_folder(),
                device=ComponentDevice.from_str("cpu"),
                normalize_embeddings=True,
                progress_bar=False,
            )
            self._pipeline.add_component("embedder", embedder)
            self._pipeline.connect("embedder.embedding", "nearest.query_embedding")
        if self.hybrid:
            self._pipeline.add_component("words", InMemoryBM25Retriever(self._store, top_k=3))
            joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=3)
            self._pipeline.add_component("joined", joiner)
            self._pipeline.connect("words", "joined")
            self._pipeline.connect("nearest", "joined")

    def ask(self, question: str, top_k: int) -> list[str]:
        inputs: dict[str, dict[str, Any]] = {"embedder": {"text": question}}
        if self.stand_in is not None:
            inputs = {"nearest": {"query_embedding": self.stand_in.encode([question])[0].tolist()}}
        if self.hybrid:
            inputs["words"] = {"query": question}
        found = self._pipeline.run(inputs)["joined" if self.hybrid else "nearest"]["documents"]
        return [document.content for document in found[:top_k]]


if __name__ == "__main__":
    serve(Haystack)
