"""Measure an engine beside the folder it was filled from, as the number of passages grows.

    python benchmarks/engine.py [--engine ADDRESS] [--passages 1000 10000 ...] [--json FILE]

Without an address, Milvus Lite runs in this process, so that its work is in the times; of a server only the
client's share is. Texts and vectors are generated (`generated.py`). Passages are compared with those of an
exhaustive search: the ten best, in their order.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Threads that wait for one another burn processor time, which is what is measured here.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from generated import PASSAGES_A_DOCUMENT, Language, WordsEncoder, write_corpus

from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.engine_settings import EngineSettings
from b12qa.engines import Milvus
from b12qa.index import open_index
from b12qa.progress import no_progress
from b12qa.publishing import verify
from b12qa.retrieval import Retriever

SIZES = (1_000, 10_000)
QUESTIONS = 40
TOP_K = 10


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds of the clock, seconds of the processor, and the result."""
    clock, processor = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - clock, time.process_time() - processor, result


def found_by(retriever: Retriever, question: str) -> list[tuple[str, int, float]]:
    """Where the best passages are, and how they score."""
    return [(found.document, found.start, found.score) for found in retriever.search(question, TOP_K)]


def measure(size: int, folder: Path, address: str) -> dict[str, Any]:
    """One row of the table."""
    encoder = WordsEncoder()
    write_corpus(folder / "corpus", size)
    by_type = {}
    for index_type in ("flat", "ivf"):
        build_index(read_corpus(folder / "corpus"), encoder, folder / index_type, index_type=index_type)
        by_type[index_type] = Retriever(open_index(folder / index_type), encoder)
    index = by_type["ivf"].index
    store = Milvus(EngineSettings(address or str(folder / "engine.db"), timeout_seconds=120))
    filled, filled_processor, _ = timed(lambda: store.fill(index, no_progress))
    verified, _, _ = timed(lambda: verify(index, store))
    store.serve(index.generation)
    far = Retriever(open_index(folder / "ivf", store), encoder)
    ways = {"every row": by_type["flat"], "folder": by_type["ivf"], "engine": far}
    found: dict[str, list[list[tuple[str, int, float]]]] = {name: [] for name in ways}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for question in Language().questions(QUESTIONS + 1, max(1, size // PASSAGES_A_DOCUMENT)):
        for name, retriever in ways.items():
            clock, processor, passages = timed(lambda r=retriever, q=question: found_by(r, q))  # type: ignore[misc]
            times[name].append((clock, processor))
            found[name].append(passages)
    wanted = [[passage[:2] for passage in passages] for passages in found["every row"]]
    row: dict[str, Any] = {"passages": size, "filled_seconds": filled, "filled_processor": filled_processor}
    row["verified_seconds"] = verified
    row["same_as_folder"] = sum(
        one == other for one, other in zip(found["folder"], found["engine"], strict=True)
    )
    row["questions"] = len(wanted)
    for name in ways:
        places = [[passage[:2] for passage in passages] for passages in found[name]]
        row[name] = {
            "same_passages_in_order": sum(one == other for one, other in zip(wanted, places, strict=True)),
            "recall_at_10": statistics.mean(
                len({*one} & {*other}) / len(one) for one, other in zip(wanted, places, strict=True)
            ),
            "clock_milliseconds": 1000 * statistics.median(clock for clock, _ in times[name][1:]),
            "processor_milliseconds": 1000 * statistics.median(cpu for _, cpu in times[name][1:]),
        }
    store.close()
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The measures as Markdown."""
    lines = [
        "| passages | way | same ten in order | recall@10 | ms | processor ms | filling s (processor s) |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        for name in ("every row", "folder", "engine"):
            way = row[name]
            filled = (
                f"{row['filled_seconds']:.0f} ({row['filled_processor']:.0f})" if name == "engine" else ""
            )
            lines.append(
                f"| {row['passages']:,} | {name} | {way['same_passages_in_order']} of {row['questions']} "
                f"| {way['recall_at_10']:.4f} | {way['clock_milliseconds']:.0f} "
                f"| {way['processor_milliseconds']:.0f} | {filled} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", default="", metavar="ADDRESS", help="of a Milvus; otherwise Milvus Lite")
    parser.add_argument("--passages", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures there as well")
    options = parser.parse_args()
    rows = []
    for size in options.passages:
        print(f"measuring {size:,} passages …", file=sys.stderr)
        with tempfile.TemporaryDirectory() as temporary:
            rows.append(measure(size, Path(temporary), options.engine))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
