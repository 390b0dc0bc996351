"""LangChain: its FAISS store over its own splitter, and its ensemble with BM25 where hybrid is asked for."""

from __future__ import annotations

from pathlib import Path

from langchain_community.vectorstores import FAISS
from langchain_core.embeddings import Embeddings
from protocol import PassagesRunner, StandIn, model_folder, serve


class StandInEmbeddings(Embeddings):
    """What gives vectors instead of the model, as LangChain wants it."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = self._stand_in.encode(texts).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class LangChain(PassagesRunner):
    """Retrievers as its guides make them."""

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        self._embeddings: Embeddings
        if stand_in is not None:
            self._embeddings = StandInEmbeddings(stand_in)
            return
        from langchain_huggingface import HuggingFaceEmbeddings

        self._embeddings = HuggingFaceEmbeddings(
            model_name=model_folder(),
            model_kwargs={"device": "cpu"},
            encode_kwargs={"normalize_embeddings": True},
        )

    def cut(self, text: str) -> list[str]:
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        return list(RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_text(text))

    def index(self, passages: list[str]) -> None:
        self._store = FAISS.from_texts(passages, self._embeddings)
        self._keep()

    def index_more(self, passages: list[str]) -> None:
        self._store.add_texts(passages)
        self._keep()

    def open(self) -> None:
        # Kept by ourselves a moment ago; its default refuses, since it unpickles.
        self._store = FAISS.load_local(
            str(self.folder), self._embeddings, allow_dangerous_deserialization=True
        )
        self._make_retriever()

    def ask(self, question: str, top_k: int) -> list[str]:
        return [found.page_content for found in self._retriever.invoke(question)[:top_k]]

    def _keep(self) -> None:
        self._store.save_local(str(self.folder))
        self._make_retriever()

    def _make_retriever(self) -> None:
        self._retriever = self._store.as_retriever(search_kwargs={"k": 3})
        if not self.hybrid:
            return
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.retrievers import BM25Retriever

        documents = list(self._store.docstore._dict.values())  # its BM25 cannot be kept
        words = BM25Retriever.from_documents(documents, k=3)
        self._retriever = EnsembleRetriever(retrievers=[words, self._retriever], weights=[0.5, 0.5])


if __name__ == "__main__":
    serve(LangChain)
