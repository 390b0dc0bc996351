"""b12qa as a notebook calls it. B12QA_ENCODER says what embeds questions."""

from __future__ import annotations

import shutil
from pathlib import Path

from protocol import Runner, StandIn, serve

import b12qa


class B12qa(Runner):
    """`load`, `ask`, `search`, and the build behind `b12qa build`. It reads files and cuts them itself."""

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        self._corpus, self._index = folder / "corpus", folder / "index"

    def prepare(self) -> None:
        from b12qa.embedding import Encoder, load_encoder

        self._encoder: Encoder = load_encoder() if self.stand_in is None else self.stand_in.encoder

    def build(self, corpus: Path, cut: str) -> int:
        shutil.rmtree(self._corpus, ignore_errors=True)
        shutil.copytree(corpus, self._corpus)
        self._count = self._build()
        return self._count

    def add(self, corpus: Path, cut: str) -> int:
        before = self._count
        shutil.copytree(corpus, self._corpus, dirs_exist_ok=True)
        self._count = self._build()
        return self._count - before

    def open(self) -> None:
        if self.stand_in is None:
            self._assistant = b12qa.load(self._index)
            return
        from b12qa.answering import Assistant
        from b12qa.index import open_index
        from b12qa.retrieval import Retriever

        self._assistant = Assistant(Retriever(open_index(self._index), self.stand_in.encoder))

    def ask(self, question: str, top_k: int) -> list[str]:
        return [quote.text for quote in self._assistant.ask(question, max_quotes=top_k).quotes]

    def search(self, question: str, top_k: int) -> list[str]:
        return [passage.text for passage in self._assistant.search(question, top_k=top_k)]

    def embed(self, question: str) -> None:
        self._assistant.retriever.encoder.encode([question])

    def _build(self) -> int:
        from b12qa.building import build_index
        from b12qa.corpus import read_corpus
        from b12qa.exporting import export_encoder

        report = build_index(read_corpus(self._corpus), self._encoder, self._index)
        export_encoder(self._encoder, self._index)
        return report.chunks


if __name__ == "__main__":
    serve(B12qa)
