"""Start the chat on an address."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from b12qa import safety
from b12qa.errors import B12qaError
from b12qa.feedback import check_writable
from b12qa.web.settings import Settings, is_loopback, read_settings

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (the address to open instead)
_MAX_CONNECTIONS = 512
# Who connects and says nothing keeps no place for longer.
_SECONDS_TO_SAY_SOMETHING = 20
# Open pages hold a connection for as long as they are open; they are not waited for.
_SECONDS_TO_FINISH = 1


def serve(
    *,
    index: str | Path = "index",
    corpus: str | Path | None = None,
    model: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    build: bool = False,
    open_browser: bool = False,
    feedback: Path | None = None,
    settings: Settings | None = None,
) -> None:
    """Serve the chat, the HTTP API and MCP until interrupted.

    Args:
        index, corpus, model, build: see `b12qa.answering.Assistant.load`.
        host: the address to listen on; the default is reached from this machine only.
        port: 0 takes a free one. The address is printed once the page can be opened.
        open_browser: open the page, where there is a screen.
        feedback: see `b12qa.web.page.build_app`.
        settings: what `b12qa.web.settings.read_settings` made; by default of nothing but the host.

    Raises:
        B12qaError: the port is taken, the region is unknown, or whatever `Assistant.load` raises.
    """
    safety.help_lines()  # a wrong region is reported before anybody needs it
    if feedback is not None:
        check_writable(feedback)
    settings = settings or read_settings(host=host)
    keep_words_out_of_logs()
    with suppress(KeyboardInterrupt), _listening(host, port) as listener:
        # Loading takes seconds; a taken port is reported before.
        from b12qa.answering import Assistant
        from b12qa.folders import index_folder
        from b12qa.web.live import LiveAssistant
        from b12qa.web.page import build_app

        assistant = Assistant.load(index, corpus=corpus, model=model, build=build)
        live = LiveAssistant(assistant, index_folder(index), lambda words: print(words, flush=True))
        address = _address(host, listener.getsockname()[1])

        def ready() -> None:
            print(f"The chat is at {address} (Ctrl-C ends it)", flush=True)
            for words in [*warnings(host, settings), *engine_warnings()]:
                print(words, flush=True)
            if open_browser and _has_screen():
                threading.Thread(target=_open, args=[address], daemon=True).start()

        page = build_app(live, feedback, settings)
        live.on_new = page.state.begin_with
        config = uvicorn.Config(
            page,
            http=_Impatient,
            access_log=False,  # a question must not end up in a log
            proxy_headers=False,  # it would believe any program of this machine; `Guard` reads them
            log_config=None,
            log_level="critical",
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        )
        live.watch()
        _Server(config, ready).run(sockets=[listener])


def warnings(host: str, settings: Settings) -> list[str]:
    """What an operator should know who opens the chat to others."""
    found = []
    if settings.public_origin and not settings.trusted_proxies:
        found.append(
            "All who come through a proxy count as one visitor, and may read /metrics if it runs here. "
            "Name it with --trusted-proxy."
        )
    if is_loopback(host):
        return found
    if not settings.password:
        found.append(
            "Whoever reaches this address may ask. B12QA_PASSWORD or --password-file asks for a password."
        )
    if not settings.public_origin.startswith("https://"):
        found.append(
            "Questions travel unencrypted unless a proxy in front adds HTTPS; "
            "name its address with --public-url. See docs/serving.md."
        )
    return found


def engine_warnings() -> list[str]:
    """What an operator should know whose engine is somewhere else."""
    from b12qa.engine_settings import read_engine_settings

    engine = read_engine_settings()
    if engine is None or not engine.travels_openly:
        return []
    return [
        "Stems of the words of questions travel to the engine unencrypted. Name it with https:// in "
        "B12QA_ENGINE. See docs/serving.md."
    ]


class WordlessFormatter(logging.Formatter):
    """Our own log lines as they are; of those of libraries who wrote them and where, and no word of them.

    A library may put what somebody asked into a warning.
    """

    def format(self, record: logging.LogRecord) -> str:
        if record.name.partition(".")[0] == "b12qa":
            return record.getMessage()
        kind = f", {record.exc_info[0].__name__}" if record.exc_info and record.exc_info[0] else ""
        return f"{record.levelname}: {record.name}, line {record.lineno}{kind}"


def keep_words_out_of_logs() -> None:
    """Make whatever any library logs wordless, for this process."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(WordlessFormatter())
    logging.getLogger().handlers = [handler]
    logging.captureWarnings(True)


class _Impatient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection that is closed unless the head of a request has come in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.loop.call_later(_SECONDS_TO_SAY_SOMETHING, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # Python adds the address to the system's words; for an unknown name there are only Python's.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise B12qaError(
            f"Cannot listen on {host}, port {port}: {reason}. "
            "Choose another with --host and --port; --port 0 takes a free one."
        ) from error


def _address(host: str, port: int) -> str:
    reached = _EVERY_ADDRESS.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _open(address: str) -> None:
    with suppress(webbrowser.Error):
        browser = webbrowser.get()
        # This very class, and none derived from it, stands for browsers that run inside a terminal.
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(address)
