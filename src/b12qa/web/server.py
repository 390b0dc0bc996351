"""Start the chat on an address."""

from __future__ import annotations

from pathlib import Path


def serve(
    *,
    index: str | Path = "index",
    corpus: str | Path | None = None,
    model: str | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    build: bool = False,
    open_browser: bool = False,
) -> None:
    """Serve the chat until interrupted."""
    raise NotImplementedError
