"""Measure what b12qa costs on this machine: space, time and memory.

    python benchmarks/measure.py [--json FILE] [--runs N]

Every number is the median of several runs, in a new process wherever what ran before could help.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "corpus"
QUESTION = "how much b12 in clams"
QUESTIONS = (str(ROOT / "evals" / "dev.jsonl"), "200")  # so many of them, from everywhere in the file
TIMEOUT_SECONDS = 1800

ANSWERING = """
import json, statistics, sys, time
from dataclasses import replace
import psutil
import b12qa
from b12qa.answering import Assistant
assistant = b12qa.load(sys.argv[1], corpus=sys.argv[2])
rows = [json.loads(line) for line in open(sys.argv[3], encoding="utf-8")]
rows = rows[:: max(1, len(rows) // int(sys.argv[4]))]
assistant.ask(rows[0]["question"])
memory = psutil.Process().memory_info().rss
encoder = assistant.retriever.encoder
class Counting:
    def __init__(self):
        self.texts = 0
    def __getattr__(self, name):
        return getattr(encoder, name)
    def encode(self, texts):
        self.texts += len(texts)
        return encoder.encode(texts)
counting = Counting()
asked = Assistant(replace(assistant.retriever, encoder=counting))
def milliseconds(call):  # of computing: on a busy machine others' turns are no cost of ours
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1000
ask, encode, texts = [], [], []
for row in rows:  # in turns, so that a busy moment meets both
    counting.texts = 0
    encode.append(milliseconds(lambda: encoder.encode([row["question"]])))
    ask.append(milliseconds(lambda: asked.ask(row["question"], row["history"])))
    texts.append(counting.texts)
print(json.dumps({"memory": memory, "ask": ask, "encode": encode, "texts": texts}))
"""

BUILDING = r"""
import json, re, statistics, sys, time
from pathlib import Path
from b12qa.building import build_index
from b12qa.corpus import read_corpus
from b12qa.embedding import load_encoder
folder, runs = Path(sys.argv[1]), int(sys.argv[2])
corpus, encoder = folder / "corpus", load_encoder()
def build(index):
    started = time.perf_counter()
    report = build_index(read_corpus(corpus), encoder, folder / index)
    return report, time.perf_counter() - started
def content(index, report):
    return {path.name: path.read_bytes() for path in (folder / index / report.generation).iterdir()}
for notes in corpus.glob("*.notes.yaml"):  # an edit would leave a note in the air, which stops a build
    notes.unlink()
first, seconds = build("grown")
full, incremental, embedded = [seconds], [], []
document = sorted(corpus.glob("*.md"))[-1]
for number in range(runs):
    text = document.read_text("utf-8")
    end = re.search(r"[a-z0-9]\.(?=\s)", text).start() + 1
    document.write_text(text[:end] + f", edit {number}" + text[end:], "utf-8")
    report, seconds = build("grown")
    incremental.append(seconds)
    embedded.append(report.embedded)
again, seconds = build("new")
full.append(seconds)
print(json.dumps({
    "texts": first.embedded,
    "full": statistics.median(full),
    "incremental": statistics.median(incremental),
    "embedded": statistics.median(embedded),
    "unchanged": statistics.median(build("grown")[1] for _ in range(runs)),
    "same_bytes": content("grown", report) == content("new", again),
}))
"""
STARTING = """
import json, sys, time
import psutil
marks = [time.process_time()]
def mark():
    marks.append(time.process_time())
import b12qa
mark()
assistant = b12qa.load(sys.argv[1], corpus=sys.argv[2])
mark()
assistant.ask("how much b12 in clams")
mark()
names = ("import_cpu_seconds", "load_cpu_seconds", "first_ask_cpu_seconds")
found = dict(zip(names, (later - sooner for sooner, later in zip(marks, marks[1:]))))
print(json.dumps({**found, "memory_megabytes": psutil.Process().memory_info().rss / 1e6}))
"""
COMMAND_LINE = "from b12qa.cli import app; app()"
ENCODERS = ("torch", "onnx")
MANY_DOCUMENTS = 2000
SUBJECTS = [
    "kettle",
    "lantern",
    "harbour",
    "orchard",
    "violin",
    "glacier",
    "compass",
    "saddle",
    "quarry",
    "beacon",
]
PREDICATES = ("rests", "gleams", "drifts", "cools", "mends", "fades", "settles", "turns")


def measure(runs: int) -> dict[str, Any]:
    """Everything, by name; the names say the units."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        where = ["--index", str(index), "--corpus", str(CORPUS)]
        command = [sys.executable, "-c", "from b12qa.cli import app; app()"]
        note("building the index")
        build_seconds = seconds([*command, "build", *where])
        note("answering on the command line")
        first_answer_seconds = median(runs, lambda: seconds([*command, "ask", QUESTION, *where]))
        note("importing")
        python_seconds = median(runs * 3, lambda: seconds([sys.executable, "-c", "pass"]))
        import_seconds = median(runs * 3, lambda: seconds([sys.executable, "-c", "import b12qa"]))
        note("answering in one process")
        inside = [
            json.loads(output([sys.executable, "-c", ANSWERING, str(index), str(CORPUS), *QUESTIONS]))
            for _ in range(runs)
        ]
        note("starting with and without torch")
        starts = started(index, runs)
        note("building again after an edit of the article")
        article = rebuilt(Path(folder) / "article", runs, copy_corpus)
        note(f"building again after an edit of one of {MANY_DOCUMENTS} documents")
        many = rebuilt(Path(folder) / "many", runs, write_documents)
        index_bytes = sum(path.stat().st_size for path in index.rglob("*") if path.is_file())
    asks = question_costs(inside)
    return {
        "machine": machine(),
        "runs": runs,
        "runtime_megabytes": installed_bytes(runtime_packages("b12qa")) / 1e6,
        "environment_megabytes": installed_bytes(all_packages()) / 1e6,
        "index_megabytes": index_bytes / 1e6,
        "build_seconds": build_seconds,
        "first_answer_seconds": first_answer_seconds,
        "import_seconds": import_seconds - python_seconds,
        "memory_megabytes": statistics.median(one["memory"] for one in inside) / 1e6,
        **asks,
        "starts": starts,
        "article_builds": article,
        "many_documents_builds": many,
    }


def table(measured: dict[str, Any]) -> str:
    """The measures as Markdown."""
    rows = [
        ("b12qa and what it needs, installed", f"{measured['runtime_megabytes']:,.0f} MB"),
        ("the whole environment, with notebooks and tests", f"{measured['environment_megabytes']:,.0f} MB"),
        ("index of the article", f"{measured['index_megabytes']:.1f} MB"),
        ("`b12qa build`", f"{measured['build_seconds']:.1f} s"),
        ("`b12qa ask`, from start to answer", f"{measured['first_answer_seconds']:.1f} s"),
        ("`import b12qa`, over plain Python", f"{measured['import_seconds']:.2f} s"),
        ("memory of a process that has answered", f"{measured['memory_megabytes']:,.0f} MB"),
        ("one question, in a process that has answered", f"{measured['ask_milliseconds']:.1f} ms CPU"),
        ("one embedding of it", f"{measured['encode_milliseconds']:.1f} ms CPU"),
        *[
            (f"a question over its embedding, {share}", f"{times:.2f} times")
            for share, times in measured["ask_over_encode"].items()
        ],
        *start_rows(measured["starts"]),
        *build_rows("the article", measured["article_builds"]),
        *build_rows(f"{MANY_DOCUMENTS:,} documents", measured["many_documents_builds"]),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"| {'what':{width}} | {'median':>10} |", f"|{'-' * (width + 2)}|{'-' * 11}:|"]
    lines += [f"| {name:{width}} | {value:>10} |" for name, value in rows]
    return f"{measured['machine']}; medians of {measured['runs']} runs, one build.\n\n" + "\n".join(lines)


def question_costs(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of what questions and their embeddings cost, and how the ratio of the two is spread.

    A question in a conversation, or one that holds several, is searched in several ways, each embedded.
    """
    pairs = [pair for run in runs for pair in zip(run["texts"], run["ask"], run["encode"], strict=True)]
    ratios = [(texts, ask / encode) for texts, ask, encode in pairs]
    every = sorted(ratio for _, ratio in ratios)
    spread = {f"{share} % of questions": every[len(every) * share // 100] for share in (10, 50, 90)}
    for texts in sorted({texts for texts, _ in ratios}):
        some = [ratio for count, ratio in ratios if count == texts]
        spread[f"{texts} texts embedded, {len(some) / len(every):.0%} of them"] = statistics.median(some)
    return {
        "ask_milliseconds": statistics.median(ask for _, ask, _ in pairs),
        "encode_milliseconds": statistics.median(encode for _, _, encode in pairs),
        "ask_over_encode": spread,
    }


def build_rows(corpus: str, builds: dict[str, Any]) -> list[tuple[str, str]]:
    """What builds of a corpus cost, with the model loaded."""
    share = builds["full"] / builds["incremental"]
    return [
        (f"{corpus}: a build from nothing, {builds['texts']:,} texts", f"{builds['full']:.1f} s"),
        (
            f"{corpus}: after an edit of one sentence, {builds['embedded']:.0f} texts",
            f"{builds['incremental']:.1f} s",
        ),
        (f"{corpus}: from nothing over after an edit", f"{share:.1f} times"),
        (f"{corpus}: a build without an edit", f"{builds['unchanged']:.1f} s"),
        (f"{corpus}: the same bytes either way", "yes" if builds["same_bytes"] else "NO"),
    ]


def start_rows(starts: dict[str, dict[str, float]]) -> list[tuple[str, str]]:
    """What a start costs with the model itself and with its export, and the share."""
    by_torch, by_export = (starts[encoder] for encoder in ENCODERS)
    rows = []
    for name, words, unit in (
        ("import_cpu_seconds", "`import b12qa`", "s CPU"),
        ("load_cpu_seconds", "`b12qa.load()`", "s CPU"),
        ("first_ask_cpu_seconds", "the first question", "s CPU"),
        ("command_cpu_seconds", "`b12qa ask`, from start to answer", "s CPU"),
        ("chat_cpu_seconds", "`b12qa chat`, from start to the first answer", "s CPU"),
        ("memory_megabytes", "memory of a process that has answered", "MB"),
    ):
        before, after = by_torch[name], by_export[name]
        digits = 0 if unit == "MB" else 2
        shown = f"{before:.{digits}f} → {after:.{digits}f} {unit} ({after / before:.2f})"
        rows.append((f"{words}: torch → export", shown))
    return rows


# Starts.


def started(index: Path, runs: int) -> dict[str, dict[str, float]]:
    """Medians by encoder; the two take turns, so that a busy moment meets both.

    Libraries import what happens to be there: Gradio for one MCP and IPython, which come with the tests.
    What `make chat` does not install is hidden from what is started here.
    """
    found: dict[str, list[dict[str, float]]] = {encoder: [] for encoder in ENCODERS}
    for _ in range(runs):
        for encoder in ENCODERS:
            os.environ["B12QA_ENCODER"] = encoder
            start = json.loads(output([*alone(STARTING), str(index), str(CORPUS)]))
            start["command_cpu_seconds"] = command_cpu_seconds(index)
            start["chat_cpu_seconds"] = chat_cpu_seconds(index)
            found[encoder].append(start)
    del os.environ["B12QA_ENCODER"]
    return {
        encoder: {name: statistics.median(start[name] for start in starts) for name in starts[0]}
        for encoder, starts in found.items()
    }


@cache
def alone(program: str) -> list[str]:
    """The command that runs a program as if nothing but b12qa and what it needs were installed."""
    needed = runtime_packages("b12qa")
    of_modules = metadata.packages_distributions()
    hidden = [m for m, of in of_modules.items() if needed.isdisjoint(map(_normalized, of)) and m != "psutil"]
    hide = f"import sys; sys.modules.update(dict.fromkeys({sorted(hidden)!r}))"
    return [sys.executable, "-c", f"{hide}\n{program}"]


def command_cpu_seconds(index: Path) -> float:
    """What the command line computes to answer one question."""
    before = os.times()
    where = ["--index", str(index), "--corpus", str(CORPUS)]
    output([*alone(COMMAND_LINE), "ask", QUESTION, *where])
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def chat_cpu_seconds(index: Path) -> float:
    """What the chat computes from its start until it has answered one question over HTTP."""
    import psutil

    where = ["--index", str(index), "--corpus", str(CORPUS), "--port", "0"]
    command = [*alone(COMMAND_LINE), "chat", *where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as chat:
        try:
            line = next(line for line in chat.stdout or () if "http://" in line)
            address = next(word for word in line.split() if word.startswith("http://"))
            body = json.dumps({"question": QUESTION}).encode()
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}/api/ask", body, headers)  # noqa: S310 (our own server)
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                answer.read()
            times = psutil.Process(chat.pid).cpu_times()
        finally:
            chat.terminate()
    return float(times.user + times.system)


# Builds.


def rebuilt(folder: Path, runs: int, make_corpus: Callable[[Path], object]) -> dict[str, Any]:
    """Build a corpus from nothing, after edits, and from nothing again."""
    folder.mkdir()
    make_corpus(folder / "corpus")
    found: dict[str, Any] = json.loads(output([sys.executable, "-c", BUILDING, str(folder), str(runs)]))
    return found


def copy_corpus(corpus: Path) -> None:
    """The article and what stands beside it, to be edited."""
    shutil.copytree(CORPUS, corpus)


def write_documents(corpus: Path) -> None:
    """Many small documents, always the same, no two alike."""
    corpus.mkdir()
    for number in range(MANY_DOCUMENTS):
        subject = SUBJECTS[number % len(SUBJECTS)]
        sentences = [
            f"The {subject} {number} {PREDICATES[(number + place) % len(PREDICATES)]} at noon on day {place}."
            for place in range(3)
        ]
        text = f"# The {subject} {number}\n\n{sentences[0]} {sentences[1]}\n\n## Later\n\n{sentences[2]}\n"
        (corpus / f"document-{number:04}.md").write_text(text, "utf-8")


# Times.


def seconds(command: list[str]) -> float:
    """How long a command takes, from start to end."""
    started = time.perf_counter()
    output(command)
    return time.perf_counter() - started


def output(command: list[str]) -> str:
    """What a command prints; what goes wrong is shown."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=ROOT)
    if ran.returncode:
        sys.exit(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stderr}")
    return ran.stdout


def median(runs: int, measured: Callable[[], float]) -> float:
    """The median of several runs, after one that warms the disk cache."""
    measured()
    return statistics.median(measured() for _ in range(runs))


# Sizes.


def all_packages() -> set[str]:
    """Every installed distribution."""
    return {_normalized(distribution.metadata["Name"]) for distribution in metadata.distributions()}


def runtime_packages(name: str) -> set[str]:
    """A distribution and what it needs to run, directly or not, without extras it does not name."""
    from packaging.requirements import Requirement

    found: set[tuple[str, str]] = set()
    waiting = [(_normalized(name), "")]
    while waiting:
        package, extra = waiting.pop()
        if (package, extra) in found:
            continue
        found.add((package, extra))
        try:
            required = metadata.requires(package) or []
        except metadata.PackageNotFoundError:  # needed on other systems only
            continue
        for line in required:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(_normalized(requirement.name), wanted) for wanted in ("", *requirement.extras)]
    return {package for package, _ in found}


def installed_bytes(packages: set[str]) -> int:
    """Space that the files of distributions take, each file once."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        found.setdefault(_normalized(distribution.metadata["Name"]), distribution)  # the one that is imported
    files: set[Path] = set()
    for name in packages & found.keys():
        files |= {Path(str(found[name].locate_file(file))) for file in found[name].files or ()}
    return sum(path.stat().st_size for path in files if path.is_file())


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# The machine.


def machine() -> str:
    """Processor, memory, system and Python; nothing that names this one machine."""
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, torch {metadata.version('torch')}"
    )


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", facts.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or "unknown processor"


def note(text: str) -> None:
    """Say what is going on, beside the table."""
    print(f"{text} …", file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures there as well")
    parser.add_argument("--runs", type=int, default=5, help="runs of which the median is taken")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    measured = measure(arguments.runs)
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", "utf-8")
    print(table(measured))


if __name__ == "__main__":
    main()
