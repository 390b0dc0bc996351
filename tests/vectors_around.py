"""Vectors to test with."""

from __future__ import annotations

import numpy as np

from b12qa.embedding import FloatMatrix


def clustered(rows: int, seed: int, dimension: int = 32) -> FloatMatrix:
    """Unit vectors around a few middles, the same whatever the seed."""
    middles = np.random.default_rng(0).standard_normal((40, dimension))
    random = np.random.default_rng(seed)
    found = middles[random.integers(40, size=rows)] + 0.7 * random.standard_normal((rows, dimension))
    unit: FloatMatrix = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit
