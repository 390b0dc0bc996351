"""A browser, and a server for it to visit. docs/gallery.py and benchmarks/traffic.py use them too."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = Path(next(filter(None, map(shutil.which, NAMES)), "/usr/bin/chromium"))
# Where this is set, a test that would be skipped without a browser fails (conftest.py).
REQUIRED = bool(os.environ.get("CI") or os.environ.get("B12QA_REQUIRE_BROWSER"))
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MILLISECONDS = 60_000


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser that runs while the block does."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def with_large_text(browser: Browser, pixels: int = 32) -> Iterator[Browser]:
    """Another browser of the same kind, whose reader chose larger letters in its settings."""
    arguments = [*ARGUMENTS, f"--blink-settings=defaultFontSize={pixels}"]
    other = browser.browser_type.launch(executable_path=str(CHROMIUM), args=arguments)
    yield other
    other.close()


@contextmanager
def listening(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The address of an app that runs while the block does, at any free port or at this one."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, access_log=False, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()
