from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SEARCH = ROOT / "notebooks" / "01_search.ipynb"


@pytest.fixture(autouse=True)
def _index_of_the_article(exported_index: Path, from_export: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebooks use the index that is there already."""
    monkeypatch.setenv("B12QA_INDEX", str(exported_index))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def opened(notebook: Path) -> Any:
    return nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]


def executed(notebook: Path, folder: Path, cells: int | None = None) -> list[Any]:
    """The cells of a notebook, run in a folder as JupyterLab would run them; the first ones if told so."""
    content = opened(notebook)
    content.cells = content.cells[:cells]
    client = NotebookClient(
        content, timeout=300, startup_timeout=120, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell for cell in content.cells if cell.cell_type == "code"]


def shown(cells: list[Any], kind: str) -> list[str]:
    """Everything of one MIME type that the cells show."""
    outputs = [output for cell in cells for output in cell.outputs]
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


@pytest.mark.model
def test_the_search_notebook_shows_answers_scores_and_a_plot() -> None:
    cells = executed(SEARCH, SEARCH.parent)
    html = shown(cells, "text/html")
    assert any('class="b12qa results"' in output and "<mark>" in output for output in html)
    assert any('class="b12qa answer answered"' in output and "<mark>" in output for output in html)
    assert any('class="b12qa answer not_covered"' in output for output in html)
    assert any("<table" in output and "best sentence" in output for output in html)
    assert any("<mark>80 °C</mark>" in output for output in html)
    (plot,) = shown(cells, "image/png")
    assert len(plot) > 10_000
    assert "('short-model', 64)" in shown(cells, "text/plain")
    printed = "".join(
        output.text for cell in cells for output in cell.outputs if output.output_type == "stream"
    )
    assert "The index was built with the model all-MiniLM-L6-v2" in printed
    assert [o for cell in cells for o in cell.outputs if o.get("name") == "stderr"] == []


@pytest.mark.model
def test_the_search_notebook_starts_in_the_root_as_well() -> None:
    content = opened(SEARCH)
    first_answer = next(i for i, cell in enumerate(content.cells) if "assistant.search" in cell.source)
    cells = executed(SEARCH, ROOT, first_answer + 1)
    assert 'class="b12qa results"' in shown(cells, "text/html")[0]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_committed_without_its_outputs(notebook: Path) -> None:
    content = opened(notebook)
    nbformat.validate(content)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
        assert not set(cell.metadata) - {"tags"}
    assert set(content.metadata) <= {"kernelspec", "language_info"}
