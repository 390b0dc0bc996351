"""Nothing that b12qa reads may become code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
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
