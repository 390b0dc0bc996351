"""Take away each part of the search in turn and measure, on the development questions unless told otherwise.

python evals/ablate.py [evals/dev.jsonl ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import faiss

import b12qa
from b12qa.answering import Assistant
from b12qa.embedding import RememberingEncoder
from b12qa.evaluation import evaluate, read_question_sets
from b12qa.lexical import Vocabulary
from b12qa.retrieval import Parts, Retriever

HERE = Path(__file__).parent
SHOWN = {
    "evidence success@1, stand-alone": "@1",
    "evidence success@3, stand-alone": "@3",
    "right sentence highlighted first, stand-alone": "sentence",
    "evidence success@1, follow-ups": "follow-ups @1",
    "evidence success@3, follow-ups": "follow-ups @3",
    "AUROC of confidence, near misses": "AUROC near",
    "AUROC of confidence, far-off": "AUROC far",
    "false answers at 90 % coverage, near misses": "false at 90 %",
}


class NoCorrection(Vocabulary):
    """Searches a question as it was typed."""

    def bring_to(self, question: str) -> str:
        return question


def variants(retriever: Retriever) -> dict[str, Retriever]:
    """The retriever, and what is left of it without each part."""
    whole, index = Parts(), retriever.index
    words = index.words
    known = words.vocabulary
    as_typed = NoCorrection(known.counts, known.document_words, known.answered_words, known.synonyms)
    unspelt = replace(index, words=replace(words, vocabulary=as_typed))
    nothing = faiss.IndexFlatIP(index.sentence_vectors.d)
    no_bank = replace(
        index,
        questions=(),
        open_questions=(),
        question_vectors=nothing,
        open_question_vectors=nothing,
        bank_models={},
    )
    return {
        "everything": retriever,
        "without the regression": replace(retriever, parts=replace(whole, taught=0.0)),
        "without BM25 over the bank": replace(retriever, parts=replace(whole, taught_words=0.0)),
        "without the article's own scores": replace(retriever, parts=replace(whole, own_with_bank=0.0)),
        "without passage cosine": replace(retriever, parts=replace(whole, chunk_cosine=0.0)),
        "without sentence cosine": replace(retriever, parts=replace(whole, sentence_cosine=0.0)),
        "without BM25 over the article": replace(
            retriever, parts=replace(whole, chunk_words=0.0, sentence_words=0.0)
        ),
        "without spelling and synonyms": replace(retriever, index=unspelt),
        "no bank": replace(retriever, index=no_bank),
        "no bank, no BM25": replace(
            retriever, index=no_bank, parts=replace(whole, whole_words=0.0, sentence_words=0.0)
        ),
        "no bank, no likest sentence": replace(
            retriever, index=no_bank, parts=replace(whole, likest_sentence=0.0)
        ),
        "no bank, dense passages only": replace(
            retriever,
            index=no_bank,
            parts=replace(
                whole, sentence_cosine=0.0, likest_sentence=0.0, whole_words=0.0, sentence_words=0.0
            ),
        ),
    }


def main(files: Sequence[str]) -> None:
    """Print the table."""
    rows = read_question_sets(files or [HERE / "dev.jsonl"])
    rows = [row for row in rows if row.kind != "urgent"]
    retriever = b12qa.load(HERE.parent / "index", build=True).retriever
    retriever = replace(retriever, encoder=RememberingEncoder(retriever.encoder))
    print("| | " + " | ".join(SHOWN.values()) + " |")
    print("|---" * (len(SHOWN) + 1) + "|")
    for name, variant in variants(retriever).items():
        measures = evaluate(Assistant(variant), rows).measures
        print(f"| {name} | " + " | ".join(f"{measures[key].value:.3f}" for key in SHOWN) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
