"""What may come in and what goes out with every response.

Gradio brings more than a chat needs: anyone may upload files, and have the server fetch any address.
So only the routes that are used are open, and the browser is told to load nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import math
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from b12qa.records import CareCard
from b12qa.web.clients import OpenRequests, RateLimit, client_address, is_within
from b12qa.web.metrics import Metrics
from b12qa.web.problems import (
    BUSY_WORDS,
    PROBLEM_TYPE,
    PROGRAM_FAULT_WORDS,
    as_page,
    card_in,
    log_fault,
    problem,
)
from b12qa.web.settings import Settings

MAX_BODY_BYTES = 64 * 1024
MAX_BODY_SECONDS = 15.0


class Access(NamedTuple):
    """How a route may be used."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    cost: float = 0.02  # in questions, for the rate limit: a first visit asks for some sixty files
    reserve: float = 0.0  # what must be left, since more is asked for at once: half a page is worse than none
    says: bool = False  # what is said to it may need help first
    kept: bool = False  # a browser may keep what it got
    without_password: bool = False
    own_origin: bool = False  # pages of other sites may not use it
    any_origin: bool = False  # pages of other sites may load it
    rewritten: bool = False  # it is changed on its way out
    is_there: Callable[[Settings, str], bool] = lambda settings, client: True


def _may_see_metrics(settings: Settings, client: str) -> bool:
    # Few visitors make counts that tell of each. Whoever knows the password may see them anywhere.
    return bool(settings.password) or is_within(client, settings.metrics_from)


_JOIN = "/gradio_api/queue/join"  # where the page asks
_MCP = "/mcp"
_QUESTION = Access(("POST",), 1.0, says=True)
_FILES = Access(kept=True)
_ROUTES = {
    "/": Access(cost=1.0, reserve=3.0, rewritten=True),
    "/config": Access(cost=1.0),
    "/favicon.ico": _FILES,
    "/manifest.json": _FILES,
    "/pwa_icon": _FILES,
    "/theme.css": _FILES,
    "/gradio_api/info": Access(),
    _JOIN: _QUESTION,
    "/gradio_api/queue/data": Access(("GET",)),
    "/gradio_api/reset": Access(("POST",)),
    "/gradio_api/cancel": Access(("POST",)),
    "/articles": Access(cost=0.5, kept=True),
    "/api/ask": _QUESTION,
    "/api/search": Access(("GET", "POST"), 1.0, says=True),
    "/api/document": Access(("GET",), 0.5),
    "/api/openapi.json": Access(cost=0.1),
    "/api/docs": Access(cost=0.1),
    "/healthz": Access(without_password=True),
    "/metrics": Access(("GET",), 0.1, is_there=_may_see_metrics),
    _MCP: _QUESTION._replace(own_origin=True),
    "/widget.js": Access(
        kept=True, any_origin=True, is_there=lambda settings, _: bool(settings.embed_origins)
    ),
}
_FOLDERS = {
    "/assets/": _FILES,
    "/static/": _FILES,
    "/page/": _FILES,
    "/gradio_api/heartbeat/": Access(("GET",)),
}
_NOWHERE = Access(is_there=lambda settings, client: False)
_ANOTHER_QUESTION_BYTES = 8 * 1024  # a longer body counts as several questions
_WRONG_PASSWORD_COST = 5.0

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors {ancestors}; object-src 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_CORS_HEADERS = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-expose-headers": "retry-after",
    "access-control-max-age": "600",
}

# Gradio advertises its own site and a picture on another host to programs that preview links.
_PREVIEW_TAG = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')


class Guard:
    """ASGI middleware: routes, hosts, passwords, limits, headers."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings | None = None,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self.settings = settings or Settings()
        self.metrics = metrics or Metrics()
        self.rate_limit = RateLimit(self.settings.rate, self.settings.burst, clock)
        self.card_limit = RateLimit(self.settings.rate, self.settings.burst, clock)
        self.open_requests = OpenRequests()
        self._password = _digest(self.settings.password) if self.settings.password else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        scope = _below(scope, self.settings.prefix)
        client = client_address((scope.get("client") or ("",))[0], headers, self.settings)
        nonce, access = secrets.token_urlsafe(16), _access(scope["path"])
        guarded = self._guarded(send, access, scope["path"], headers.get("origin", ""), nonce)
        if not self.open_requests.enter(client):
            words = "Too many requests are open. Close some, and try again."
            too_many = self._refuse("open requests", 429, words)
            await _for_whoever_asks(too_many, headers)(scope, receive, guarded)
            return
        try:
            refusal, body = await self._refusal(access, scope, receive, headers, client), b""
            if refusal is None and scope["method"] == "POST":
                refusal, body = await self._limited(scope, receive)
                receive = _replayed(body, receive)
            if refusal is None:
                # What a request turns out to ask beside its question is counted where that is known; how long
                # its answer took, where that is ready.
                more = {"take": partial(self.rate_limit.take, client), "received": time.perf_counter()}
                scope = {**scope, "state": {**scope.get("state", {}), **more}}
                await self._pass_on(access, scope, receive, guarded, nonce, body)
            else:
                await _for_whoever_asks(refusal, headers)(scope, receive, guarded)
        except ClientDisconnect:
            return  # nobody waits for a response
        finally:
            self.open_requests.leave(client)

    # What comes in.

    async def _refusal(
        self, access: Access, scope: Scope, receive: Receive, headers: Headers, client: str
    ) -> Response | None:
        """The response to a request that goes no further."""
        path, method, settings = scope["path"], scope["method"], self.settings
        if settings.allowed_hosts and _host(headers) not in settings.allowed_hosts:
            words = "This server is not known by that name. Whoever runs it can name it with --public-url."
            return self._refuse("host", 421, words)
        if path == "" and settings.prefix:
            return RedirectResponse(f"{settings.prefix}/", 308)
        if not access.is_there(settings, client):
            return self._refuse("path", 404, "There is nothing here.")
        origin = headers.get("origin", "")
        if method == "OPTIONS" and origin in settings.cors_origins and _is_api(path):
            return Response(status_code=204)
        if method not in access.methods:
            allow = {"allow": ", ".join(access.methods)}
            return self._refuse("method", 405, f"Use {' or '.join(access.methods)}.", allow)
        if access.own_origin and origin and not self._is_own(origin, scope, headers):
            return self._refuse("origin", 403, "Pages of other sites may not use this.")
        return await self._too_much(access, scope, receive, client) or self._without_password(
            access, headers, client
        )

    def _is_own(self, origin: str, scope: Scope, headers: Headers) -> bool:
        own = {f"{scope['scheme']}://{headers.get('host', '')}", self.settings.public_origin}
        return origin in own or origin in self.settings.cors_origins

    async def _too_much(self, access: Access, scope: Scope, receive: Receive, client: str) -> Response | None:
        cost = access.cost
        if scope["method"] == "POST" and cost >= 1:
            claimed = Headers(scope=scope).get("content-length", "")
            length = int(claimed) if _is_number(claimed) else MAX_BODY_BYTES
            cost += min(length, MAX_BODY_BYTES) // _ANOTHER_QUESTION_BYTES
        wait = self.rate_limit.seconds_to_wait(client, cost, access.reserve)
        if not wait:
            return None
        after = {"retry-after": str(math.ceil(wait))}
        words = "That was too much at once. Wait a little, and try again."
        card = None
        # To read what is refused is work as well: no more of that for a client than of questions.
        if access.says and not self.card_limit.seconds_to_wait(client, cost):
            card = await self._card(scope, receive)
        return self._refuse("rate", 429, words, after, card)

    async def _card(self, scope: Scope, receive: Receive) -> CareCard | None:
        """The card for what a refused request says, if it is small enough to be read and arrives in time."""
        try:
            body = await _body_in_time(scope, receive)
        except TimeoutError:
            return None
        return None if body is None else await run_in_threadpool(_card_in, scope, body)

    def _without_password(self, access: Access, headers: Headers, client: str) -> Response | None:
        if not self._password or access.without_password:
            return None
        given = _given_password(headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(_digest(given), self._password):
            return None
        if given is not None:  # guessing is slow
            self.rate_limit.charge(client, _WRONG_PASSWORD_COST)
        ask = {"www-authenticate": 'Basic realm="b12qa", charset="UTF-8"'}
        return self._refuse("password", 401, "Name the password, with any user name.", ask)

    async def _limited(self, scope: Scope, receive: Receive) -> tuple[Response | None, bytes]:
        """Read a body before anything parses it: a refusal, or the body."""
        try:
            body = await _body_in_time(scope, receive)
        except TimeoutError:
            return self._refuse("slow", 408, "The request took too long to arrive."), b""
        if body is None:
            words = f"Send at most {MAX_BODY_BYTES:,} bytes."
            return self._refuse("body", 413, words, {"connection": "close"}), b""
        return None, body

    def _refuse(
        self,
        reason: str,
        status: int,
        words: str,
        headers: dict[str, str] | None = None,
        card: CareCard | None = None,
    ) -> Response:
        self.metrics.refused(reason)
        return problem(status, words, card=card, headers=headers)

    # What goes out.

    async def _pass_on(
        self, access: Access, scope: Scope, receive: Receive, send: Send, nonce: str, body: bytes
    ) -> None:
        started = is_full = has_failed = False

        async def noticing(message: Message) -> None:
            nonlocal started, is_full
            # Gradio says that its queue is full, and does not know what the question may need first.
            is_full = is_full or (scope["path"] == _JOIN and message.get("status") == 503)
            if not is_full:
                started = True
                await send(message)

        scope = {**scope, "headers": self._passed_on(access, scope)}
        page = _Page(noticing, nonce) if access.rewritten else None
        try:
            await self.app(scope, receive, page.send if page else noticing)
        except Exception as error:
            log_fault(error)
            has_failed = True
        if started or not (is_full or has_failed):
            return
        card = await run_in_threadpool(_card_in, scope, body) if access.says else None
        refusal = (
            self._refuse("busy", 503, BUSY_WORDS, card=card)
            if is_full
            else problem(500, PROGRAM_FAULT_WORDS, card=card)
        )
        await _for_whoever_asks(refusal, Headers(scope=scope))(scope, receive, send)

    def _passed_on(self, access: Access, scope: Scope) -> list[tuple[bytes, bytes]]:
        """The headers of a request without what only a trusted proxy may say."""
        left_out = {b"forwarded"}
        if access.rewritten:
            left_out.add(b"accept-encoding")  # what is changed below must not come compressed
        trusted = is_within((scope.get("client") or ("",))[0], self.settings.trusted_proxies)
        return [
            (name, value)
            for name, value in scope["headers"]
            if name not in left_out and (trusted or not name.startswith(b"x-forwarded-"))
        ]

    def _guarded(self, send: Send, access: Access, path: str, origin: str, nonce: str) -> Send:
        """A `send` that puts our headers on whatever is sent."""
        settings = self.settings
        ancestors = " ".join(settings.embed_origins) or "'none'"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["content-security-policy"] = _CONTENT_SECURITY_POLICY.format(
                    nonce=nonce, ancestors=ancestors
                )
                if not settings.embed_origins:
                    headers["x-frame-options"] = "DENY"
                if access.any_origin:
                    headers["cross-origin-resource-policy"] = "cross-origin"
                if not access.kept:
                    headers["cache-control"] = "no-store"
                if settings.cors_origins and _is_api(path):
                    headers.add_vary_header("origin")
                    if origin in settings.cors_origins:
                        headers.update({"access-control-allow-origin": origin, **_CORS_HEADERS})
                del headers["set-cookie"]  # nothing here needs one
            await send(message)

        return guarded


class _Page:
    """Collects the page, marks its scripts as ours and sends it on."""

    def __init__(self, send: Send, nonce: str) -> None:
        self._send = send
        self._nonce = nonce.encode()
        self._start: Message = {}
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        if message["type"] != "http.response.body":
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = _PREVIEW_TAG.sub(b"", bytes(self._body))
        body = body.replace(b"<script", b'<script nonce="' + self._nonce + b'"')
        headers = MutableHeaders(scope=self._start)
        headers["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _access(path: str) -> Access:
    if path in _ROUTES:
        return _ROUTES[path]
    if ".." in path:
        return _NOWHERE
    return next((access for folder, access in _FOLDERS.items() if path.startswith(folder)), _NOWHERE)


def _card_in(scope: Scope, body: bytes) -> CareCard | None:
    """The card for what a request says."""
    text = body.decode("utf-8", "replace")
    if scope["method"] != "POST":
        text = QueryParams(scope["query_string"]).get("q", "")
    with suppress(ValueError, RecursionError, TypeError, LookupError):
        if scope["path"] == _JOIN:  # what a person typed is the first of the data that the page sends
            text = str(json.loads(text)["data"][0])
        elif scope["path"] == _MCP:
            text = json.dumps(json.loads(text)["params"]["arguments"])
    return card_in(text)


def _for_whoever_asks(refusal: Response, headers: Headers) -> Response:
    """Words for a browser that opens an address, details for programs and scripts."""
    is_problem = refusal.headers.get("content-type") == PROBLEM_TYPE
    return as_page(refusal) if is_problem and "text/html" in headers.get("accept", "") else refusal


def _below(scope: Scope, prefix: str) -> Scope:
    """The same request without the prefix, which some proxies take off and others leave."""
    path = scope["path"]
    if not prefix or not (path == prefix or path.startswith(f"{prefix}/")):
        return scope
    raw = scope.get("raw_path") or path.encode()
    return {**scope, "path": path[len(prefix) :], "raw_path": raw[len(prefix) :]}


def _host(headers: Headers) -> str:
    """The name a request is meant for, without the port."""
    with suppress(ValueError):
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    return ""


def _is_api(path: str) -> bool:
    return path.startswith("/api/")


def _given_password(authorization: str) -> str | None:
    """The password of a Basic or Bearer header; None if there is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1", "replace").decode("utf-8", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _digest(password: str) -> bytes:
    """Of one length, so that the comparison tells nothing of the length either."""
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).digest()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


async def _body_in_time(scope: Scope, receive: Receive) -> bytes | None:
    """As `_body`; TimeoutError when it takes too long to arrive."""
    return await asyncio.wait_for(_body(scope, receive), MAX_BODY_SECONDS)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a request; None when it is larger than the limit, whatever length it claims.

    Raises:
        ClientDisconnect: the client left before all of it had come.
    """
    claimed = Headers(scope=scope).get("content-length", "0")
    if not _is_number(claimed) or int(claimed) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out a body that was read already, and then what follows it."""
    parts = [body]

    async def replay() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        return await receive()

    return replay
