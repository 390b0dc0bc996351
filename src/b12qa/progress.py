"""How far something that takes long has come, told to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # so many are done, of so many


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""
