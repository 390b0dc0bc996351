"""LlamaIndex: its vector index over its sentence splitter; hybrid is its fusion with BM25."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode
from protocol import FloatMatrix, PassagesRunner, StandIn, model_folder, serve

# Its default makes four passages of the article. Fusion is measured on smaller ones.
HYBRID_CUT = {"chunk_size": 256, "chunk_overlap": 20}


class StandInEmbedding(BaseEmbedding):
    """What gives vectors instead of the model, as LlamaIndex wants it."""

    encode: Any

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        found: FloatMatrix = self.encode(texts)
        listed: list[list[float]] = found.tolist()
        return listed

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class LlamaIndex(PassagesRunner):
    """Everything in memory, kept by its own `persist`."""

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        self._model: BaseEmbedding
        if stand_in is not None:
            self._model = StandInEmbedding(encode=stand_in.encode, embed_batch_size=2048)
            return
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self._model = HuggingFaceEmbedding(model_name=model_folder(), device="cpu")

    def cut(self, text: str) -> list[str]:
        splitter = SentenceSplitter(**HYBRID_CUT) if self.hybrid else SentenceSplitter()
        return list(splitter.split_text(text))

    def index(self, passages: list[str]) -> None:
        self._index = VectorStoreIndex(_nodes(passages), embed_model=self._model)
        self._keep()

    def index_more(self, passages: list[str]) -> None:
        self._index.insert_nodes(_nodes(passages))
        self._keep()

    def open(self) -> None:
        storage = StorageContext.from_defaults(persist_dir=str(self.folder))
        self._index = load_index_from_storage(storage, embed_model=self._model)
        self._make_retriever()

    def ask(self, question: str, top_k: int) -> list[str]:
        return [found.node.get_content() for found in self._retriever.retrieve(question)[:top_k]]

    def _keep(self) -> None:
        self._index.storage_context.persist(persist_dir=str(self.folder))
        self._make_retriever()

    def _make_retriever(self) -> None:
        self._retriever = self._index.as_retriever(similarity_top_k=3)
        if not self.hybrid:
            return
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.retrievers.bm25 import BM25Retriever

        words = BM25Retriever.from_defaults(docstore=self._index.docstore, similarity_top_k=3)
        self._retriever = QueryFusionRetriever(
            [self._retriever, words],
            llm=MockLLM(),  # it rewrites no question, but wants to know by whom
            mode="reciprocal_rerank",
            similarity_top_k=3,
            num_queries=1,
            use_async=False,
        )


def _nodes(passages: Sequence[str]) -> list[TextNode]:
    return [TextNode(text=passage) for passage in passages]


if __name__ == "__main__":
    serve(LlamaIndex)
