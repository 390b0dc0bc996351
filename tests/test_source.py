"""Nothing that b12qa reads may become code, and a module imports only from those above it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FUNCTIONS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    "torch": {"load"},
    "yaml": {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"},
    "faiss": {"read_index", "read_index_binary", "read_VectorTransform"},
}
LOADERS = {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}


def unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.partition(".")[0] in MODULES:
                yield module
            forbidden = METHODS.get(module, set()) | (LOADERS if module == "yaml" else set())
            yield from (f"{module}.{name.name}" for name in node.names if name.name in forbidden)
        elif isinstance(node, ast.Name) and node.id in FUNCTIONS:
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = node.value.id
            if node.attr in METHODS.get(owner, set()) or (owner == "yaml" and node.attr in LOADERS):
                yield f"{owner}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "trust_remote_code"}:
            refused = isinstance(node.value, ast.Constant) and node.value.value is False
            yield from () if refused else (node.arg,)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_no_module_reads_what_could_run(path: Path) -> None:
    assert list(unsafe(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("torch.load(file)", "torch.load"),
        ("from torch import load", "torch.load"),
        ("np.load(file, allow_pickle=True)", "allow_pickle"),
        ("np.load(file, allow_pickle=wanted)", "allow_pickle"),
        ("yaml.load(file, Loader=yaml.SafeLoader)", "yaml.load"),
        ("yaml.compose(file, Loader=yaml.UnsafeLoader)", "yaml.UnsafeLoader"),
        ("eval('1')", "eval"),
        ("builtins = [exec]", "exec"),
        ("faiss.read_index(name)", "faiss.read_index"),
    ],
)
def test_what_could_run_is_found(code: str, found: str) -> None:
    assert list(unsafe(ast.parse(code))) == [found]


def test_what_could_not_run_is_not() -> None:
    code = (
        "np.load(f, allow_pickle=False); yaml.compose(f, Loader=yaml.SafeLoader); json.load(f); re.compile(p)"
    )
    assert list(unsafe(ast.parse(code))) == []


# The table of docs/architecture.md.

PACKAGE = ROOT / "src" / "b12qa"


def documented_order() -> list[str]:
    """The modules from top to bottom as the page names them, those of web/ in its place."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    cells = re.findall(r"^\| [^|`]+ \| ([^|]+) \|", page, re.MULTILINE)
    modules = [name for cell in cells for name in re.findall(r"`(\w+\.py|web/)`", cell)]
    paragraph = page.partition("Inside `web/`, top to bottom:")[2].partition("\n\n")[0]
    inside = [f"web.{name}" for name in re.findall(r"`(\w+)`", paragraph)]
    place = modules.index("web/")
    return (
        [name.removesuffix(".py") for name in modules[:place]]
        + inside
        + [name.removesuffix(".py") for name in modules[place + 1 :]]
    )


def imported(tree: ast.AST, modules: set[str]) -> Iterator[tuple[str, str]]:
    """Modules of ours that code imports, wherever it does, each with the innermost function around it."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{name.name}" for name in node.names)]
        else:
            names = []
        known = (name.removeprefix("b12qa.") for name in names if name.startswith("b12qa."))
        yield from ((name, function) for name in known if name in modules)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    return visit(tree, "")


def test_every_module_stands_in_the_table_once() -> None:
    found = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    modules = [".".join(path.parts) for path in found if not path.name.startswith("__")]
    assert sorted(documented_order()) == sorted(modules)


def test_a_module_imports_only_from_those_above_it() -> None:
    order = documented_order()
    upward = {
        (name, other, function)
        for place, name in enumerate(order)
        for other, function in imported(
            ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text("utf-8")), set(order)
        )
        if other not in order[:place]
    }
    assert upward == {("records", "rendering", "_repr_html_"), ("records", "rendering", "__str__")}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import b12qa.index", [("index", "")]),
        ("from b12qa.index import Index", [("index", "")]),
        ("from b12qa import index, __version__", [("index", "")]),
        ("def f():\n    from b12qa.web import desk", [("web.desk", "f")]),
        ("if TYPE_CHECKING:\n    from b12qa.web.desk import Desk", [("web.desk", "")]),
        ("import numpy as np, index", []),
    ],
)
def test_an_import_is_found_wherever_it_stands(code: str, found: list[tuple[str, str]]) -> None:
    assert list(imported(ast.parse(code), {"index", "web.desk"})) == found


def named(distribution: str) -> str:
    return re.sub("[-_.]+", "-", distribution).lower()


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(w for extra in project["optional-dependencies"].values() for w in extra),
    ]
    declared = {named(re.match(r"[\w.-]+", requirement)[0]) for requirement in wanted}  # type: ignore[index]
    imported = set()
    for node in (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    others = imported - sys.stdlib_module_names - {"b12qa"}
    brought_by = packages_distributions()
    assert {"numpy", "torch", "grpc"} <= others
    undeclared = {module for module in others if declared.isdisjoint(map(named, brought_by[module]))}
    assert undeclared == set()
