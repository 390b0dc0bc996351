"""Generated text and vectors for measurements of size: clustered as real text is, and no one's words.

Words are syllables drawn from a fixed seed, frequent and rare as in a language (Zipf); every document
has a topic, whose words it uses again and again. Vectors are sums of random vectors of the words, so
that shared words raise the cosine: an encoder that costs next to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatMatrix = npt.NDArray[np.float32]

SYLLABLES = [a + b for a in "bdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]
VOCABULARY = 60_000
COMMON_WORDS = 4_000
TOPIC_WORDS = 24
COMMON_WEIGHT = 0.3
PASSAGES_A_SECTION = 5
SECTIONS_A_DOCUMENT = 10
PASSAGES_A_DOCUMENT = PASSAGES_A_SECTION * SECTIONS_A_DOCUMENT


class Language:
    """Words with frequencies, and documents written in them."""

    def __init__(self, seed: int = 7) -> None:
        random = np.random.default_rng(seed)
        drawn = random.integers(len(SYLLABLES), size=(VOCABULARY * 2, 4))
        made = dict.fromkeys("".join(SYLLABLES[i] for i in row[: 2 + row[0] % 3]) for row in drawn)
        self.words = np.array(list(made)[:VOCABULARY])
        weights = 1 / np.arange(10, COMMON_WORDS + 10)
        self._common = np.cumsum(weights / weights.sum())

    def document(self, number: int, passages: int = PASSAGES_A_DOCUMENT) -> str:
        """One document in Markdown; the same number always gives the same."""
        random = np.random.default_rng([11, number])
        topic = random.integers(COMMON_WORDS, len(self.words), TOPIC_WORDS)
        parts = [f"# {' '.join(self.words[topic[:3]]).capitalize()} {number}\n"]
        for passage in range(passages):
            if passage % PASSAGES_A_SECTION == 0:
                parts.append(f"## {' '.join(self.words[random.choice(topic, 2)]).capitalize()}\n")
            parts.append(" ".join(self._sentence(random, topic) for _ in range(2)) + "\n")
        return "\n".join(parts)

    def questions(self, count: int, documents: int) -> list[str]:
        """Questions about documents that are there: some of a document's words in another order."""
        random = np.random.default_rng(13)
        asked = []
        for number in random.integers(documents, size=count):
            text = self.document(int(number)).split("\n\n")
            passage = text[int(random.integers(2, len(text)))].lower().replace(".", "").split()
            asked.append(" ".join(random.choice(passage, min(7, len(passage)), replace=False)))
        return asked

    def _sentence(self, random: np.random.Generator, topic: npt.NDArray[np.int64]) -> str:
        count = int(random.integers(7, 15))
        common = np.searchsorted(self._common, random.random(count))
        rows = np.where(random.random(count) < 0.4, random.choice(topic, count), common)
        return " ".join(self.words[rows]).capitalize() + "."


class WordsEncoder:
    """An `Encoder` of random vectors of words: for what everything but the model costs."""

    name = "words"
    max_tokens = 256

    def __init__(self, dimension: int = 384) -> None:
        self.dimension = dimension
        self.fingerprint = hashlib.sha256(f"words {dimension}".encode()).hexdigest()
        self._known: dict[str, FloatMatrix] = {}
        self._common = frozenset(Language().words[:COMMON_WORDS].tolist())

    def count_tokens(self, text: str) -> int:
        return len(text.split()) * 2 + 2

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            words = text.lower().replace(".", " ").replace("#", " ").split()
            vectors[row] = sum((self._of(word) for word in words), self._of(""))
        unit: FloatMatrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _of(self, word: str) -> FloatMatrix:
        if word not in self._known:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            random = np.random.default_rng(seed)
            # A model hears above all the words that say what a text is about.
            weight = COMMON_WEIGHT if word in self._common else 1.0
            self._known[word] = np.float32(weight) * random.standard_normal(self.dimension, dtype=np.float32)
        return self._known[word]


def write_corpus(folder: Path, passages: int) -> None:
    """A corpus of about so many passages."""
    folder.mkdir(parents=True, exist_ok=True)
    language = Language()
    for number, size in enumerate(_sizes(passages)):
        (folder / f"document-{number:06}.md").write_text(language.document(number, size), "utf-8")


def _sizes(passages: int) -> Iterator[int]:
    for start in range(0, passages, PASSAGES_A_DOCUMENT):
        yield min(PASSAGES_A_DOCUMENT, passages - start)
