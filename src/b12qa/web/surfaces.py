"""The page, the HTTP API and MCP in one app: what they share, and the routes beside the page."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from threading import BoundedSemaphore
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from b12qa.answering import Assistant
from b12qa.records import Answer, Quote, SearchResults
from b12qa.web.api import Api
from b12qa.web.desk import Desk
from b12qa.web.metrics import Metrics
from b12qa.web.settings import Settings
from b12qa.web.workers import Workers


@dataclass(frozen=True)
class ServedAssistant(Assistant):
    """An assistant that many people ask at once, counted, for one request.

    On a few cores questions that are worked on side by side only slow each other down, so each waits
    for a free core.
    """

    inner: Assistant
    metrics: Metrics
    surface: str  # page, http or mcp
    received: float  # when the request came, by `time.perf_counter`
    cores: BoundedSemaphore

    # Whatever arguments the assistant takes, it gets. `ask` is the first half of `ask_with_more`.

    def ask_with_more(self, *args: Any, **named: Any) -> tuple[Answer, tuple[Quote, ...]]:
        with self.metrics.timed(self.surface, self.received) as outcome, self.cores:
            answer, more = self.inner.ask_with_more(*args, **named)
            outcome.append(answer.outcome.value)
        return answer, more

    def search(self, *args: Any, **named: Any) -> SearchResults:
        self.metrics.searched(self.surface)
        with self.cores:
            return self.inner.search(*args, **named)


class Surfaces:
    """What all surfaces of one server share: the cores, the queue of programs and the counters."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url
        self._workers = Workers(settings.workers, settings.max_waiting)
        self.cores = BoundedSemaphore(settings.workers)
        self.metrics = Metrics(lambda: self._workers.under_way)

    def served(self, assistant: Assistant, surface: str, received: float) -> ServedAssistant:
        """An assistant as one surface asks it for a request that came then, by `time.perf_counter`."""
        return ServedAssistant(assistant.retriever, assistant, self.metrics, surface, received, self.cores)

    def add_programs(self, app: FastAPI, current: Callable[[], Assistant]) -> None:
        """Add the HTTP API and, where its package is installed, MCP, before a page takes all other paths.

        Args:
            current: the assistant to ask; it is asked for again for every request.
        """
        api = Api(self._desk(current, "http"), self.metrics, self._public_url)
        app.router.routes.extend(api.routes)
        if not has_mcp():
            return
        from b12qa.web.mcp import McpRoute

        mcp = McpRoute(self._desk(current, "mcp"))
        app.router.routes.append(Route("/mcp", mcp))
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with inner(app), mcp.running():
                yield

        app.router.lifespan_context = lifespan

    def _desk(self, current: Callable[[], Assistant], surface: str) -> Desk:
        def for_request() -> ServedAssistant:
            return self.served(current(), surface, time.perf_counter())

        return Desk(for_request, self._workers, self.metrics)


def has_mcp() -> bool:
    """Whether the package that speaks MCP is installed, in a version that we know."""
    return find_spec("mcp_types") is not None
