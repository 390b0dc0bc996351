"""Ask every evaluation question in two ways, and compare what they show.

    python benchmarks/parity.py [--index DIR]                               the model itself, and its export
    python benchmarks/parity.py --index-type pq                             every row, and candidates
    python benchmarks/parity.py --engine engine.db [--index-type ivf]       the folder, and an engine

The engine is a file of Milvus Lite or the address of a Milvus; the index is sent there under the alias
b12qa_parity. With an index type, the folder is built again in a temporary copy, so that candidates are
looked up there; what it answers is compared with the index as it is. Ends with 1 if an answer or a ranking
differs. Nothing is judged, so the test half is not used up by it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from b12qa.answering import Assistant
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import RememberingEncoder, load_encoder
from b12qa.engine_settings import EngineSettings
from b12qa.engines import Milvus
from b12qa.evaluation import read_questions
from b12qa.exported import open_exported
from b12qa.index import open_index
from b12qa.progress import no_progress
from b12qa.publishing import publish
from b12qa.records import Answer
from b12qa.retrieval import Retriever

ROOT = Path(__file__).resolve().parent.parent
SETS = ("dev.jsonl", "test.jsonl")


def shown(answer: Answer) -> list[Any]:
    """What a reader sees of an answer, apart from the confidence."""
    quotes = [(quote.document, quote.start, quote.end, quote.highlights) for quote in answer.quotes]
    return [answer.outcome, answer.query, quotes, answer.notices, answer.care_card]


def model_and_export(folder: Path) -> tuple[Assistant, Assistant]:
    """The index with the model itself, and with its export."""
    index = open_index(folder)
    encoders = (load_encoder(), open_exported(folder, index.model_fingerprint))
    by_model, by_export = (Assistant(Retriever(index, RememberingEncoder(encoder))) for encoder in encoders)
    return by_model, by_export


def folder_and_other(
    folder: Path, address: str | None, index_type: str | None, temporary: Path
) -> tuple[Assistant, Assistant]:
    """The index as it is, and with candidates, through an engine that holds it, or both."""
    index = open_index(folder)
    encoder = RememberingEncoder(open_exported(folder, index.model_fingerprint))
    other = folder
    if index_type is not None:
        other = shutil.copytree(folder, temporary / "index")
        build_index(read_corpus(ROOT / "corpus"), load_encoder(), other, index_type=index_type)
    store = None
    if address is not None:
        store = Milvus(EngineSettings(address, name="b12qa_parity"))
        publish(open_index(other), store, no_progress)
    return Assistant(Retriever(index, encoder)), Assistant(Retriever(open_index(other, store), encoder))


def main() -> None:
    """Compare, and print what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--index", type=Path, default=ROOT / "index")
    parser.add_argument("--engine", metavar="ADDRESS", help="compare with an engine instead of the model")
    parser.add_argument("--index-type", choices=["ivf", "pq"], help="of the other folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        pair = (
            folder_and_other(options.index, options.engine, options.index_type, Path(temporary))
            if options.engine or options.index_type
            else model_and_export(options.index)
        )
        compare(*pair)


def compare(*pair: Assistant) -> None:
    """Ask both, and end with 1 if they differ."""
    different, largest, asked = 0, 0.0, 0
    for row in (row for name in SETS for row in read_questions(ROOT / "evals" / name)):
        one, other = (a.ask(row.question, row.history) for a in pair)
        ranks = [
            [(r.document, r.start, r.highlights) for r in a.search(row.question, row.history)] for a in pair
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
