"""Medians, percentiles and ratios to the floor, each with the interval that chance alone would give it.

Samples are kept by round: rounds[r][i] is the i-th measurement of round r. Two contestants were asked the
same things in the same round, one soon after the other, so their samples are drawn together: a moment in
which the machine was busy meets both. Rounds are drawn first, then what lies in them, since samples of one
round are more alike than samples of two.

Source: the percentile interval of the two-stage bootstrap, Davison and Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Rounds = Sequence[Sequence[float]]
Values = npt.NDArray[np.float64]
Statistic = Callable[[Values], Values]  # over the last axis

DRAWS = 1000
TAIL = 2.5  # per cent beyond each end of an interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    n: int  # samples

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def median(values: Values) -> Values:
    """The middle one."""
    return np.asarray(np.median(values, axis=-1))


def mean(values: Values) -> Values:
    """The sum over the number."""
    return np.asarray(np.mean(values, axis=-1))


def percentile(share: float) -> Statistic:
    """What this share (0 to 1) of the values does not exceed: one of them, not a number between two."""
    return partial(_percentile, share=share)


def _percentile(values: Values, share: float) -> Values:
    return np.asarray(np.percentile(values, 100 * share, axis=-1, method="inverted_cdf"))


def estimate(rounds: Rounds, of: Statistic = median) -> Estimate:
    """A statistic of all samples.

    Raises:
        ValueError: there is no sample.
    """
    return _estimate([_arrays(rounds)], lambda drawn: of(drawn[0]))


def ratio(rounds: Rounds, floor: Rounds, of: Statistic = median) -> Estimate:
    """A statistic over the same statistic of the floor. Samples in the same place are drawn together.

    Raises:
        ValueError: the two have not as many rounds, or samples in a round; or there is no sample.
    """
    if [len(samples) for samples in rounds] != [len(samples) for samples in floor]:
        raise ValueError(
            f"Expected as many samples as the floor has in every round, {[len(s) for s in floor]}, "
            f"got {[len(s) for s in rounds]}. Leave out what has no partner."
        )
    return _estimate([_arrays(rounds), _arrays(floor)], lambda drawn: of(drawn[0]) / of(drawn[1]))


def _arrays(rounds: Rounds) -> list[Values]:
    found = [np.asarray(samples, dtype=np.float64) for samples in rounds if len(samples)]
    if not found:
        raise ValueError("Expected at least one sample, got none. Measure first.")
    return found


def _estimate(series: Sequence[Sequence[Values]], of: Callable[[Sequence[Values]], Values]) -> Estimate:
    value = of([np.concatenate(rounds) for rounds in series])
    drawn = of([_drawn(rounds) for rounds in series])
    low, high = np.percentile(drawn, [TAIL, 100 - TAIL])
    return Estimate(float(value), float(low), float(high), sum(len(samples) for samples in series[0]))


def _drawn(rounds: Sequence[Values]) -> Values:
    """Samples drawn with replacement, one draw a row; for rounds of the same lengths, the same places.

    Where rounds differ in length, every drawn round gives as many samples as the longest has.
    """
    random = np.random.default_rng(7)
    lengths = np.array([len(samples) for samples in rounds])
    places = np.zeros((len(rounds), lengths.max()))
    for row, samples in enumerate(rounds):
        places[row, : len(samples)] = samples
    picked = random.integers(len(rounds), size=(DRAWS, len(rounds), 1))
    within = random.random((DRAWS, len(rounds), int(lengths.max()))) * lengths[picked]
    found: Values = places[picked, within.astype(np.int64)].reshape(DRAWS, -1)
    return found
