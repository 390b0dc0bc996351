"""Near rows among many: what is found, against a full comparison; what is written, against what is read."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from b12qa import vectors
from b12qa.embedding import FloatMatrix
from b12qa.errors import IndexTypeError
from b12qa.storage import HashedFolder
from b12qa.vectors import (
    FLAT_ROWS,
    MappedVectors,
    cosine_moments,
    cosines_of,
    make_nearest,
    open_nearest,
    spread_of,
    type_for,
    write_nearest,
)

NO_QUESTIONS: FloatMatrix = np.zeros((0, 32), dtype=np.float32)


def clustered(rows: int, seed: int, dimension: int = 32) -> FloatMatrix:
    """Unit vectors around a few middles, the same whatever the seed."""
    middles = np.random.default_rng(0).standard_normal((40, dimension))
    random = np.random.default_rng(seed)
    found = middles[random.integers(40, size=rows)] + 0.7 * random.standard_normal((rows, dimension))
    unit: FloatMatrix = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_mapped_vectors_speak_as_a_flat_index() -> None:
    rows, queries = clustered(300, 1), clustered(5, 2)
    flat = faiss.IndexFlatIP(32)
    flat.add(rows)
    mapped = MappedVectors(rows)
    assert (mapped.ntotal, mapped.d) == (flat.ntotal, flat.d)
    for top_k in (1, 7, 300):
        expected, found = flat.search(queries, top_k), mapped.search(queries, top_k)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
        if top_k < 300:
            np.testing.assert_array_equal(found[1], expected[1])
    some = np.array([299, 0, 7])
    np.testing.assert_array_equal(mapped.reconstruct_batch(some), flat.reconstruct_batch(some))
    np.testing.assert_array_equal(mapped.reconstruct_n(5, 9), flat.reconstruct_n(5, 9))
    np.testing.assert_array_equal(mapped.reconstruct(4), flat.reconstruct(4))


def test_search_goes_through_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, queries = clustered(300, 1), clustered(5, 2)
    monkeypatch.setattr(vectors.blocks, "__defaults__", (64,))
    _, found = MappedVectors(rows).search(queries, 20)
    np.testing.assert_array_equal(found, np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :20])


@pytest.mark.parametrize("kind", ["ivf", "sq8"])
def test_enough_of_the_nearest_are_found_for_queries_that_the_sample_does_not_hold(kind: str) -> None:
    rows, queries = clustered(6000, 1), clustered(200, 2)
    nearest = make_nearest(MappedVectors(rows), kind, NO_QUESTIONS)
    assert nearest.facts.recall_at_10 >= vectors.SAMPLE_RECALL
    best = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    found = nearest.rows(queries)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(best, found, strict=True)])
    assert recall >= vectors.LEAST_RECALL
    if kind == "ivf":
        assert nearest.facts.probes < nearest.facts.lists == vectors.list_count(6000)


def test_the_recall_that_is_told_is_that_of_the_sample() -> None:
    """Measured again in another way: every row of the sample, without itself, by a full sort."""
    rows = clustered(3000, 1)
    nearest = make_nearest(MappedVectors(rows), "ivf", NO_QUESTIONS)
    own = np.linspace(0, 2999, vectors.SAMPLE_ROWS).astype(int)
    found = nearest.rows(rows[own])
    hits = 0
    for row, near in zip(own, found, strict=True):
        cosines = rows @ rows[row]
        cosines[row] = -1
        hits += len(set(np.argsort(-cosines)[:10]) & set(near))
    assert nearest.facts.recall_at_10 == pytest.approx(hits / 10 / len(own), abs=0.002)


def test_equal_rows_are_no_reason_to_look_further() -> None:
    rows = np.repeat(clustered(50, 1), 60, axis=0)
    nearest = make_nearest(MappedVectors(rows), "ivf", NO_QUESTIONS)
    assert nearest.facts.recall_at_10 >= vectors.SAMPLE_RECALL
    assert nearest.facts.probes < nearest.facts.lists


def test_questions_count_in_the_sample() -> None:
    rows, questions = clustered(3000, 1), clustered(40, 2)
    assert make_nearest(MappedVectors(rows), "ivf", questions).facts.sample == vectors.SAMPLE_ROWS + 40


@pytest.mark.parametrize("kind", ["ivf", "sq8"])
def test_lists_that_are_mapped_find_what_was_written(tmp_path: Path, kind: str) -> None:
    rows, queries = clustered(3000, 1), clustered(20, 2)
    nearest = make_nearest(MappedVectors(rows), kind, NO_QUESTIONS)
    folder = HashedFolder(tmp_path)
    write_nearest(folder, "rows", nearest)
    assert folder.files["rows.lists"]["bytes"] == (tmp_path / "rows.lists").stat().st_size
    opened = open_nearest(tmp_path, "rows", nearest.facts.to_dict())
    assert opened.facts == nearest.facts
    np.testing.assert_array_equal(opened.rows(queries), nearest.rows(queries))


def test_lists_of_two_builds_are_refused(tmp_path: Path) -> None:
    for name, rows in (("one", 3000), ("other", 2000)):
        nearest = make_nearest(MappedVectors(clustered(rows, 1)), "ivf", NO_QUESTIONS)
        write_nearest(HashedFolder(tmp_path), name, nearest)
    (tmp_path / "one.lists").replace(tmp_path / "other.lists")
    with pytest.raises(ValueError, match="do not fit together"):
        open_nearest(tmp_path, "other", nearest.facts.to_dict())


def test_the_same_rows_give_the_same_lists(tmp_path: Path) -> None:
    folders = [HashedFolder(tmp_path / name) for name in "ab"]
    for folder in folders:
        folder.path.mkdir()
        write_nearest(folder, "rows", make_nearest(MappedVectors(clustered(3000, 1)), "ivf", NO_QUESTIONS))
    assert folders[0].files == folders[1].files


def test_moments_are_those_of_all_cosines() -> None:
    rows, query = clustered(500, 1), clustered(1, 2)[0]
    mean, spread = cosine_moments(spread_of(MappedVectors(rows)), query)
    assert (mean, spread) == pytest.approx(((rows @ query).mean(), (rows @ query).std()), abs=1e-6)
    weights = np.random.default_rng(3).integers(1, 9, size=500)
    repeated = np.repeat(rows @ query, weights)
    mean, spread = cosine_moments(spread_of(MappedVectors(rows), weights.astype(float)), query)
    assert (mean, spread) == pytest.approx((repeated.mean(), repeated.std()), abs=1e-6)


def test_cosines_of_some_rows_are_those_of_all() -> None:
    rows, queries, some = clustered(50, 1), clustered(3, 2), np.array([4, 1, 49])
    found = cosines_of(MappedVectors(rows), queries, some)
    np.testing.assert_allclose(found, (queries @ rows.T)[:, some], atol=1e-6)
    assert cosines_of(MappedVectors(rows), queries, np.zeros(0, dtype=np.int64)).shape == (3, 0)


def test_the_type_goes_by_the_number_of_rows_unless_it_is_named() -> None:
    assert [type_for(rows) for rows in (0, FLAT_ROWS, FLAT_ROWS + 1)] == ["flat", "flat", "ivf"]
    assert [type_for(10, wanted) for wanted in ("flat", "sq8", "ivf")] == ["flat", "sq8", "ivf"]
    with pytest.raises(IndexTypeError, match=r"Expected one of auto, flat, sq8, ivf .* got 'hnsw'"):
        type_for(10, "hnsw")
