from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import b12qa
from b12qa import answering, errors, records, retrieval

# Each takes longer to import than the command line needs to print its help.
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "gradio", "numpy", "tokenizers", "bm25s"}
LIST_MODULES = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


@pytest.mark.parametrize("name", b12qa.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(b12qa, name) is not None
    assert name in dir(b12qa)


def test_the_public_names_are_listed_once_and_in_order() -> None:
    assert b12qa.__all__ == sorted(set(b12qa.__all__))


def test_all_names_can_be_imported_at_once() -> None:
    names: dict[str, object] = {}
    exec("from b12qa import *", names)  # noqa: S102
    assert set(b12qa.__all__) <= names.keys()


def test_the_public_names_are_those_of_the_modules() -> None:
    assert b12qa.load == answering.load == answering.Assistant.load
    assert b12qa.Assistant is answering.Assistant
    assert b12qa.Retriever is retrieval.Retriever
    assert b12qa.Answer is records.Answer


def test_every_error_is_public_and_a_b12qa_error() -> None:
    tree = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert set(tree) <= set(b12qa.__all__)
    assert all(issubclass(error, b12qa.B12qaError) and error.__doc__ for error in tree.values())
    assert all(f" {name}" in (errors.__doc__ or "") or name == "B12qaError" for name in tree)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'b12qa' has no attribute 'nothing'"):
        _ = b12qa.nothing


def test_importing_loads_nothing_heavy_and_prints_nothing() -> None:
    assert run("import b12qa").stdout == ""
    ran = run("import b12qa" + LIST_MODULES)
    assert "b12qa" in ran.stdout.split()
    assert set(ran.stdout.split()) & HEAVY == set()
    assert ran.stderr == ""


def test_the_command_line_loads_nothing_heavy_before_it_must() -> None:
    ran = run("import b12qa.cli" + LIST_MODULES)
    assert set(ran.stdout.split()) & HEAVY == set()


def test_importing_warns_of_nothing() -> None:
    script = "import warnings; warnings.simplefilter('error'); import b12qa; from b12qa import *"
    assert run(script).stderr == ""


def test_no_module_of_the_package_prints_when_imported() -> None:
    script = (
        "import importlib, pkgutil, b12qa\n"
        "for module in pkgutil.walk_packages(b12qa.__path__, 'b12qa.'):\n"
        "    importlib.import_module(module.name) if not module.name.endswith('__main__') else None\n"
    )
    assert run(script).stdout == ""


def test_the_version_is_a_version() -> None:
    assert [int(part) >= 0 for part in b12qa.__version__.split(".")] == [True, True, True]


def test_a_refused_index_names_the_command_that_makes_this_one(tmp_path: Path) -> None:
    (tmp_path / "my texts").mkdir()
    (tmp_path / "my texts" / "tea.md").write_text("# Tea\n\nTea is brewed.\n")
    index, corpus = tmp_path / "kept", tmp_path / "my texts"
    with pytest.raises(errors.MissingIndexError) as caught:
        b12qa.load(index, corpus=corpus)
    assert str(caught.value).endswith(f"Run: b12qa build --index {index} --corpus '{corpus}'")
