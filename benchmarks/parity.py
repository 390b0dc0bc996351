"""Ask every evaluation question of the model itself and of its export, and compare what they show.

    python benchmarks/parity.py [--index DIR]

Ends with 1 if an answer or a ranking differs. Nothing is judged, so the test half is not used up by it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from b12qa.answering import Assistant
from b12qa.embedding import RememberingEncoder, load_encoder
from b12qa.evaluation import read_questions
from b12qa.exported import open_exported
from b12qa.index import open_index
from b12qa.records import Answer
from b12qa.retrieval import Retriever

ROOT = Path(__file__).resolve().parent.parent
SETS = ("dev.jsonl", "test.jsonl")


def shown(answer: Answer) -> list[Any]:
    """What a reader sees of an answer, apart from the confidence."""
    quotes = [(quote.document, quote.start, quote.end, quote.highlights) for quote in answer.quotes]
    return [answer.outcome, answer.query, quotes, answer.notices, answer.care_card]


def main() -> None:
    """Compare, and print what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--index", type=Path, default=ROOT / "index")
    folder = parser.parse_args().index
    index = open_index(folder)
    encoders = (load_encoder(), open_exported(folder, index.model_fingerprint))
    by_model, by_export = (Assistant(Retriever(index, RememberingEncoder(encoder))) for encoder in encoders)
    different, largest, asked = 0, 0.0, 0
    for row in (row for name in SETS for row in read_questions(ROOT / "evals" / name)):
        one, other = (a.ask(row.question, row.history) for a in (by_model, by_export))
        ranks = [
            [(r.document, r.start, r.highlights) for r in a.search(row.question, row.history)]
            for a in (by_model, by_export)
        ]
        asked += 1
        largest = max(largest, abs(one.confidence - other.confidence))
        if shown(one) != shown(other) or ranks[0] != ranks[1]:
            different += 1
            print(f"{row.id}: {one.outcome} {one.confidence:.6f}, {other.outcome} {other.confidence:.6f}")
    print(f"{different} of {asked} questions differ; confidences by at most {largest:.1e}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
