"""Shared by the tests: the real article and model, and a small document with a stand-in encoder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi import FastAPI
from filelock import FileLock

from b12qa import answering
from b12qa.answering import Assistant
from b12qa.embedding import DEFAULT_FINGERPRINT, Encoder, FloatMatrix, load_encoder
from b12qa.exported import export_folder
from b12qa.exporting import export_encoder
from b12qa.records import Answer, Quote
from b12qa.web.guard import Guard
from b12qa.web.settings import Settings
from b12qa.web.surfaces import Surfaces

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from visiting import ScriptedAssistant, Visit

    from b12qa.web.page import Served

ROOT = Path(__file__).parent.parent
# An export takes half a minute. Only the article's index gets one, which all tests share.
os.environ["B12QA_ENCODER"] = "torch"

SMALL_TEXT = """# Tea

Tea is a drink. It has 40 mg of caffeine.

## Kinds

- green tea
- **black** tea

## Brewing

Use water at 90.5 degrees. Wait 3 minutes.
"""


class HashingEncoder:
    """A stand-in that needs no model: words hashed to places, so that shared words raise the cosine."""

    def __init__(self, dimension: int = 64, max_tokens: int = 32, name: str = "hashing") -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.fingerprint = hashlib.sha256(f"{name} {dimension} {max_tokens}".encode()).hexdigest()

    def count_tokens(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text)) + 2

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        vectors = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                place = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                vectors[row, place % self.dimension] += 1
        unit: FloatMatrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


# The longest files first, so that none is left to one process at the end (`--no-loadscope-reorder`).
LONGEST_FIRST = (
    "test_browser.py", "test_privacy.py", "test_building_faults.py", "test_browser_words.py",
    "test_browser_access.py", "test_cli.py", "test_exported.py", "test_engines.py", "test_notebooks.py",
    "test_browser_waiting.py", "test_widget.py", "test_web.py", "test_index.py", "test_api.py",
    "test_unasked.py", "test_building.py", "test_embedding.py", "test_public_api.py",
    "test_reporting.py", "test_answering.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST_FIRST)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") is None:
        return
    # Few tests need it, and those without a browser must not fail for it.
    from chromium import CHROMIUM, REQUIRED

    if REQUIRED and not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing. Run: apt-get install chromium", pytrace=False)


def serving(assistant: Assistant) -> Callable[[], Served]:
    """What the page asks for what to show, when that never changes."""
    from b12qa.web.page import served_by  # Gradio takes seconds to load

    served = served_by(assistant)
    return lambda: served


def wait_for_suggestions() -> None:
    """Wait until what may be suggested has been tried."""
    from b12qa.web.page import TRYING

    for thread in threading.enumerate():
        if thread.name == TRYING:
            thread.join(60)


def assistant_for(text: str, folder: Path, name: str = "text") -> Assistant:
    """An assistant for one more document in a folder, with the stand-in encoder."""
    (folder / "corpus").mkdir(exist_ok=True)
    (folder / "corpus" / f"{name}.md").write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        for function in ("find_model", "load_encoder"):
            patch.setattr(answering, function, lambda *_, **__: HashingEncoder())
        return Assistant.load(folder / "index", corpus=folder / "corpus", build=True)


@dataclass(frozen=True)
class HeldAssistant(Assistant):
    """Answers as another does, when it may go on."""

    inner: Assistant
    go_on: threading.Event

    def ask_with_more(self, *args: Any, **named: Any) -> tuple[Answer, tuple[Quote, ...]]:
        assert self.go_on.wait(60)
        return self.inner.ask_with_more(*args, **named)


def programs_app(assistant: Assistant, settings: Settings | None = None) -> FastAPI:
    """The routes for programs behind the guard, without the page, which takes seconds to load."""
    settings = settings or Settings(rate=0)
    surfaces = Surfaces(settings)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    surfaces.add_programs(app, lambda: assistant)
    app.add_middleware(Guard, settings=settings, metrics=surfaces.metrics)
    return app


@pytest.fixture
def hashing_encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture
def small_corpus(tmp_path: Path) -> Path:
    """A corpus folder with one document that one can keep in the head."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "tea.md").write_bytes(SMALL_TEXT.encode())
    return folder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real packaged model."""
    return load_encoder()


def shared_by_all_processes(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def article_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the real article with the real model.

    A build equals one from nothing (decision 0008), so what a developer has built already is taken over. All
    processes that the tests are shared out to read the same one.
    """
    index = shared_by_all_processes(tmp_path_factory) / "article"
    with FileLock(f"{index}.lock"):
        if (ROOT / "index" / "CURRENT").is_file() and not index.exists():
            shutil.copytree(ROOT / "index", index)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("B12QA_ENCODER", "auto")  # a fresh index with an export needs no torch to be opened
            Assistant.load(index, corpus=ROOT / "corpus", build=True)
    return index


@pytest.fixture(scope="session")
def exported_index(article_index: Path) -> Path:
    """The article's index with the model exported beside it."""
    with pytest.MonkeyPatch.context() as patch, FileLock(f"{article_index}.lock"):
        patch.setenv("B12QA_ENCODER", "onnx")
        if not export_folder(article_index, DEFAULT_FINGERPRINT).is_dir():
            assert export_encoder(load_encoder(), article_index).used
    return article_index


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from chromium import launched

    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(assistant: Assistant) -> Iterator[str]:
    """A chat that runs while the tests of a module do."""
    from visiting import served

    with served(assistant) as address:
        yield address


@pytest.fixture
def chat(browser: Browser, address: str) -> Iterator[Visit]:
    """The page of that chat."""
    from visiting import visit

    with visit(browser, address) as chat:
        yield chat


@pytest.fixture(scope="module")
def scripted(assistant: Assistant) -> ScriptedAssistant:
    """An assistant that says what a test wants."""
    from visiting import ScriptedAssistant

    return ScriptedAssistant(assistant.retriever)


@pytest.fixture(scope="module")
def scripted_address(scripted: ScriptedAssistant) -> Iterator[str]:
    """The chat with that assistant."""
    from visiting import served

    with served(scripted) as address:
        yield address


@pytest.fixture(scope="session")
def assistant(assistant_of_the_article: Assistant) -> Assistant:
    """The same by a shorter name, which a module may give to an assistant of its own."""
    return assistant_of_the_article


@pytest.fixture(scope="session")
def assistant_of_the_article(exported_index: Path) -> Assistant:
    """An assistant for the real article with the real model, which is served from its export."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("B12QA_ENCODER", "onnx")
        return Assistant.load(exported_index, corpus=ROOT / "corpus")


@pytest.fixture
def from_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test loads or runs answers from an export, where there is one."""
    monkeypatch.setenv("B12QA_ENCODER", "auto")
