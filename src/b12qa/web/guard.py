"""What may come in and what goes out with every response.

Gradio brings more than a chat needs: anyone may upload files, and have the server fetch any address.
So only the routes that the page uses are open, and the browser is told to load nothing from elsewhere.
"""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024

_OPEN_PATHS = {"/", "/config", "/favicon.ico", "/manifest.json", "/pwa_icon", "/theme.css"}
_OPEN_PREFIXES = ("/assets/", "/static/", "/page/", "/gradio_api/heartbeat/")
_OPEN_PATHS |= {f"/gradio_api/{name}" for name in ("info", "queue/join", "queue/data", "reset", "cancel")}

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

# Gradio advertises its own site and a picture on another host to programs that preview links.
_PREVIEW_TAG = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')


class Guard:
    """ASGI middleware: open routes, a limit for bodies, security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["content-security-policy"] = _CONTENT_SECURITY_POLICY.format(nonce=nonce)
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        if scope["method"] == "POST":
            body = await _limited_body(scope, receive)
            if body is None:
                await PlainTextResponse("Too large.", 413)(scope, receive, send_guarded)
                return
            receive = _replayed(body, receive)
        if scope["path"] == "/":
            # The page is changed below, so it must not come compressed.
            headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            page = _Page(send_guarded, nonce)
            await self.app({**scope, "headers": headers}, receive, page.send)
        else:
            await self.app(scope, receive, send_guarded)


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
        headers["cache-control"] = "no-store"
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _refusal(scope: Scope) -> PlainTextResponse | None:
    path = scope["path"]
    if path not in _OPEN_PATHS and (".." in path or not path.startswith(_OPEN_PREFIXES)):
        return PlainTextResponse("Not found.", 404)
    if scope["method"] not in ("GET", "HEAD", "POST"):
        return PlainTextResponse("Not allowed.", 405)
    return None


async def _limited_body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a request; None when it is larger than the limit, whatever length it claims."""
    claimed = Headers(scope=scope).get("content-length", "0")
    if not claimed.isdigit() or int(claimed) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
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
