"""No text can make a regular expression of ours slow."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import b12qa

SOURCES = Path(b12qa.__file__).parent
LENGTHS = (500, 5000)
MAX_SECONDS = 0.05
# What blows up a pattern: long runs of what it repeats, almost whole matches, and an end that fits nothing.
PIECES = (
    "a", "A", "0", " ", "\n", "\t", "\r\n", "_", "-", "'", "*", "`", "#", "|", ".", "!", "(", "[", "<", ">",
    '"', "\\", "&", "=", ":", "$", "e\u0301", "\xdf", "ab", "a ", "a-", "a.", "a,b ", "1.", "1,", "1.1 ",
    "- ", "* ", "**", "``", "[a](", "![", "](", "<a ", "<!--", "&#", "\\(", "--- ", "===\n", "| a ", "> ",
    "a\n", "a: ", "'a", "mcg ", "n't ", " a b c d ", "1-2 ", "http://", "a@b.", "{{", "}}", "/*", "*/", ";",
    'a="b" ', "B12 ", "can t ", "aaab",
)  # fmt: skip
ENDS = ("", "\u2603")


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages([str(SOURCES)], "b12qa."):
        yield importlib.import_module(found.name)


def compiled() -> dict[str, re.Pattern[Any]]:
    """The patterns of all modules that are kept under a name, alone or in a collection."""
    patterns = {}
    for module in modules():
        for name, value in vars(module).items():
            kept = value.values() if isinstance(value, dict) else value
            several = isinstance(kept, list | tuple | set | frozenset) or kept is not value
            for number, pattern in enumerate(kept if several else (value,)):
                if isinstance(pattern, re.Pattern):
                    patterns[f"{module.__name__}.{name}[{number}]"] = pattern
    return patterns


def written() -> dict[str, re.Pattern[Any]]:
    """Patterns written where they are used: `re.sub(r"...", ...)`."""
    patterns = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            first = node.args[0] if node.args else None
            if isinstance(owner, ast.Name) and owner.id == "re" and isinstance(first, ast.Constant):
                assert isinstance(first.value, str | bytes)
                patterns[f"{path.relative_to(SOURCES)}:{node.lineno}"] = re.compile(first.value)
    return patterns


PATTERNS = {**compiled(), **written()}


def test_the_patterns_of_the_project_are_found() -> None:
    assert len(PATTERNS) >= 30
    assert "b12qa.messages._TOKEN[0]" in PATTERNS
    assert len(PIECES) >= 20


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_no_attack_makes_a_pattern_slow(name: str) -> None:
    pattern = PATTERNS[name]
    slow = {}
    for piece in PIECES:
        for end in ENDS:
            for length in LENGTHS:
                text = piece * (length // len(piece)) + end
                if seconds(pattern, text) > MAX_SECONDS and seconds(pattern, text) > MAX_SECONDS:
                    slow[piece, end, length] = seconds(pattern, text)
    assert slow == {}


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    """CPU time of finding everything, and of matching the whole: the ways that the project uses."""
    searched = text.encode() if isinstance(pattern.pattern, bytes) else text
    started = time.process_time()
    for _ in pattern.finditer(searched):
        pass
    pattern.fullmatch(searched)
    return time.process_time() - started


def test_a_pattern_that_blows_up_is_found_out() -> None:
    pattern = re.compile(r"(\w+\s?)*:")
    started = seconds(pattern, "a" * 20 + "!")
    assert seconds(pattern, "a" * 22 + "!") > 2 * started
