"""Measure what a question and a build cost as the number of passages grows.

    python benchmarks/scale.py [--passages 1000 10000 ...] [--runs N] [--model] [--json FILE]

Texts and vectors are generated (`generated.py`), so nothing here says what the embedding model costs: a
question takes one embedding more, a build one for every passage and every sentence, whatever the size.
With --model the real one embeds the generated texts, and its time is counted: for what an edit saves.
Questions are asked of all sizes in turns, so that a busy moment meets all of them; times are processor time
of the process, medians over the questions. Recall is against an exhaustive search of the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Threads that wait for one another burn processor time, which is what is measured here.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from generated import PASSAGES_A_DOCUMENT, Language, WordsEncoder, write_corpus

from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import Encoder, load_encoder
from b12qa.index import open_index
from b12qa.retrieval import Reading, Retriever

SIZES = (1_000, 10_000)
QUESTIONS = 30
TOP_K = 10
# Beyond so many passages an exhaustive index of the same rows is not built to compare with.
COMPARED_UP_TO = 200_000

BUILDING = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from generated import WordsEncoder
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import load_encoder
real = sys.argv[5] == "True"
encoder, own = load_encoder() if real else WordsEncoder(), [0.0]
encode = encoder.encode
def timed(texts):
    started = time.process_time()
    vectors = encode(texts)
    own[0] += time.process_time() - started
    return vectors
if not real:
    encoder.encode = timed
started = time.process_time()
report = build_index(read_corpus(Path(sys.argv[2])), encoder, Path(sys.argv[3]), index_type=sys.argv[4])
print(json.dumps({
    "passages": report.chunks, "sentences": report.sentences, "embedded": report.embedded,
    "seconds": time.process_time() - started - own[0],
    "memory_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def built(corpus: Path, index: Path, model: bool, index_type: str = "auto") -> dict[str, Any]:
    """Build in a process of its own, and say what it cost, without what a stand-in for the model takes."""
    command = [sys.executable, "-c", BUILDING, str(Path(__file__).parent), corpus, index, index_type, model]
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    measured: dict[str, Any] = json.loads(ran.stdout)
    return measured


def edit(corpus: Path) -> None:
    """Change one sentence of the last document."""
    document = sorted(corpus.glob("*.md"))[-1]
    document.write_text(document.read_text("utf-8").replace(".", " indeed.", 1), "utf-8")


def processor_time(call: Callable[[], object]) -> float:
    """Seconds."""
    started = time.process_time()
    call()
    return time.process_time() - started


def found_by(retriever: Retriever, question: str) -> set[tuple[str, int]]:
    """Where the best passages are."""
    return {(passage.document, passage.start) for passage in retriever.search(question, TOP_K)}


def measure(sizes: list[int], runs: int, model: bool, folder: Path) -> list[dict[str, Any]]:
    """One row for each size."""
    encoder: Encoder = load_encoder() if model else WordsEncoder()
    rows, retrievers, questions = [], [], []
    for size in sizes:
        print(f"building {size:,} passages …", file=sys.stderr)
        corpus, index = folder / str(size) / "corpus", folder / str(size) / "index"
        if not corpus.exists():
            write_corpus(corpus, size)
        full = built(corpus, index, model)
        edit(corpus)
        after_edit = built(corpus, index, model)
        started = time.process_time()
        retriever = Retriever(open_index(index), encoder)
        opened = time.process_time() - started
        asked = Language().questions(QUESTIONS, size // PASSAGES_A_DOCUMENT)
        shortcuts = retriever.index.shortcuts
        recall = 1.0
        if shortcuts and size <= COMPARED_UP_TO:
            exact = folder / str(size) / "exact"
            build_index(read_corpus(corpus), encoder, exact, index_type="flat")
            exhaustive = Retriever(open_index(exact), encoder)
            shared = [len(found_by(exhaustive, q) & found_by(retriever, q)) / TOP_K for q in asked]
            recall = statistics.mean(shared)
        files = [path.stat().st_size for path in (index / retriever.index.generation).iterdir()]
        rows.append(
            {
                "passages": full["passages"],
                "sentences": full["sentences"],
                "index_type": shortcuts.sentences.facts.to_dict() if shortcuts else {"type": "flat"},
                "recall_at_10": recall if size <= COMPARED_UP_TO or not shortcuts else None,
                "build_seconds": full["seconds"],
                "build_memory_megabytes": full["memory_megabytes"],
                "edit_seconds": after_edit["seconds"],
                "edit_embedded": after_edit["embedded"],
                "open_seconds": opened,
                "index_bytes_per_passage": sum(files) / full["passages"],
            }
        )
        retrievers.append(retriever)
        questions.append(asked)
        retriever.search(asked[0])  # what is made once for all questions
    times: list[list[float]] = [[] for _ in sizes]
    for _ in range(runs):
        for number in range(QUESTIONS):
            for place, (retriever, asked) in enumerate(zip(retrievers, questions, strict=True)):
                reading = [Reading(asked[number])]
                times[place].append(processor_time(partial(retriever.rank, reading)))
    for row, of_size in zip(rows, times, strict=True):
        row["question_milliseconds"] = 1000 * statistics.median(of_size)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The measures as Markdown."""
    lines = [
        "| passages | sentences | index | recall@10 | question ms | opening s | build s | after an edit s "
        "| build memory MB | bytes a passage |",
        "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        facts = row["index_type"]
        kind = f"{facts['type']} {facts['probes']}/{facts['lists']}" if "lists" in facts else facts["type"]
        recall = "–" if row["recall_at_10"] is None else f"{row['recall_at_10']:.3f}"
        lines.append(
            f"| {row['passages']:,} | {row['sentences']:,} | {kind} | {recall} "
            f"| {row['question_milliseconds']:.1f} | {row['open_seconds']:.1f} | {row['build_seconds']:.1f} "
            f"| {row['edit_seconds']:.1f} | {row['build_memory_megabytes']:,.0f} "
            f"| {row['index_bytes_per_passage']:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passages", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", action="store_true", help="let the real model embed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures there as well")
    parser.add_argument("--folder", type=Path, help="keep the corpora and indexes there, and use those")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = measure(options.passages, options.runs, options.model, options.folder or Path(temporary))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
