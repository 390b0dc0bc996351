"""A chat that goes on while the index is rebuilt: a new generation is opened beside the old, then served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from b12qa.answering import Assistant
from b12qa.errors import B12qaError
from b12qa.index import check_model, current_generation, open_index
from b12qa.retrieval import Retriever
from b12qa.web.page import Served, served_by

SECONDS_BETWEEN_LOOKS = 1.0

Tell = Callable[[str], None]


class LiveAssistant:
    """What the page shows of the generation that is current.

    Whoever calls it keeps what they got: an answer under way ends on the generation it began with.
    """

    def __init__(self, assistant: Assistant, index_dir: Path, tell: Tell) -> None:
        self._served = served_by(assistant)
        self._index_dir = index_dir
        self._tell = tell
        self._told = ""
        self.on_new: Callable[[Served], None] = lambda served: None  # called once something else is served

    def __call__(self) -> Served:
        return self._served

    def watch(self) -> None:
        """Look for a new generation until the process ends."""
        threading.Thread(target=self._watch, name="watch the index", daemon=True).start()

    def look(self) -> None:
        """Serve the current generation if it is another one; if it must not be served, go on and say why."""
        serving = self._served.assistant.retriever
        try:
            if current_generation(self._index_dir) == serving.index.generation:
                return
            index = open_index(self._index_dir, serving.index.store)
            check_model(index, serving.encoder)
            # All that a first question would wait for is done before anyone asks.
            self._served = served_by(Assistant(Retriever(index, serving.encoder)))
        except (B12qaError, OSError) as error:
            self._tell_once(f"Still serving generation {serving.index.generation}: {error}")
        else:
            self.on_new(self._served)
            self._tell_once(f"Serving generation {index.generation} from now on.")

    def _watch(self) -> None:
        stop = threading.Event()
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            self.look()

    def _tell_once(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._tell(words)
