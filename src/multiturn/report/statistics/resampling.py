"""The bootstrap over problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.report.statistics.clusters import CONFIDENCE, Clusters, Interval

__all__ = ["bootstrap_interval", "bootstrap_weights"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_BLOCK = 4_000_000
"""Numbers that are drawn at a time."""


def bootstrap_weights(problems: int, resamples: int, seed: int) -> FloatArray:
    """How often each resample has drawn each problem, float [resamples, problems]."""
    draw = np.random.default_rng(seed)
    return draw.multinomial(problems, np.full(problems, 1 / problems), size=resamples).astype(
        np.float64
    )


def bootstrap_interval(
    cells: Sequence[Clusters],
    weights: Sequence[float],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """The percentile interval of a weighted sum of means, from resamples of problems.

    All cells are resampled together, so the interval of a difference is a paired one. With fewer
    than about 30 problems it covers too little; `contrast` does not.

    Args:
        cells: sums by problem, over the same problems.
        weights: of each cell's mean: ``(1,)`` for a rate, ``(1, -1)`` for a difference.
        resamples: how many.
        seed: of the draws; the same seed gives the same interval.
        confidence: nominal coverage.

    Returns:
        The estimate and its interval; without an interval for fewer than two problems, and
        without an estimate if a cell has no value.

    Raises:
        InputError: the cells have different problems, or there are not as many weights.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; the cluster
        bootstrap: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), 3.8.

    Example:
        >>> ones = Clusters(np.array([1.0, 0, 1, 1]), np.ones(4))
        >>> bootstrap_interval([ones], [1], seed=1).estimate
        0.75
    """
    if len(cells) != len(weights) or len({len(cell.sums) for cell in cells}) != 1:
        raise InputError("the cells of a bootstrap differ in problems or weights")
    means = [cell.mean for cell in cells]
    if any(mean is None for mean in means):
        return Interval(None, method="no samples")
    estimate = float(sum(w * m for w, m in zip(weights, means, strict=True) if m is not None))
    problems = len(cells[0].sums)
    if problems < 2:
        return Interval(estimate, method="no interval: one problem says nothing about others")
    block = max(1, _BLOCK // problems)
    drawn = []
    for number, begin in enumerate(range(0, resamples, block)):
        times = bootstrap_weights(problems, min(block, resamples - begin), seed + number)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append(
                sum(
                    w * (times @ c.sums) / (times @ c.counts)
                    for w, c in zip(weights, cells, strict=True)
                )
            )
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(np.concatenate(drawn), [tail, 100 - tail])
    return Interval(estimate, float(low), float(high), "bootstrap over problems, percentiles")
