"""A chat that goes on while the index is rebuilt: a new generation is opened beside the old, then served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from b12qa.answering import Assistant
from b12qa.errors import B12qaError
from b12qa.generations import current_generation
from b12qa.index import check_model, open_index
from b12qa.retrieval import Retriever
from b12qa.web.page import Served, served_by
from b12qa.web.problems import log_fault

SECONDS_BETWEEN_LOOKS = 1.0
# A generation that cannot be served is read in full each time it is tried.
MOST_SECONDS_BETWEEN_TRIES = 300.0

Tell = Callable[[str], None]


class LiveAssistant:
    """What the page shows of the generation that is current.

    Whoever calls it keeps what they got: an answer under way ends on the generation it began with.
    """

    def __init__(
        self,
        assistant: Assistant,
        index_dir: Path,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._served = served_by(assistant)
        self._index_dir = index_dir
        self._tell = tell
        self._clock = clock
        self._told = ""
        self._tried = ""  # the generation that was tried last
        self._wait = 0.0  # seconds until it is tried again
        self._next_try = 0.0  # when that is
        self.on_new: Callable[[Served], None] = lambda served: None  # called once something else is served

    def __call__(self) -> Served:
        return self._served

    def watch(self) -> None:
        """Look for a new generation until the process ends."""
        threading.Thread(target=self._watch, name="watch the index", daemon=True).start()

    def look(self) -> None:
        """Serve the current generation if it is another one; if it must not be served, go on and say why.

        One that was refused may be mended in place: it is tried again, each time after twice as long.
        """
        serving = self._served.assistant.retriever
        try:
            name = current_generation(self._index_dir)
            if name == serving.index.generation or not self._may_try(name):
                return
            index = open_index(self._index_dir, serving.index.store)
            check_model(index, serving.encoder)
            # All that a first question would wait for is done before anyone asks.
            served = served_by(Assistant(Retriever(index, serving.encoder)))
        except (B12qaError, OSError) as error:
            self._tell_once(f"Still serving generation {serving.index.generation}: {error}")
        else:
            self.on_new(served)
            self._served.suggestions.end()
            self._served = served
            self._tell_once(f"Serving generation {index.generation} from now on.")

    def _watch(self) -> None:
        stop = threading.Event()
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self.look()
            except Exception as error:  # whatever it is, the next generation may be sound
                log_fault(error)

    def _may_try(self, name: str) -> bool:
        now = self._clock()
        if name != self._tried:
            self._tried, self._wait = name, SECONDS_BETWEEN_LOOKS
        elif now < self._next_try:
            return False
        else:
            self._wait = min(2 * self._wait, MOST_SECONDS_BETWEEN_TRIES)
        self._next_try = now + self._wait
        return True

    def _tell_once(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._tell(words)
