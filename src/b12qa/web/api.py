"""The HTTP API beside the page: questions, searches, documents, health and metrics."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from b12qa import __version__
from b12qa.answering import Assistant
from b12qa.shortcuts import StoreState
from b12qa.web import description, programs
from b12qa.web.desk import Desk, Form, Refusal, Work
from b12qa.web.metrics import Metrics
from b12qa.web.problems import card_in, log_fault, problem
from b12qa.web.programs import AskRequest, SearchRequest, UnknownDocumentError
from b12qa.web.settings import STATIC
from b12qa.web.workers import BUSY_SECONDS

SECONDS_BETWEEN_PROBES = 10.0
_PROBE = "vitamin"
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Api:
    """The routes for programs, for the app that also carries the page."""

    def __init__(self, desk: Desk, metrics: Metrics, public_url: str) -> None:
        self._desk = desk
        self._metrics = metrics
        self._public_url = public_url
        self._health = Health(desk.current)

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/ask", self.ask, methods=["POST"]),
            Route("/api/search", self.search, methods=["POST"]),
            Route("/api/search", self.search_by_address, methods=["GET"]),
            Route("/api/document", self.document, methods=["GET"]),
            Route("/api/openapi.json", self.openapi, methods=["GET"]),
            Route("/api/docs", self.docs, methods=["GET"]),
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/widget.js", self.widget, methods=["GET"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Answer a question."""
        return await self._posted(request, AskRequest, programs.ask)

    async def search(self, request: Request) -> Response:
        """Find passages."""
        return await self._posted(request, SearchRequest, programs.search)

    async def search_by_address(self, request: Request) -> Response:
        """Find passages for a question in the address, which other programs may keep."""
        given = request.query_params
        fields: dict[str, Any] = {}
        if "q" in given:
            fields["question"] = given["q"]
        if "top_k" in given:
            fields["top_k"] = _number(given["top_k"])
        return await self._answered(fields, SearchRequest, programs.search)

    async def document(self, request: Request) -> Response:
        """Give a whole document."""
        name = request.query_params.get("name")
        try:
            return JSONResponse(await run_in_threadpool(programs.document, self._desk.current(), name))
        except UnknownDocumentError as error:
            return problem(404, str(error))

    async def openapi(self, _: Request) -> Response:
        """Describe the API to programs."""
        return JSONResponse(description.openapi(self._public_url))

    async def docs(self, _: Request) -> Response:
        """Describe the API to people."""
        return HTMLResponse(_docs())

    async def healthz(self, _: Request) -> Response:
        """Say whether questions are answered."""
        ready = await self._health.is_ready()
        retriever = self._desk.current().retriever
        engine = self._health.engine
        body = {
            "ready": ready,
            "generation": retriever.index.generation,
            "model": retriever.encoder.name,
            "version": __version__,
            "engine": None if engine is None else engine._asdict(),
        }
        return JSONResponse(body, 200 if ready else 503)

    async def metrics(self, _: Request) -> Response:
        """Give the counters."""
        return Response(self._metrics.text(self._desk.current()), media_type=_METRICS_TYPE)

    async def widget(self, _: Request) -> Response:
        """Give the script that other sites embed."""
        headers = {"cache-control": "public, max-age=3600"}
        return FileResponse(STATIC / "widget.js", media_type="text/javascript", headers=headers)

    async def _posted(self, request: Request, form: type[Form], work: Work[Form]) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await request.body()
        if kind != "application/json":
            return await self._unread(body, 415, "Send JSON, with the content type application/json.")
        try:
            fields = json.loads(body, parse_constant=_not_json)
        except (ValueError, RecursionError) as error:
            return await self._unread(body, 400, _unreadable(error))
        return await self._answered(fields, form, work)

    async def _unread(self, body: bytes, status: int, words: str) -> Response:
        self._metrics.refused("form")
        card = await run_in_threadpool(card_in, body.decode("utf-8", "replace"))
        return problem(status, words, card=card)

    async def _answered(self, fields: Any, form: type[Form], work: Work[Form]) -> Response:
        answer = await self._desk.answer(form, fields, work)
        if not isinstance(answer, Refusal):
            return JSONResponse(answer)
        after = {"retry-after": str(BUSY_SECONDS)} if answer.status == 503 else {}
        errors = [wrong._asdict() for wrong in answer.errors]
        return problem(answer.status, answer.words, card=answer.card, errors=errors, headers=after)


class Health:
    """Whether a search succeeds, tried now and then."""

    def __init__(self, current: Callable[[], Assistant], clock: Callable[[], float] = time.monotonic) -> None:
        self._current = current
        self._clock = clock
        self._lock = asyncio.Lock()
        self._tried = ("", 0.0)  # which generation, and when
        self._ready = False
        self.engine: StoreState | None = None  # when that was tried; None where no engine keeps the vectors

    async def is_ready(self) -> bool:
        """The last result, if it is not too old."""
        async with self._lock:
            assistant = self._current()
            generation, at = self._tried
            is_old = self._clock() - at > SECONDS_BETWEEN_PROBES
            if is_old or assistant.retriever.index.generation != generation:
                store = assistant.retriever.index.store
                self.engine = None if store is None else await run_in_threadpool(store.state)
                self._ready = await run_in_threadpool(_finds_something, assistant)
                self._tried = (assistant.retriever.index.generation, self._clock())
            return self._ready


def _finds_something(assistant: Assistant) -> bool:
    try:
        # Not through the queue: a busy server is a healthy one.
        return bool(assistant.retriever.search(_PROBE, top_k=1))
    except Exception as error:
        log_fault(error)
        return False


@cache
def _docs() -> str:
    return description.docs_html(description.openapi())


def _number(text: str) -> int | str:
    """A whole number, where the text is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _unreadable(error: Exception) -> str:
    """What is wrong with a body that cannot be read, and what to send."""
    if isinstance(error, RecursionError):
        return "The body is nested too deeply. Send an object of texts, numbers and lists of texts."
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8. Send JSON as UTF-8."
    return "The body is not JSON."


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
