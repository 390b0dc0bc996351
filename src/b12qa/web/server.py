"""Start the chat on an address."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from b12qa import safety
from b12qa.errors import B12qaError

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (the address to open instead)
_MAX_CONNECTIONS = 512
# Open pages hold a connection for as long as they are open; they are not waited for.
_SECONDS_TO_FINISH = 1


def serve(
    *,
    index: str | Path = "index",
    corpus: str | Path | None = None,
    model: str | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    build: bool = False,
    open_browser: bool = False,
    feedback: Path | None = None,
) -> None:
    """Serve the chat until interrupted.

    Args:
        index, corpus, model, build: see `b12qa.answering.Assistant.load`.
        host: the address to listen on; the default is reached from this machine only.
        port: 0 takes a free one. The address is printed once the page can be opened.
        open_browser: open the page, where there is a screen.
        feedback: see `b12qa.web.page.build_app`.

    Raises:
        B12qaError: the port is taken, the region is unknown, or whatever `Assistant.load` raises.
    """
    safety.help_lines()  # a wrong region is reported before anybody needs it
    with suppress(KeyboardInterrupt), _listening(host, port) as listener:
        # Loading takes seconds; a taken port is reported before.
        from b12qa.answering import Assistant
        from b12qa.web.live import LiveAssistant
        from b12qa.web.page import build_app

        assistant = Assistant.load(index, corpus=corpus, model=model, build=build)
        live = LiveAssistant(assistant, Path(index), lambda words: print(words, flush=True))
        address = _address(host, listener.getsockname()[1])

        def ready() -> None:
            print(f"The chat is at {address} (Ctrl-C ends it)", flush=True)
            if open_browser and _has_screen():
                threading.Thread(target=_open, args=[address], daemon=True).start()

        page = build_app(live, feedback)
        live.on_new = page.state.begin_with
        settings = uvicorn.Config(
            page,
            access_log=False,  # a question must not end up in a log
            log_config=None,
            log_level="critical",
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        )
        live.watch()
        _Server(settings, ready).run(sockets=[listener])


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
