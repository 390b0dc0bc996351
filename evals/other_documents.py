"""Compare b12qa without a question bank with plain hybrid search, on documents that nobody prepared.

python evals/other_documents.py dev-v2.0.json [sample size]

The file is SQuAD 2.0 (Rajpurkar, Jia and Liang, 2018, arXiv:1806.03822), which is not part of this
repository. Plain hybrid search is the cosine of a question to title and paragraph plus 0.7 times BM25 over
the paragraphs, both standardized over all paragraphs. Both sides read the same texts with the same model.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import load_encoder
from b12qa.evaluation import auroc
from b12qa.index import open_index
from b12qa.lexical import LexicalIndex
from b12qa.retrieval import Reading, Retriever

SAMPLE_SIZE = 600
WORDS_WEIGHT = 0.7
RANKS = (1, 3, 5)
_MARKS = re.compile(r"[\\`*_\[\]<>#|~&]")

Array = npt.NDArray[Any]
Paragraph = tuple[str, int]  # a document's name, and where the paragraph begins in it


class Asked(NamedTuple):
    """A question, and the paragraph that answers it or seems to."""

    question: str
    paragraph: Paragraph
    answerable: bool


def write_corpus(articles: Sequence[Mapping[str, Any]], folder: Path) -> list[Asked]:
    """Write each article as a Markdown file of one heading and its paragraphs."""
    asked = []
    for article in articles:
        name = re.sub(r"\W+", "-", article["title"]).strip("-").lower()
        text = f"# {article['title'].replace('_', ' ')}\n"
        for paragraph in article["paragraphs"]:
            text += "\n"
            where = (name, len(text))
            words = " ".join(_MARKS.sub(" ", paragraph["context"]).split())
            text += re.sub(r"^(\d+)[.)]|^[-+=]", r"\1", words).strip() + "\n"
            asked += [
                Asked(question["question"], where, not question["is_impossible"])
                for question in paragraph["qas"]
            ]
        (folder / f"{name}.md").write_text(text, "utf-8")
    return asked


def standardized(scores: Array) -> Array:
    """Mean 0 and standard deviation 1."""
    centred: Array = scores - scores.mean()
    return centred / (scores.std() or 1.0)


def main(file: str, sample_size: int = SAMPLE_SIZE) -> None:
    """Print success@k of both sides, and how well each tells the answerable questions."""
    articles = json.loads(Path(file).read_text("utf-8"))["data"]
    encoder = load_encoder()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "corpus"
        folder.mkdir()
        everything = write_corpus(articles, folder)
        draw = np.random.default_rng(0)
        chosen = draw.permutation(len(everything))[:sample_size]
        asked = [everything[i] for i in chosen]
        corpus = read_corpus(folder)
        build_index(corpus, encoder, Path(temporary) / "index")
        retriever = Retriever(open_index(Path(temporary) / "index"), encoder)
    index = retriever.index

    starts = {(d.name, block.start): (d, block) for d in corpus.documents for block in d.blocks}
    places = {paragraph: number for number, paragraph in enumerate(starts)}
    texts = [document.text[block.start : block.end] for document, block in starts.values()]
    headed = [f"{document.title}\n{text}" for (document, _), text in zip(starts.values(), texts, strict=True)]
    vectors, words = encoder.encode(headed), LexicalIndex(texts)
    chunk_of = np.array([sentence.chunk for sentence in index.sentences])
    paragraph_of_chunk = np.array(
        [
            max(n for (name, start), n in places.items() if name == document.name and start <= chunk.start)
            for chunk in index.chunks
            for document in [index.documents[chunk.document]]
        ]
    )

    ranks: dict[str, list[int]] = {"plain hybrid": [], "b12qa": []}
    confidences: dict[str, list[float]] = {"plain hybrid": [], "b12qa": []}
    for question, paragraph, _ in asked:
        right = places[paragraph]
        cosines = vectors @ encoder.encode([question])[0]
        plain = standardized(cosines) + WORDS_WEIGHT * standardized(words.scores(question))
        ranking = retriever.rank([Reading(question)])
        ours = np.full(len(texts), -np.inf)
        np.maximum.at(ours, paragraph_of_chunk[chunk_of], ranking.scores)
        for name, scores in (("plain hybrid", plain), ("b12qa", ours)):
            ranks[name].append(1 + int((scores > scores[right]).sum()))
        confidences["plain hybrid"].append(float(cosines.max()))
        confidences["b12qa"].append(ranking.confidence)

    answerable = np.array([row.answerable for row in asked])
    print(f"{len(texts)} paragraphs, {answerable.sum()} answerable questions of {len(asked)}")
    for name in ranks:
        found = np.array(ranks[name])[answerable]
        told = np.array(confidences[name])
        success = " ".join(f"@{k} {(found <= k).mean():.3f}" for k in RANKS)
        print(f"{name:12} {success} AUROC {auroc(told[answerable], told[~answerable]):.3f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
