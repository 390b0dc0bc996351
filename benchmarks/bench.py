"""Run b12qa beside what people would pick instead, on the same model and the same texts.

    python benchmarks/bench.py [--quick] [--million] [--only NAME ...] [--rounds N] [--json FILE]

Who takes part is in `contestants.py`; each is a small program in `peers/`, in an environment of its own that
the first run makes. In every round each contestant is started in a new process, one after the other, in
another order each time; then all are asked the same questions in turns, a few at a time, so that a busy
moment of the machine meets everybody. Everyone has one thread that computes, and nothing leaves the machine.

Writes `results/COMMIT.json` and `results/latest.svg` (a quick run: neither) and prints the tables.
`docs/benchmark.md` says what they mean.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from contestants import (
    B12QA,
    B12QA_TORCH,
    CHAT,
    COMMAND_LINE,
    CONTESTANTS,
    FLOOR,
    RANKING,
    WITHOUT_BANK,
    Contestant,
)
from environments import CACHE, PEERS, PeerEnvironmentError
from generated import PASSAGES_A_DOCUMENT, Language, write_corpus
from load import request, server
from measure import command_cpu_seconds, machine, note
from reports import plot, summary, tables
from talking import PATIENCE_SECONDS, SETTINGS, Crowd, RunnerError, Talker

import b12qa
from b12qa.evaluation import QuestionRow, read_questions

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
CORPUS = ROOT / "corpus"
# The half that is there to be looked at. The other half is never asked here.
QUESTIONS = ROOT / "evals" / "dev.jsonl"
FIRST_QUESTION = "how much b12 in clams"
SHOWN = 3
PEOPLE = 32
IN_A_ROW = 5  # questions to one contestant before the next one's turn
ADDED_PASSAGES = 10
SEARCHING_SECONDS = 20.0  # no more questions to one contestant at one size
MILLION = 1_000_000
FORMAT = 1

_MARKS = re.compile(r"[*_`#>|\\]")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int  # starts, questions, crowds
    timed: int  # questions in a round
    each: int  # questions that each of 32 people asks
    graded: int  # questions that are graded, once
    passages: int  # of a build with the model
    builds: int  # rounds of it
    sizes: tuple[tuple[int, int], ...]  # passages, and rounds, with a stand-in for the model


FULL = Plan(5, 30, 3, 1_000, 100, 3, ((1_000, 3), (10_000, 2), (100_000, 1)))
QUICK = Plan(2, 10, 1, 100, 20, 1, ((1_000, 1),))


@dataclass
class Run:
    """What is measured, of whom, and what came of it."""

    plan: Plan
    contestants: list[Contestant]
    work: Path  # indexes of this run
    rows: list[QuestionRow]  # all that may be graded
    samples: dict[str, dict[str, list[list[float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    grades: dict[str, list[list[int]]] = field(default_factory=dict)  # found and characters, @1 and @3
    facts: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    failures: dict[str, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 (the same each time)

    def add(self, measure: str, name: str, number: int, value: float) -> None:
        """Keep one sample of a round."""
        rounds = self.samples[measure][name]
        rounds.extend([] for _ in range(number + 1 - len(rounds)))
        rounds[number].append(value)

    def in_turn(self, contestants: Sequence[Contestant] | None = None) -> list[Contestant]:
        """Those who are still in, in another order each time."""
        still = [c for c in (contestants or self.contestants) if c.name not in self.failures]
        return self.chance.sample(still, len(still))

    @contextmanager
    def tolerating(self, contestant: Contestant) -> Iterator[None]:
        """A peer that fails drops out, and the results say why. The floor and b12qa must not fail."""
        try:
            yield
        except (RunnerError, PeerEnvironmentError) as error:
            if contestant.environment is None or contestant.name == FLOOR:
                raise SystemExit(f"{contestant.name}: {error}") from error
            self.failures[contestant.name] = str(error)
            print(f"{contestant.name} drops out: {error}", file=sys.stderr)

    def talker(self, contestant: Contestant, variables: dict[str, str] | None = None) -> Talker:
        """A new process of a contestant."""
        environment = {**contestant.variables, **(variables or {})}
        return Talker(contestant.command, CACHE / "logs" / f"{contestant.folder}.log", environment)

    def timed_questions(self) -> list[str]:
        """The same ones in every round."""
        return [row.question for row in self.rows[: self.plan.timed]]


# The article.


def build_article(run: Run, quick: bool) -> None:
    """Every index of the article, once; and what it takes to install everyone.

    A quick run takes what an earlier run has built from the same files.
    """
    bare = run.work / "bare-corpus"
    bare.mkdir()
    for document in CORPUS.glob("*.md"):
        shutil.copy(document, bare)
    for contestant in (*run.contestants, WITHOUT_BANK):
        if contestant.index or (contestant is WITHOUT_BANK and not _takes_part(run, B12QA)):
            continue
        folder, kept = contestant_index(contestant), contestant_index(contestant) / "facts.json"
        with run.tolerating(contestant):
            made_from = digest(contestant)
            known = json.loads(kept.read_text()) if quick and kept.is_file() else {}
            if known.get("made_from") != made_from:
                corpus = bare if contestant is WITHOUT_BANK else CORPUS
                known = {"made_from": made_from, **build_one(run, contestant, folder, corpus, quick)}
                kept.write_text(json.dumps(known))
            run.facts[contestant.name].update(known)


def build_one(run: Run, contestant: Contestant, folder: Path, corpus: Path, quick: bool) -> dict[str, Any]:
    """One index, in a full run from nothing; what is to know of it."""
    note(f"{contestant.name}: the article")
    shutil.rmtree(folder, ignore_errors=True)
    if quick and contestant.name == B12QA and (ROOT / "index" / "CURRENT").is_file():
        shutil.copytree(ROOT / "index", folder / "index")
    with run.talker(contestant) as talker:
        size = talker.call("size", packages=contestant.packages).content
        loaded = talker.call("load", encoder="model", folder=folder).content
        talker.call("prepare")
        built = talker.call("build", corpus=corpus, cut="own")
    if not quick:
        run.add("article build, s", contestant.name, 0, built.seconds)
        run.add("article build, CPU s", contestant.name, 0, built.cpu)
    return {
        "bytes": size["bytes"],
        "versions": size["versions"],
        "one_at_a_time": loaded["one_at_a_time"],
        "passages": built.content["passages"],
    }


def contestant_index(contestant: Contestant) -> Path:
    """Where its index of the article is kept."""
    return CACHE / "article" / contestant.folder


def digest(contestant: Contestant) -> str:
    """SHA-256 of the files that an index of the article is made from."""
    if contestant.environment is None:
        pins = sorted((ROOT / "src").rglob("*.py"))
    else:
        pins = [PEERS / f"{contestant.environment}.txt"]
    files = [*sorted(CORPUS.iterdir()), PEERS / contestant.script, PEERS / "protocol.py", *pins]
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


def ask_article(run: Run, number: int) -> None:
    """One round: start everyone, ask everyone in turns, alone and at once."""
    with ExitStack() as stack:
        talkers = {}
        for contestant in run.in_turn():
            note(f"round {number + 1} of {run.plan.rounds}: {contestant.name}")
            with run.tolerating(contestant):
                talkers[contestant] = stack.enter_context(run.talker(contestant))
                start(run, contestant, talkers[contestant], number)
            if contestant.name == B12QA:
                command_line(run, contestant, number)
        questions = run.timed_questions()
        for first in range(0, len(questions), IN_A_ROW):
            for contestant in run.in_turn(list(talkers)):
                with run.tolerating(contestant):
                    ask(run, contestant, talkers[contestant], questions[first : first + IN_A_ROW], number)
        for contestant in run.in_turn(list(talkers)):
            with run.tolerating(contestant):
                memory = talkers[contestant].call("ask", question=FIRST_QUESTION, top_k=SHOWN)
                run.add("memory, MB", contestant.name, number, memory.content["memory"] / 1e6)
                at_once = talkers[contestant].crowd(questions_at_once(run), PEOPLE)
                keep_crowd(run, contestant.name, number, at_once)
        if number == 0:
            grade_all(run, talkers)
    if _takes_part(run, B12QA):
        serve_chat(run, number)


def start(run: Run, contestant: Contestant, talker: Talker, number: int) -> None:
    """From the start of a process to its first answer."""
    talker.call("load", encoder="model", folder=contestant_index(contestant))
    talker.call("open")
    answered = talker.call("ask", question=FIRST_QUESTION, top_k=SHOWN)
    run.add("start, s", contestant.name, number, time.perf_counter() - talker.started)
    run.add("start, CPU s", contestant.name, number, answered.content["cpu"])


def command_line(run: Run, contestant: Contestant, number: int) -> None:
    """The same by `b12qa ask`, to the end of the process."""
    started = time.perf_counter()
    cpu = command_cpu_seconds(contestant_index(contestant) / "index")
    run.add("start, s", COMMAND_LINE, number, time.perf_counter() - started)
    run.add("start, CPU s", COMMAND_LINE, number, cpu)


def ask(run: Run, contestant: Contestant, talker: Talker, questions: Sequence[str], number: int) -> None:
    """A few questions in a row, each one followed by its embedding alone where that can be asked for."""
    for question in questions:
        answered = talker.call("ask", question=question, top_k=SHOWN)
        run.add("question, ms", contestant.name, number, answered.seconds * 1000)
        run.add("question, CPU ms", contestant.name, number, answered.cpu * 1000)
        if contestant.embeds:
            embedded = talker.call("embed", question=question)
            run.add("embedding, ms", contestant.name, number, embedded.seconds * 1000)
            run.add("embedding, CPU ms", contestant.name, number, embedded.cpu * 1000)


def questions_at_once(run: Run) -> list[str]:
    """What 32 people ask."""
    questions = [row.question for row in run.rows]
    return (questions * PEOPLE)[: PEOPLE * run.plan.each]


def keep_crowd(run: Run, name: str, number: int, crowd: Crowd) -> None:
    """What many people met."""
    run.facts[name]["errors_at_once"] = run.facts[name].get("errors_at_once", 0) + len(crowd.errors)
    if crowd.errors:
        run.facts[name]["first_error_at_once"] = crowd.errors[0]
    for seconds in crowd.seconds:
        run.add("32 at once, ms", name, number, seconds * 1000)
    run.add("32 at once, answers/s", name, number, len(crowd.seconds) / crowd.total_seconds)
    run.add("32 at once, CPU ms", name, number, 1000 * crowd.cpu / max(1, len(crowd.seconds)))


def serve_chat(run: Run, number: int) -> None:
    """`b12qa chat`: from its start to the first answer over HTTP, and 32 people at POST /api/ask."""
    note(f"round {number + 1} of {run.plan.rounds}: {CHAT}")
    index = next(contestant_index(c) / "index" for c in run.contestants if c.name == B12QA)
    started = time.perf_counter()
    with server(str(index)) as (process, port):
        asyncio.run(over_http(port, [FIRST_QUESTION], 1))
        run.add("start, s", CHAT, number, time.perf_counter() - started)
        spent = sum(process.cpu_times()[:2])
        run.add("start, CPU s", CHAT, number, spent)
        alone = asyncio.run(over_http(port, run.timed_questions(), 1))
        for seconds in alone.seconds:
            run.add("question, ms", CHAT, number, seconds * 1000)
        run.add("memory, MB", CHAT, number, process.memory_info().rss / 1e6)
        spent = sum(process.cpu_times()[:2])
        crowd = asyncio.run(over_http(port, questions_at_once(run), PEOPLE))
        keep_crowd(run, CHAT, number, replace(crowd, cpu=sum(process.cpu_times()[:2]) - spent))


async def over_http(port: int, questions: Sequence[str], people: int) -> Crowd:
    """So many people ask at once, each again as soon as answered, until all questions are asked."""
    waiting, seconds, errors = iter(questions), list[float](), list[str]()

    async def person() -> None:
        for question in waiting:
            asked = time.perf_counter()
            status, _ = await request(port, "POST", "/api/ask", {"question": question})
            if status == 200:
                seconds.append(time.perf_counter() - asked)
            else:
                errors.append(f"status {status}")

    started = time.perf_counter()
    await asyncio.gather(*(person() for _ in range(people)))
    return Crowd(tuple(seconds), tuple(errors), time.perf_counter() - started, 0.0)


# Quality.


def grade_all(run: Run, talkers: dict[Contestant, Talker]) -> None:
    """Ask every question of everyone, once, and see whether what is shown holds the gold."""
    for contestant, talker in talkers.items():
        if contestant.name == B12QA_TORCH or contestant.name in run.failures:
            continue
        note(f"{contestant.name}: {run.plan.graded} questions at most")
        with run.tolerating(contestant):
            grade(run, contestant, talker)
    if _takes_part(run, B12QA):
        with run.talker(WITHOUT_BANK) as talker:
            talker.call("load", encoder="model", folder=contestant_index(WITHOUT_BANK))
            talker.call("open")
            grade(run, WITHOUT_BANK, talker)


def grade(run: Run, contestant: Contestant, talker: Talker) -> None:
    """One contestant; of b12qa also the ranking, before it decides what may be quoted."""
    ways = {"ask": contestant.name}
    if contestant.environment is None:
        ways["search"] = f"{contestant.name}, {RANKING}"
    for op, name in ways.items():
        run.grades[name] = []
        for row in run.rows[: run.plan.graded]:
            shown = talker.call(op, question=row.question, top_k=SHOWN).content["passages"][:SHOWN]
            run.grades[name].append(
                [
                    int(holds_gold(row, shown[:1])),
                    int(holds_gold(row, shown)),
                    sum(map(len, shown[:1])),
                    sum(map(len, shown)),
                ]
            )


def holds_gold(row: QuestionRow, shown: Sequence[str]) -> bool:
    """For each piece of evidence, one of its sentences lies whole in one of the texts."""
    texts = [words(text) for text in shown]
    return all(any(words(gold) in text for gold in piece for text in texts) for piece in row.gold)


def words(text: str) -> str:
    """A text without marks of Markdown, its white space made single blanks."""
    return " ".join(_MARKS.sub("", text).split())


# Builds with the model.


def build_with_model(run: Run, number: int) -> None:
    """New passages, and a few more: what each of them costs when the model embeds it."""
    corpus, more = texts(run.plan.passages), one_more(ADDED_PASSAGES)
    for contestant in run.in_turn([c for c in run.contestants if c.plain]):
        note(f"builds {number + 1} of {run.plan.builds}: {contestant.name}")
        folder = run.work / f"model-{number}" / contestant.folder
        # An export of the model is made once for a model, not for each text.
        variables = {"B12QA_ENCODER": "torch"}
        with run.tolerating(contestant), run.talker(contestant, variables) as talker:
            talker.call("load", encoder="model", folder=folder)
            talker.call("prepare")
            built = talker.call("build", corpus=corpus, cut="paragraphs")
            added = talker.call("add", corpus=more, cut="paragraphs")
            for name, reply in (("build", built), ("addition", added)):
                for measure, value in (("ms", reply.seconds), ("CPU ms", reply.cpu)):
                    each = 1000 * value / reply.content["passages"]
                    run.add(f"{name}, {measure} a passage", contestant.name, number, each)


# Growth, with a stand-in for the model.


def grow(run: Run, size: int, rounds: int) -> None:
    """Builds and questions at one size."""
    corpus, more = texts(size), one_more(PASSAGES_A_DOCUMENT)
    questions = Language().questions(run.plan.timed, max(1, size // PASSAGES_A_DOCUMENT))
    for number in range(rounds):
        for contestant in run.in_turn([c for c in run.contestants if c.name != B12QA_TORCH]):
            note(f"{size:,} passages, {number + 1} of {rounds}: {contestant.name}")
            folder = run.work / f"words-{size}" / contestant.folder
            try:
                grow_one(run, contestant, size, number, (folder, corpus, more), questions)
            except RunnerError as error:  # too large for it; it was right before
                run.facts[contestant.name][f"failed at {size}"] = str(error)
                print(f"{contestant.name} fails at {size:,}: {error}", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)


def grow_one(
    run: Run,
    contestant: Contestant,
    size: int,
    number: int,
    places: tuple[Path, Path, Path],
    questions: Sequence[str],
) -> None:
    """One process builds and adds, another opens what is kept and is asked."""
    folder, corpus, more = places
    patience = PATIENCE_SECONDS * max(1.0, size / 100_000)
    measured: list[tuple[str, float]] = []
    with run.talker(contestant) as talker:
        talker.call("load", encoder="words", folder=folder)
        talker.call("prepare")
        built = talker.call("build", patience, corpus=corpus, cut="paragraphs")
        measured += [("build, s", built.seconds - built.encoding), ("build, CPU s", built.own_cpu)]
        added = talker.call("add", patience, corpus=more, cut="paragraphs")
        measured += [("addition, s", added.seconds - added.encoding), ("addition, CPU s", added.own_cpu)]
        measured.append(("build memory, MB", added.content["memory"] / 1e6))
    with run.talker(contestant) as talker:
        talker.call("load", encoder="words", folder=folder)
        opened = talker.call("open", patience)
        measured += [("opening, s", opened.seconds), ("opening, CPU s", opened.cpu)]
        talker.call("ask", patience, question=questions[0], top_k=SHOWN)  # makes what all questions share
        begun = time.perf_counter()
        for question in questions:
            answered = talker.call("ask", question=question, top_k=SHOWN)
            measured.append(("question, ms", 1000 * (answered.seconds - answered.encoding)))
            measured.append(("question, CPU ms", 1000 * answered.own_cpu))
            if time.perf_counter() - begun > SEARCHING_SECONDS:
                break
        measured.append(("memory, MB", answered.content["memory"] / 1e6))
    for measure, value in measured:
        run.add(f"{size} passages: {measure}", contestant.name, number, value)


def texts(size: int) -> Path:
    """A generated corpus, kept for the next run."""
    folder = CACHE / "texts" / str(size)
    if not (folder / "complete").is_file():
        note(f"writing {size:,} passages")
        shutil.rmtree(folder, ignore_errors=True)
        write_corpus(folder / "corpus", size)
        (folder / "complete").touch()
    return folder / "corpus"


def one_more(passages: int) -> Path:
    """A generated document that no corpus holds."""
    folder = CACHE / "texts" / f"{passages}-more"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "more.md").write_text(Language().document(10**9, passages), "utf-8")
    return folder


# The command.


def measure_all(run: Run, quick: bool, place: Path) -> dict[str, Any]:
    """Everything, as it is written down; what is known is written after every step."""
    began, load_before, measured_commit = time.perf_counter(), os.getloadavg()[0], commit()
    steps: list[Callable[[], None]] = [partial(build_article, run, quick)]
    steps += [partial(ask_article, run, number) for number in range(run.plan.rounds)]
    steps += [partial(build_with_model, run, number) for number in range(run.plan.builds)]
    steps += [partial(grow, run, size, rounds) for size, rounds in run.plan.sizes]
    measured: dict[str, Any] = {}
    for step in steps:
        step()
        measured = so_far(run, began, load_before) | {"commit": measured_commit}
        place.write_text(json.dumps(measured, separators=(",", ":")) + "\n", "utf-8")
    return measured


def so_far(run: Run, began: float, load_before: float) -> dict[str, Any]:
    """What has been measured."""
    return {
        "format": FORMAT,
        "machine": machine(),
        "load": {"before": load_before, "after": os.getloadavg()[0]},
        "minutes": (time.perf_counter() - began) / 60,
        "plan": {name: getattr(run.plan, name) for name in Plan.__slots__},
        "questions": {"graded": len(run.rows[: run.plan.graded]), "of": QUESTIONS.name},
        "contestants": run.facts,
        "failures": run.failures,
        "grades": run.grades,
        "samples": _rounded(run.samples),
    }


def commit() -> str:
    """The commit that is measured, and whether files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = "-changed" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def questions_to_ask() -> list[QuestionRow]:
    """Answerable questions that stand alone and that one passage can answer, mixed."""
    rows = [row for row in read_questions(QUESTIONS) if len(row.gold) == 1 and not row.history]
    random.Random(7).shuffle(rows)  # noqa: S311 (the same each time)
    return rows


def _takes_part(run: Run, name: str) -> bool:
    return any(contestant.name == name for contestant in run.contestants)


def _rounded(samples: dict[str, dict[str, list[list[float]]]]) -> dict[str, Any]:
    return {
        measure: {name: [[round(v, 3) for v in one] for one in rounds] for name, rounds in by_name.items()}
        for measure, by_name in samples.items()
    }


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="five minutes instead of forty; trust it less")
    parser.add_argument("--million", action="store_true", help="10^6 passages as well, which takes hours")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="the floor, and contestants of these names")
    parser.add_argument("--rounds", type=int, help="starts of everyone; 5, or 2 in a quick run")
    parser.add_argument("--passages", type=int, nargs="+", help="sizes; 10^3 to 10^5, or 10^3 in a quick run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write there instead")
    parser.add_argument("--show", type=Path, metavar="FILE", help="only the tables of an earlier run")
    options = parser.parse_args()
    if options.show:
        measured = json.loads(options.show.read_text("utf-8"))
        print(tables({**measured, "summary": summary(measured)}))
        return
    if ROOT not in Path(b12qa.__file__).parents:
        parser.error(
            f"expected the b12qa of {ROOT}, got {b12qa.__file__}. Run: make bench, or set PYTHONPATH=src"
        )
    os.environ.update(SETTINGS)
    plan = QUICK if options.quick else FULL
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error(f"--rounds: expected at least 1, got {options.rounds}")
        plan = replace(plan, rounds=options.rounds, builds=min(plan.builds, options.rounds))
    if options.passages:
        known = dict(plan.sizes)
        plan = replace(plan, sizes=tuple((size, known.get(size, 1)) for size in options.passages))
    if options.million:
        plan = replace(plan, sizes=(*plan.sizes, (MILLION, 1)))
    names = {contestant.name for contestant in CONTESTANTS}
    if options.only and (unknown := set(options.only) - names):
        parser.error(f"--only: expected names out of {sorted(names)}, got {sorted(unknown)}")
    usual = {contestant.name for contestant in CONTESTANTS if contestant.quick or not options.quick}
    wanted = {FLOOR, *options.only} if options.only else usual
    contestants = [contestant for contestant in CONTESTANTS if contestant.name in wanted]
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / "quick.json" if options.quick else RESULTS / f"{commit()}.json"
    place = options.json or kept
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="work-") as work:
        run = Run(plan, contestants, Path(work), questions_to_ask())
        measured = measure_all(run, options.quick, place)
    measured["summary"] = summary(measured)
    place.write_text(json.dumps(measured, separators=(",", ":")) + "\n", "utf-8")
    plot(measured, place.with_suffix(".svg") if options.quick or options.json else RESULTS / "latest.svg")
    print(tables(measured))
    note(f"written to {place}")


if __name__ == "__main__":
    main()
