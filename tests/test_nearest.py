"""Near rows among many: what is found, against a full comparison; what is written, against what is read."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vectors_around import clustered

from b12qa import nearest as module
from b12qa.errors import IndexTypeError
from b12qa.nearest import (
    CODES_ROWS,
    FLAT_ROWS,
    make_nearest,
    open_nearest,
    type_for,
    write_nearest,
)
from b12qa.storage import HashedFolder
from b12qa.vectors import MappedVectors

NO_QUESTIONS = np.zeros((0, 32), dtype=np.float32)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def mapped(folder: Path) -> dict[str, mmap.mmap]:
    """The same, as an index opens large files."""
    found = {}
    for path in folder.iterdir():
        with path.open("rb") as file:
            found[path.name] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return found


@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_enough_of_the_nearest_are_found_for_queries_that_the_sample_does_not_hold(kind: str) -> None:
    rows, queries = clustered(6000, 1), clustered(200, 2)
    nearest = make_nearest(MappedVectors(rows), kind, NO_QUESTIONS)
    assert nearest.facts.recall_at_10 >= module.SAMPLE_RECALL
    best = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    found = nearest.rows(queries)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(best, found, strict=True)])
    assert recall >= module.LEAST_RECALL
    if kind == "ivf":
        assert nearest.facts.probes < nearest.facts.lists == module.list_count(6000)
    else:
        assert nearest.facts.values_a_code == 4


@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_the_recall_that_is_told_is_that_of_the_sample(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured again in another way: every row of the sample, without itself, by a full sort."""
    monkeypatch.setattr(module, "CANDIDATES_BY_CODE", (20,))  # so few that some are missed
    rows = clustered(3000, 1)
    nearest = make_nearest(MappedVectors(rows), kind, NO_QUESTIONS)
    own = np.linspace(0, 2999, module.SAMPLE_ROWS).astype(int)
    found = nearest.rows(rows[own])
    hits = 0
    for row, near in zip(own, found, strict=True):
        cosines = rows @ rows[row]
        cosines[row] = -1
        hits += len(set(np.argsort(-cosines)[:10]) & set(near))
    assert nearest.facts.recall_at_10 == pytest.approx(hits / 10 / len(own), abs=0.002)


def test_codes_get_longer_until_enough_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES_BY_CODE", (12,))
    found = make_nearest(MappedVectors(clustered(3000, 1)), "pq", NO_QUESTIONS).facts
    assert found.values_a_code < 4
    assert found.recall_at_10 >= module.SAMPLE_RECALL or found.values_a_code == 1
    odd = make_nearest(MappedVectors(clustered(300, 1, dimension=35)), "pq", np.zeros((0, 35), np.float32))
    assert odd.facts.values_a_code == 1  # 35 values share out to neither 4, 3 nor 2


def test_more_rows_are_looked_up_before_codes_get_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES_BY_CODE", (12, 200))
    nearest = make_nearest(MappedVectors(clustered(3000, 1)), "pq", NO_QUESTIONS)
    assert (nearest.facts.values_a_code, nearest.facts.candidates) == (4, 200)
    assert nearest.rows(clustered(2, 2)).shape == (2, 200)


def test_codes_whose_manifest_names_no_number_of_rows_are_read_as_before(tmp_path: Path) -> None:
    nearest = make_nearest(MappedVectors(clustered(3000, 1)), "pq", NO_QUESTIONS)
    write_nearest(HashedFolder(tmp_path), "rows", nearest)
    of_before = {name: fact for name, fact in nearest.facts.to_dict().items() if name != "candidates"}
    opened = open_nearest(tmp_path, contents(tmp_path), "rows", of_before)
    assert opened.rows(clustered(2, 2)).shape == (2, module.CANDIDATES_BY_CODE[0])


def test_no_more_lists_are_made_than_there_are_rows() -> None:
    assert all(module.list_count(rows) <= rows for rows in range(1, 100))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_few_rows_are_enough(kind: str, count: int) -> None:
    nearest = make_nearest(MappedVectors(clustered(count, 1)), kind, clustered(2, 3))
    assert nearest.facts.recall_at_10 == 1
    assert set(nearest.rows(clustered(1, 2))[0]) == {*range(count), -1}


def test_equal_rows_are_no_reason_to_look_further() -> None:
    rows = np.repeat(clustered(50, 1), 60, axis=0)
    nearest = make_nearest(MappedVectors(rows), "ivf", NO_QUESTIONS)
    assert nearest.facts.recall_at_10 >= module.SAMPLE_RECALL
    assert nearest.facts.probes < nearest.facts.lists


def test_questions_count_in_the_sample() -> None:
    rows, questions = clustered(3000, 1), clustered(40, 2)
    assert make_nearest(MappedVectors(rows), "ivf", questions).facts.sample == module.SAMPLE_ROWS + 40


@pytest.mark.parametrize("read", [contents, mapped])
@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_what_was_written_finds_the_same(
    tmp_path: Path, kind: str, read: Callable[[Path], dict[str, Any]]
) -> None:
    rows, queries = clustered(3000, 1), clustered(20, 2)
    nearest = make_nearest(MappedVectors(rows), kind, NO_QUESTIONS)
    folder = HashedFolder(tmp_path)
    write_nearest(folder, "rows", nearest)
    large = "rows.lists" if kind == "ivf" else "rows.codes"
    assert folder.files[large]["bytes"] == (tmp_path / large).stat().st_size
    data = read(tmp_path)
    for path in tmp_path.iterdir():
        if path.suffix != ".lists":  # FAISS maps these itself
            path.unlink()
    opened = open_nearest(tmp_path, data, "rows", nearest.facts.to_dict())
    assert opened.facts == nearest.facts
    if kind == "pq":
        with pytest.raises(TypeError, match="from make_nearest"):
            write_nearest(HashedFolder(tmp_path), "again", opened)
    np.testing.assert_array_equal(opened.rows(queries), nearest.rows(queries))


@pytest.mark.parametrize(("kind", "part"), [("ivf", "lists"), ("pq", "codes"), ("pq", "codebook.npy")])
def test_parts_of_two_builds_are_refused(tmp_path: Path, kind: str, part: str) -> None:
    for name, rows, dimension in (("one", 3000, 36), ("other", 1999, 32)):
        vectors = MappedVectors(clustered(rows, 1, dimension))
        nearest = make_nearest(vectors, kind, np.zeros((0, dimension), np.float32))
        write_nearest(HashedFolder(tmp_path), name, nearest)
    if part == "codes":
        (tmp_path / "one.codes").write_bytes((tmp_path / "one.codes").read_bytes()[:-1])
    (tmp_path / f"one.{part}").replace(tmp_path / f"other.{part}")
    with pytest.raises(ValueError, match="do not fit together"):
        open_nearest(tmp_path, contents(tmp_path), "other", nearest.facts.to_dict())


@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    folders = [HashedFolder(tmp_path / name) for name in "ab"]
    for folder in folders:
        folder.path.mkdir()
        write_nearest(folder, "rows", make_nearest(MappedVectors(clustered(3000, 1)), kind, NO_QUESTIONS))
    assert folders[0].files == folders[1].files


def test_the_type_goes_by_the_number_of_rows_unless_it_is_named() -> None:
    sizes = (0, FLAT_ROWS, FLAT_ROWS + 1, CODES_ROWS, CODES_ROWS + 1)
    assert [type_for(rows) for rows in sizes] == ["flat", "flat", "pq", "pq", "ivf"]
    assert [type_for(10, wanted) for wanted in ("flat", "pq", "ivf")] == ["flat", "pq", "ivf"]
    with pytest.raises(IndexTypeError, match=r"Expected one of auto, flat, pq, ivf .* got 'hnsw'"):
        type_for(10, "hnsw")
