"""The same answers for programs that speak the Model Context Protocol.

Needs the extra ``b12qa[mcp]``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from b12qa import __version__, safety
from b12qa.answering import Assistant
from b12qa.web import programs
from b12qa.web.desk import Desk, Refusal
from b12qa.web.guard import MAX_BODY_BYTES
from b12qa.web.metrics import Metrics
from b12qa.web.programs import AnswerBody, AskRequest, SearchBody, SearchRequest
from b12qa.web.settings import DEFAULT_MAX_WAITING
from b12qa.web.workers import Workers

INSTRUCTIONS = (
    "Quotes one health article word for word. Show the quotes as they are, each with its section path, and "
    "with them the notices and the disclaimer. A care_card says what to do first about a red flag in the "
    "question: show it before anything else, and quote nothing that is not in the result."
)
_HINTS = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_Context = ServerRequestContext[Any]


class _Offer(NamedTuple):
    """A tool: what it is for, what it takes, what it gives."""

    title: str
    words: str
    form: type[BaseModel]
    given: type[BaseModel]
    work: Callable[..., dict[str, Any]]


_OFFERS = {
    "ask": _Offer(
        "Ask the article",
        "Answer a question with the article's own words, or say that the article does not.",
        AskRequest,
        AnswerBody,
        programs.ask,
    ),
    "search": _Offer(
        "Search the article",
        "Find passages of the article for a question, ranked; nobody has decided whether they answer it.",
        SearchRequest,
        SearchBody,
        programs.search,
    ),
}


def mcp_server(desk: Desk) -> Server[Any]:
    """A server that offers `ask` and `search`."""

    async def list_tools(_: _Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(name, offer) for name, offer in _OFFERS.items()])

    async def call_tool(_: _Context, call: types.CallToolRequestParams) -> types.CallToolResult:
        offer = _OFFERS.get(call.name)
        if offer is None:
            raise MCPError(types.INVALID_PARAMS, f"There are the tools {' and '.join(_OFFERS)}.")
        answer = await desk.answer(offer.form, call.arguments or {}, offer.work)  # type: ignore[type-var]
        if isinstance(answer, Refusal):
            return types.CallToolResult(content=[_text(_refusal_words(answer))], is_error=True)
        plain = json.loads(json.dumps(answer))  # tuples become lists, as over HTTP
        return types.CallToolResult(
            content=[_text(json.dumps(plain, ensure_ascii=False))], structured_content=plain
        )

    return Server(
        "b12qa",
        version=__version__,
        title="Ask the article",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


class McpRoute:
    """The server over streamable HTTP, as an ASGI app: every request stands alone, nothing is kept."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sessions: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For as long as the app runs."""
        self._sessions = StreamableHTTPSessionManager(
            mcp_server(self._desk), json_response=True, stateless=True, max_request_body_size=MAX_BODY_BYTES
        )
        async with self._sessions.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._sessions is None:
            raise RuntimeError("The app has not been started.")
        await self._sessions.handle_request(scope, receive, send)


def serve_stdio(assistant: Assistant) -> None:
    """Serve one client over standard input and output, until it closes them."""
    server = mcp_server(Desk(lambda: assistant, Workers(1, DEFAULT_MAX_WAITING), Metrics()))

    async def run() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(run)


def _tool(name: str, offer: _Offer) -> types.Tool:
    return types.Tool(
        name=name,
        title=offer.title,
        description=f"{offer.words} {safety.DISCLAIMER}",
        input_schema=offer.form.model_json_schema(),
        output_schema=offer.given.model_json_schema(mode="serialization"),
        annotations=_HINTS,
    )


def _refusal_words(refusal: Refusal) -> str:
    card = [] if refusal.card is None else [safety.care_notice(refusal.card).text]
    errors = [f"{wrong.where}: {wrong.what}" for wrong in refusal.errors]
    return "\n\n".join([*card, refusal.words, *errors, safety.DISCLAIMER])


def _text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)
