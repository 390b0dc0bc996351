"""`make clean` removes what the other targets made, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

GENERATION = "d75345df0a39c349"
BUILT = (GENERATION, "encoders", "CURRENT", "PREVIOUS", "ROLLED-BACK", ".lock", ".parts-1", ".building-1")
KEPT = ("README.md", "bin", "dev", "etc", "0", "cafe", f"{GENERATION}0", f"{GENERATION[:-1]}x")


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "--file", str(ROOT / "Makefile"), "clean", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("index", ["index", "my index"])
def test_clean_removes_what_a_build_made_and_nothing_else(tmp_path: Path, index: str) -> None:
    for name in (*BUILT, *KEPT):
        (tmp_path / index / name).mkdir(parents=True)
    (tmp_path / ".venv").mkdir()
    done = make(f"INDEX={index}", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / index).iterdir()} == set(KEPT)
    assert [path.name for path in tmp_path.iterdir()] == [index]


@pytest.mark.parametrize("index", ["", " "])
def test_clean_refuses_an_index_without_a_name(tmp_path: Path, index: str) -> None:
    refused = make(
        "--dry-run", f"INDEX={index}", folder=tmp_path
    )  # dry, for what it would remove if it did not
    assert refused.returncode != 0
    assert "INDEX is empty. Name the folder of the index" in refused.stderr
    assert "rm" not in refused.stdout
