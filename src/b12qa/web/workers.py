"""Threads that work on questions, so that the event loop never waits, and no more of them than help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

BUSY_SECONDS = 2  # after which trying again is worth it


class BusyError(Exception):
    """As many questions are waiting as may wait."""


class Workers:
    """A few threads, and a queue in front of them that is never longer than it should be.

    Used from the event loop alone.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="question")
        self._most = threads + max_waiting
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """How many questions are worked on or waiting."""
        return self._under_way

    async def run(self, function: Callable[[], Result]) -> Result:
        """What a function returns, from one of the threads.

        Raises:
            BusyError: too many are waiting; the function is not called.
        """
        if self._under_way >= self._most:
            raise BusyError
        future = asyncio.get_running_loop().run_in_executor(self._pool, function)
        self._under_way += 1
        # A caller who left does not end the work: it counts until it is done.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[Result]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # seen, even where nobody waits for it any more
