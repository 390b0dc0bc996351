"""Which folders are meant by what was typed, and what is refused before it does harm."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import HashingEncoder

import b12qa
from b12qa import answering, embedding, retrieval
from b12qa.answering import Assistant
from b12qa.cli import app
from b12qa.errors import CorpusError, ModelError, QueryError
from b12qa.folders import corpus_folder, index_folder


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to a model leads to the stand-in."""
    for module in (answering, embedding, retrieval):
        monkeypatch.setattr(module, "load_encoder", lambda *_, **__: HashingEncoder())
    monkeypatch.setattr(answering, "find_model", lambda *_, **__: HashingEncoder())
    for name in ("B12QA_INDEX", "B12QA_CORPUS", "B12QA_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def index(small_corpus: Path) -> Path:
    """An index beside the corpus that it was built from."""
    b12qa.load(small_corpus.parent / "index", build=True)
    return small_corpus.parent / "index"


@pytest.fixture
def stray(index: Path, small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same index with no corpus beside it, seen from a folder with a stranger's."""
    shutil.move(small_corpus, tmp_path / "tea-corpus")
    here = tmp_path / "here"
    (here / "corpus").mkdir(parents=True)
    (here / "corpus" / "bread.md").write_text("# Bread\n\nBread is food.\n")
    monkeypatch.chdir(here)
    return index


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_text_names_nothing(
    index: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert corpus_folder(index, "") == small_corpus
    assert b12qa.load(index, corpus="", model="").documents[0].name == "tea"
    monkeypatch.chdir(index.parent)
    assert index_folder("") == Path("index")
    assert b12qa.load("").documents[0].name == "tea"
    assert b12qa.Retriever.load("", model="").index.documents[0].name == "tea"


@pytest.mark.parametrize("how", ["typed", "environment"])
def test_an_empty_option_names_nothing(how: str, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(index.parent)
    options = ["--index", "", "--corpus", "", "--model", ""]
    if how == "environment":
        for name in ("B12QA_INDEX", "B12QA_CORPUS", "B12QA_MODEL"):
            monkeypatch.setenv(name, "")
        options = []
    result = CliRunner().invoke(app, ["ask", "what is tea?", *options])
    assert result.exit_code == 0, result.output
    assert "Tea is a drink." in result.stdout


def test_advice_to_build_names_no_empty_folder(tmp_path: Path, small_corpus: Path) -> None:
    with pytest.raises(b12qa.MissingIndexError) as refusal:
        b12qa.load(tmp_path / "index", corpus="", model="")
    assert str(refusal.value).endswith(f"Run: b12qa build --index {tmp_path / 'index'}")
    assert small_corpus.is_dir()


@pytest.mark.parametrize("build", [False, True])
def test_a_strangers_corpus_does_not_replace_that_of_the_index(stray: Path, build: bool) -> None:
    before = files(stray)
    with pytest.raises(CorpusError) as refusal:
        b12qa.load(stray, build=build)
    assert str(refusal.value) == (
        f"The index {stray} holds tea. No folder corpus lies beside it, and the one here holds bread, "
        "so it is that of another index. Name the right folder: --corpus DIR (load: corpus=...)"
    )
    assert files(stray) == before


@pytest.mark.parametrize("command", [["build"], ["diff"], ["check"], ["ask", "what is tea?"]])
def test_no_command_takes_a_strangers_corpus_for_that_of_the_index(stray: Path, command: list[str]) -> None:
    before = files(stray)
    result = CliRunner().invoke(app, [*command, "--index", str(stray)])
    assert result.exit_code == 2
    assert f"b12qa: The index {stray} holds tea. " in result.stderr
    assert "Run: b12qa build" not in result.stderr
    assert files(stray) == before


def test_a_corpus_that_is_named_or_shares_a_document_is_taken(stray: Path, tmp_path: Path) -> None:
    with pytest.raises(b12qa.StaleIndexError):
        b12qa.load(stray, corpus="corpus")
    shutil.copy(tmp_path / "tea-corpus" / "tea.md", "corpus")
    assert corpus_folder(stray) == Path("corpus")
    documents = b12qa.load(stray, build=True).documents
    assert [document.name for document in documents] == ["bread", "tea"]


def test_many_documents_are_named_by_the_first(stray: Path) -> None:
    for number in range(9):
        Path("corpus", f"roll-{number}.md").write_text("# Roll\n\nA roll is food.\n")
    with pytest.raises(CorpusError, match=r"the one here holds bread, roll-0, roll-1, and 7 more, so"):
        b12qa.load(stray)


def test_without_an_index_or_a_corpus_there_is_nothing_to_compare(tmp_path: Path, stray: Path) -> None:
    assert corpus_folder(tmp_path / "elsewhere" / "index") == Path("corpus")
    (stray / "CURRENT").write_text("damaged")
    assert corpus_folder(stray) == Path("corpus")
    shutil.rmtree("corpus")
    assert corpus_folder(stray) == Path("corpus")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: b12qa.load(None), "Expected a path as index, got None."),  # type: ignore[arg-type]
        (lambda: b12qa.load(3), "Expected a path as index, got 3."),  # type: ignore[arg-type]
        (lambda: b12qa.load("index\0"), r"Expected a path as index; no path holds a NUL: 'index\x00'."),
        (lambda: b12qa.load(corpus=3), "Expected a path as corpus, got 3."),  # type: ignore[arg-type]
        (lambda: b12qa.load(corpus="a\0"), r"Expected a path as corpus; no path holds a NUL: 'a\x00'."),
        (lambda: b12qa.Retriever.load(b"index"), "Expected a path as index, got b'index'."),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_path_is_refused(call: Callable[[], object], expected: str) -> None:
    with pytest.raises(QueryError) as refusal:
        call()
    assert str(refusal.value).startswith(expected)


def test_a_file_is_no_index(tmp_path: Path, small_corpus: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("Read me.")
    expected = f"{readme} is a file: expected the folder of an index, such as index. Name that."
    loads: list[Callable[..., Any]] = [Assistant.load, b12qa.Retriever.load]
    for load in loads:
        with pytest.raises(QueryError) as refusal:
            load(readme)
        assert str(refusal.value) == expected
    for command in (["build"], ["check"], ["rollback"], ["ask", "what is tea?"]):
        result = CliRunner().invoke(app, [*command, "--index", str(readme)])
        assert result.exit_code == 2
        refused = f"Invalid value for '--index' (env var: 'B12QA_INDEX'): {expected}"
        assert refused in " ".join(result.stderr.split())


def test_a_name_too_long_is_left_to_what_opens_it(small_corpus: Path) -> None:
    with pytest.raises(b12qa.DamagedIndexError, match="cannot be read"):
        b12qa.load("x" * 5000, corpus=small_corpus)


@pytest.mark.parametrize("model", [Path("nope"), "nope"])
def test_a_model_may_be_named_by_a_path(model: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(ModelError, match="for the model; got 'nope'"):
        embedding.find_model(model)


def test_what_is_no_name_of_a_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(ModelError, match=r"Expected the name or the folder of a model as text, got 3\."):
        embedding.find_model(3)  # type: ignore[arg-type]
