"""pass@k of many items at once, with an interval clustered by problem."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln

from multiturn.core.errors import InputError
from multiturn.report.statistics.clusters import Interval, cluster_totals, clustered_interval

__all__ = ["pass_at_k_interval", "pass_at_k_of_items"]

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def pass_at_k_of_items(samples: IntArray, passed: IntArray, k: int) -> FloatArray:
    """The unbiased estimate 1 - C(n-c, k) / C(n, k) of each item.

    Args:
        samples: n of each item, int [items].
        passed: c of each item, int [items].
        k: how many may be tried.

    Returns:
        float [items]; NaN for an item with fewer than k samples.

    Raises:
        InputError: k is below 1, or more passed than there are.

    References:
        Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374.

    Example:
        >>> pass_at_k_of_items(np.array([4, 4, 1]), np.array([2, 4, 1]), 2).round(4).tolist()
        [0.8333, 1.0, nan]
    """
    if k < 1:
        raise InputError("k is out of range", got=k, allowed="1 or more")
    if np.any(passed > samples) or np.any(passed < 0):
        raise InputError("more samples passed than there are")
    failed = samples - passed
    # As logarithms: the binomials themselves overflow every float.
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.exp(
            gammaln(failed + 1.0) - gammaln(failed - k + 1.0)
            - gammaln(samples + 1.0) + gammaln(samples - k + 1.0)
        )  # fmt: skip
    found: FloatArray = 1 - np.where(failed < k, 0.0, np.where(passed == 0, 1.0, ratio))
    return np.where(samples < k, np.nan, np.clip(found, 0.0, 1.0))


def pass_at_k_interval(
    problems: IntArray, samples: IntArray, passed: IntArray, k: int, *, number: int
) -> Interval:
    """The mean of pass@k over items, with an interval clustered by problem.

    Args:
        problems: the index of each item's problem, int [items].
        samples: n of each item.
        passed: c of each item.
        k: how many may be tried.
        number: of problems.

    Returns:
        Without an estimate if an item has fewer than k samples: leaving it out would be another
        benchmark.

    Raises:
        InputError: as `pass_at_k_of_items`.
    """
    values = pass_at_k_of_items(samples, passed, k)
    if not len(values) or np.isnan(values).any():
        return Interval(None, method=f"undefined: an item has fewer than {k} samples")
    return clustered_interval(cluster_totals(problems, values, number))
