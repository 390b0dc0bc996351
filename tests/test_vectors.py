"""Unit vectors: cosines of some rows, of all rows, and what their mean and spread are."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from vectors_around import clustered

from b12qa import vectors
from b12qa.vectors import MappedVectors, cosine_moments, cosines_of, spread_of


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
