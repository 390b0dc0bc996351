"""The floor: `encode` of sentence-transformers, and one product of a matrix and a vector."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from protocol import FloatMatrix, PassagesRunner, StandIn, model_folder, serve


class Floor(PassagesRunner):
    """Nothing between the model and the reader."""

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        super().__init__(folder, stand_in, hybrid)
        if stand_in is None:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(model_folder(), device="cpu")

    def index(self, passages: list[str]) -> None:
        self._passages, self._vectors = list(passages), self._encode(passages)
        self._keep()

    def index_more(self, passages: list[str]) -> None:
        self._passages += passages
        self._vectors = np.vstack([self._vectors, self._encode(passages)])
        self._keep()

    def open(self) -> None:
        self._passages = json.loads((self.folder / "passages.json").read_text("utf-8"))
        self._vectors = np.load(self.folder / "vectors.npy")

    def ask(self, question: str, top_k: int) -> list[str]:
        scores = self._vectors @ self._encode([question])[0]
        best = np.argsort(-scores)[:top_k]
        return [self._passages[row] for row in best]

    def embed(self, question: str) -> None:
        self._encode([question])

    def _encode(self, texts: list[str]) -> FloatMatrix:
        if self.stand_in:
            return self.stand_in.encode(texts)
        found: FloatMatrix = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return found

    def _keep(self) -> None:
        (self.folder / "passages.json").write_text(json.dumps(self._passages), "utf-8")
        np.save(self.folder / "vectors.npy", self._vectors)


if __name__ == "__main__":
    serve(Floor)
