"""Starts a runner in a process of its own and talks to it, with a clock in hand.

The protocol is described in `peers/protocol.py`. A time is taken from the moment before a request is
written to the moment its reply has been read.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

# One thread that computes, no look-ups, no telemetry: for everyone, whoever reads which of them.
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "ORT_DISABLE_TELEMETRY": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "PYTHONHASHSEED": "0",
}
PATIENCE_SECONDS = 900.0
LAST_LINES = 6


class RunnerError(RuntimeError):
    """A runner ended, took too long, or said that it could not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and when."""

    content: Mapping[str, Any]
    seconds: float  # from the request to the reply
    cpu: float  # seconds of processor time since the reply before
    encoding: float  # of which the stand-in for the model took so many

    @property
    def own_cpu(self) -> float:
        """Seconds of processor time without the stand-in."""
        return self.cpu - self.encoding


@dataclass(frozen=True, slots=True)
class Crowd:
    """What many people at once met."""

    seconds: tuple[float, ...]  # each answer, in the order of the questions; those that failed left out
    errors: tuple[str, ...]
    total_seconds: float
    cpu: float  # seconds of processor time for all of them


class Talker:
    """One process of a runner. Close it, or use it in a ``with``."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ):
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_path = log
        self._log = log.open("w", encoding="utf-8")
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env={**os.environ, **SETTINGS, **(environment or {})},
        )
        self._came: queue.Queue[tuple[str, float]] = queue.Queue()
        self._number = 0
        self._cpu = self._encoding = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Talker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process: its input ends, and if that is not enough, it is killed."""
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def call(self, op: str, patience: float = PATIENCE_SECONDS, **fields: Any) -> Reply:
        """Send one request and wait for its reply.

        Raises:
            RunnerError: it could not, ended, or was not done after so many seconds.
        """
        started = time.perf_counter()
        self._send(op, fields)
        content, at = self._next(patience)
        if not content["ok"]:
            raise RunnerError(f"{op}: {content['error']}")
        return self._reply(content, at - started)

    def crowd(self, questions: Sequence[str], people: int, patience: float = PATIENCE_SECONDS) -> Crowd:
        """Let so many people ask at once, each again as soon as answered, until all questions are asked."""
        before, started = self._cpu, time.perf_counter()
        waiting, sent = list(reversed(questions)), dict[int, float]()
        seconds, errors, last = dict[int, float](), list[str](), started
        while waiting or sent:
            while waiting and len(sent) < people:
                asked = time.perf_counter()
                sent[self._send("ask", {"question": waiting.pop(), "top_k": 3, "at_once": True})] = asked
            content, last = self._next(patience)
            self._reply(content, 0.0)
            asked = sent.pop(content["id"])
            if content["ok"]:
                seconds[content["id"]] = last - asked
            else:
                errors.append(str(content["error"]))
        in_order = tuple(seconds[number] for number in sorted(seconds))
        return Crowd(in_order, tuple(errors), last - started, self._cpu - before)

    def _reply(self, content: Mapping[str, Any], seconds: float) -> Reply:
        # Replies of people who asked at once may overtake one another.
        cpu, encoding = max(content["cpu"], self._cpu), max(content["encoding"], self._encoding)
        found = Reply(content, seconds, cpu - self._cpu, encoding - self._encoding)
        self._cpu, self._encoding = cpu, encoding
        return found

    def _send(self, op: str, fields: Mapping[str, Any]) -> int:
        self._number += 1
        line = json.dumps({"id": self._number, "op": op, **fields}, default=str) + "\n"
        try:
            if self._process.stdin:
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except BrokenPipeError:
            raise RunnerError(f"It ended: {self._last_words()}") from None
        return self._number

    def _next(self, patience: float) -> tuple[Mapping[str, Any], float]:
        try:
            line, at = self._came.get(timeout=patience)
        except queue.Empty:
            self._process.kill()
            raise RunnerError(f"It was not done after {patience:.0f} seconds.") from None
        if not line:
            raise RunnerError(f"It ended: {self._last_words()}")
        content: dict[str, Any] = json.loads(line)
        return content, at

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._came.put((line, time.perf_counter()))
        self._came.put(("", time.perf_counter()))

    def _last_words(self) -> str:
        self._log.flush()
        lines = self._log_path.read_text("utf-8", errors="replace").splitlines()
        said = " | ".join(line.strip() for line in lines[-LAST_LINES:]) or "it said nothing"
        return f"code {self._process.wait(PATIENCE_SECONDS)}, {said}"
