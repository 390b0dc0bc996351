"""Counters and timings for the operator: how many, how long, and never what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from b12qa.answering import Assistant

FAULT = "fault"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What one server counts, in a registry of its own."""

    def __init__(self, under_way: Callable[[], int] = lambda: 0) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "b12qa_answers", "Questions, by how they ended.", ["surface", "outcome"], registry=self.registry
        )
        self._searches = Counter(
            "b12qa_searches", "Searches without an answer.", ["surface"], registry=self.registry
        )
        self._seconds = Histogram(
            "b12qa_answer_seconds",
            "Time from a question's arrival to its answer, with all waiting for its turn and a free core.",
            ["surface"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "b12qa_refused_requests", "Requests refused, by reason.", ["reason"], registry=self.registry
        )
        waiting = Gauge(
            "b12qa_questions_under_way", "Questions of programs worked on or waiting.", registry=self.registry
        )
        waiting.set_function(under_way)
        self._served = Gauge(
            "b12qa_index", "The generation that is served.", ["generation", "model"], registry=self.registry
        )

    def refused(self, reason: str) -> None:
        """Count a request that got no answer because of what it was."""
        self._refused.labels(reason).inc()

    def text(self, assistant: Assistant) -> bytes:
        """Everything, as Prometheus reads it."""
        self._served.clear()
        self._served.labels(assistant.retriever.index.generation, assistant.retriever.encoder.name).set(1)
        return generate_latest(self.registry)

    @contextmanager
    def timed(self, surface: str, received: float) -> Iterator[list[str]]:
        """Time a question, and count how it ended: the outcome is put into the list, or it is a fault.

        Args:
            received: when it came, by `time.perf_counter`.
        """
        outcome: list[str] = []
        try:
            yield outcome
        finally:
            self._seconds.labels(surface).observe(time.perf_counter() - received)
            self._answers.labels(surface, outcome[0] if outcome else FAULT).inc()

    def searched(self, surface: str) -> None:
        """Count a search."""
        self._searches.labels(surface).inc()
