"""How the chat bears many people at once, on this machine.

    python benchmarks/load.py [--people 32] [--seconds 120] [--think 0] [--json FILE]

Starts a server and asks it over the loopback interface, first one person, then many, each in a conversation
of their own, by way of the page's queue and of POST /api/ask. Every answer must be the one that a person
alone gets, and every conversation must hold its own questions and nobody else's.

What the cores allow is cores ÷ processor time of one `ask` of the same questions, without a server and before
it starts. The asking side runs on the same cores; what it takes is told as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from b12qa.answering import Assistant
from b12qa.index import open_index

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-c", "from b12qa.cli import app; app()", "chat", "--port", "0", "--rate", "0"]
QUESTIONS_EACH = 6
MAX_SECONDS = 120
BASELINE_SECONDS = 20
TIMEOUT_SECONDS = 60


@dataclass
class Tally:
    """What happened while some people asked."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0  # until the last answer
    own_seconds: float = 0.0  # processor time of the asking side
    errors: list[str] = field(default_factory=list)
    mixed: int = 0  # answers that are not the asker's own

    def percentile(self, share: float) -> float:
        """Time to an answer that this share of the answers kept to."""
        ordered = sorted(self.milliseconds) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Person:
    """Somebody with a name that nobody else has, and questions."""

    name: str
    questions: tuple[str, ...]


Conversation = Callable[[int, Person, Tally, float, float], Awaitable[None]]


def main() -> None:
    """Measure, print a table, and fail if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=MAX_SECONDS, help="for each way with many people")
    parser.add_argument(
        "--think", type=float, default=0.0, help="seconds from an answer to the next question"
    )
    parser.add_argument("--index", default=str(ROOT / "index"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seconds = min(arguments.seconds, MAX_SECONDS)
    everybody = people(Path(arguments.index), arguments.people)
    one_ask = processor_seconds(arguments.index, everybody)
    print(f"one ask: {one_ask * 1000:.1f} ms of processor time", file=sys.stderr)
    rows = []
    with server(arguments.index) as (process, port):
        for way, talk in (("POST /api/ask", over_http), ("page queue", over_page)):
            alone = asyncio.run(ask_all(talk, port, everybody[:1], BASELINE_SECONDS, 0.0))
            memory = process.memory_info().rss
            many = asyncio.run(ask_all(talk, port, everybody, seconds, arguments.think))
            growth = process.memory_info().rss - memory
            rows += [row(way, 1, alone, alone, one_ask, 0)]
            rows += [row(way, len(everybody), many, alone, one_ask, growth)]
            print(f"{way}: measured", file=sys.stderr)
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    if any(row["errors"] or row["mixed"] for row in rows):
        sys.exit(1)


def people(index_dir: Path, count: int) -> list[Person]:
    """Each with questions of the bank; the name in them belongs to one person alone."""
    texts = [question.text for question in open_index(index_dir).questions]
    draw = random.Random(7)  # noqa: S311 (the same questions each time)
    return [
        Person(name, tuple(f"({name}) {text}" for text in draw.sample(texts, QUESTIONS_EACH)))
        for name in (f"qzxw{number:03}k" for number in range(count))
    ]


def processor_seconds(index_dir: str, some: list[Person]) -> float:
    """Mean processor time of one `ask`, in conversations as they are led below."""
    assistant = Assistant.load(index_dir, corpus=ROOT / "corpus")
    conversations = [(q, person.questions[:n]) for person in some for n, q in enumerate(person.questions)]
    for question, history in conversations:  # what is loaded once
        assistant.ask(question, history)
    started = time.process_time()
    for question, history in conversations:
        assistant.ask(question, history)
    return (time.process_time() - started) / len(conversations)


@contextmanager
def server(index: str) -> Iterator[tuple[psutil.Process, int]]:
    """A server in a process of its own."""
    command = [*COMMAND, "--index", index]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as started:
        try:
            first_line = started.stdout.readline() if started.stdout else ""
            found = re.search(r"http://127\.0\.0\.1:(\d+)", first_line)
            if found is None:
                raise SystemExit("The server did not start.")
            yield psutil.Process(started.pid), int(found[1])
        finally:
            started.send_signal(signal.SIGINT)


async def ask_all(
    talk: Conversation, port: int, everybody: list[Person], seconds: float, think: float
) -> Tally:
    """Let everybody talk until the time is over."""
    tally, began, own = Tally(), time.monotonic(), time.process_time()
    end = began + seconds

    async def life(person: Person) -> None:
        await asyncio.sleep(think * random.random())  # noqa: S311
        while time.monotonic() < end:
            try:
                await talk(port, person, tally, think, end)
            except Exception as error:
                tally.errors.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(life(person) for person in everybody))
    tally.seconds, tally.own_seconds = time.monotonic() - began, time.process_time() - own
    return tally


KNOWN: dict[tuple[str, ...], Any] = {}  # what was answered first, by the questions up to there


async def over_http(port: int, person: Person, tally: Tally, think: float, end: float) -> None:
    """One conversation by the API."""
    for number, question in enumerate(person.questions):
        if time.monotonic() > end:
            return
        history = list(person.questions[:number])
        started = time.perf_counter()
        status, body = await request(port, "POST", "/api/ask", {"question": question, "history": history})
        tally.milliseconds.append((time.perf_counter() - started) * 1000)
        if status != 200:
            tally.errors.append(f"status {status}")
            continue
        answer = json.loads(body)
        answered = [answer["outcome"], [quote["start"] for quote in answer["quotes"]]]
        same = KNOWN.setdefault((*history, question), answered) == answered
        tally.mixed += answer["question"] != question or not same
        await asyncio.sleep(think)


async def over_page(port: int, person: Person, tally: Tally, think: float, end: float) -> None:
    """One conversation as the page leads it: into the queue, then out of the stream of events."""
    function = await asking_function(port)
    session = f"{person.name}{time.monotonic_ns()}"
    for number, question in enumerate(person.questions, start=1):
        if time.monotonic() > end:
            return
        call = {"data": [question, None], "fn_index": function, "session_hash": session}
        started = time.perf_counter()
        status, body = await request(port, "POST", "/gradio_api/queue/join", call)
        if status == 200:
            path = f"/gradio_api/queue/data?session_hash={session}"
            status, body = await request(port, "GET", path, until=b"process_completed")
        tally.milliseconds.append((time.perf_counter() - started) * 1000)
        if status != 200 or b'"success": true' not in body.replace(b'"success":true', b'"success": true'):
            tally.errors.append(f"status {status}")
            continue
        names = re.findall(rb"qzxw\d{3}k", body)
        tally.mixed += set(names) != {person.name.encode()} or len(names) < number
        await asyncio.sleep(think)


_FUNCTIONS: dict[int, int] = {}


async def asking_function(port: int) -> int:
    """Gradio's number for what happens when a question is sent."""
    if port not in _FUNCTIONS:
        _, body = await request(port, "GET", "/config")
        events = json.loads(body)["dependencies"]
        _FUNCTIONS[port] = next(n for n, event in enumerate(events) if len(event["inputs"]) == 2)
    return _FUNCTIONS[port]


async def request(
    port: int, method: str, path: str, body: Any = None, until: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body of one request. A client library would take more time than the server.

    Args:
        until: end when this has come, and the line is complete.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        status = int((await asyncio.wait_for(reader.readline(), TIMEOUT_SECONDS)).split()[1])
        while (await reader.readline()).strip():
            pass
        if until is None:
            return status, await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
        while True:
            line = await asyncio.wait_for(reader.readline(), TIMEOUT_SECONDS)
            if until in line or not line:
                return status, line
    finally:
        writer.close()


def row(way: str, count: int, tally: Tally, alone: Tally, one_ask: float, growth: int) -> dict[str, Any]:
    """One line of the table."""
    cores = os.cpu_count() or 1
    share = max(1.0, count / cores)
    a_second = len(tally.milliseconds) / tally.seconds
    return {
        "way": way,
        "people": count,
        "questions": len(tally.milliseconds),
        "errors": len(tally.errors),
        "first error": tally.errors[0] if tally.errors else "",
        "mixed": tally.mixed,
        "a second": round(a_second, 1),
        "of what the cores allow": round(a_second * one_ask / cores, 2),
        "cores that the asking side takes": round(tally.own_seconds / tally.seconds, 2),
        "p50 ms": round(statistics.median(tally.milliseconds or [0])),
        "p95 ms": round(tally.percentile(0.95)),
        "p95 over one person's, for each that shares a core": round(
            tally.percentile(0.95) / alone.percentile(0.95) / share, 2
        ),
        "p95 over the mean that the cores allow": round(tally.percentile(0.95) / 1000 / (share * one_ask), 2),
        "memory growth MB": round(growth / 1e6, 1),
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """The rows as a Markdown table."""
    names = [name for name in rows[0] if name != "first error"]
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for each in rows:
        print("| " + " | ".join(str(each[name]) for name in names) + " |")
    for each in rows:
        if each["first error"]:
            print(f"{each['way']}, {each['people']}: {each['first error']}", file=sys.stderr)


if __name__ == "__main__":
    main()
