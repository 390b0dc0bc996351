"""The safety case names tests that exist, and leaves nothing out that it promises."""

from __future__ import annotations

import ast
import re

from conftest import ROOT

TEXT = (ROOT / "docs" / "safety.md").read_text("utf-8")
HAZARDS = re.findall(r"^\| H\d+ \|.*\|$", TEXT, re.MULTILINE)


def names_of_all_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_hazard_has_its_cause_its_control_its_tests_and_what_remains() -> None:
    assert len(HAZARDS) >= 15
    for hazard in HAZARDS:
        cells = [cell.strip() for cell in hazard.strip("|").split("|")]
        assert len(cells) == 6
        assert all(cells), hazard
        assert "`test_" in cells[4], hazard
    assert [int(number) for number in re.findall(r"^\| H(\d+)", TEXT, re.MULTILINE)] == list(
        range(1, len(HAZARDS) + 1)
    )


def test_every_test_that_the_safety_case_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) >= 30
    assert sorted(named - names_of_all_tests()) == []


def test_the_parts_that_were_promised_are_there() -> None:
    for heading in ("Intended use", "It must not be used", "Hazards", "Who must sign what", "How to report"):
        assert f"## {heading}" in TEXT
    assert "safety.md" in (ROOT / "README.md").read_text("utf-8")
