"""Means of clustered samples, with intervals.

The cases and samples of a problem resemble each other, so that intervals which count each sample as
an independent draw are too narrow, by a factor of up to three (Miller, arXiv 2411.00640). The unit
here is the problem.

The interval is Wilson's on the effective sample size, with a quantile of Student's t for the number
of problems. It was chosen by simulation (docs/decisions/0036-statistics.md): at ten problems it
covers what it should, where the bootstrap and the t interval of the mean cover too little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from multiturn.core.errors import InputError

__all__ = ["CONFIDENCE", "Clusters", "Interval", "clustered_interval", "cluster_totals"]

CONFIDENCE = 0.95

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        estimate: the value found; None if there is no sample.
        low: lower end; None if the data do not determine it, as with a single problem.
        high: upper end; None likewise.
        method: how the interval was found, in words.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    method: str = ""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Sums of values between 0 and 1 by problem.

    Attributes:
        sums: the sum of the values of each problem, float [problems].
        counts: how many values each problem has, float [problems]; 0 for a problem without any.
    """

    sums: FloatArray
    counts: FloatArray

    def __post_init__(self) -> None:
        if self.sums.shape != self.counts.shape or self.sums.ndim != 1:
            raise InputError(
                "sums and counts differ in shape", got=f"{self.sums.shape}, {self.counts.shape}"
            )
        if np.any(self.counts < 0) or np.any(self.sums < 0) or np.any(self.sums > self.counts):
            raise InputError("a sum is outside 0 to its count")

    @property
    def samples(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    @property
    def problems(self) -> int:
        """How many problems have values."""
        return int(np.count_nonzero(self.counts))

    @property
    def mean(self) -> float | None:
        """The mean over all values; None without any."""
        total = float(self.counts.sum())
        return float(self.sums.sum()) / total if total else None

    def influence(self) -> FloatArray:
        """By how much each problem moves the mean, float [problems]; the sum is 0.

        The linearization of a ratio: (s_i - m n_i) / N.
        """
        total = self.counts.sum()
        if not total:
            return np.zeros_like(self.sums)
        found: FloatArray = (self.sums - self.sums.sum() / total * self.counts) / total
        return found

    def variance(self) -> float | None:
        """The cluster-robust variance of the mean; None for fewer than two problems."""
        problems = self.problems
        if problems < 2:
            return None
        return float(problems / (problems - 1) * np.square(self.influence()).sum())


def cluster_totals(
    problems: np.ndarray[Any, Any], values: np.ndarray[Any, Any], number: int
) -> Clusters:
    """Sum values by problem.

    Args:
        problems: the index of each value's problem, int [values].
        values: between 0 and 1, [values].
        number: of problems; problems without values have count 0.

    Example:
        >>> totals = cluster_totals(np.array([0, 0, 2]), np.array([1.0, 0.0, 1.0]), 3)
        >>> totals.sums.tolist(), totals.counts.tolist()
        ([1.0, 0.0, 1.0], [2.0, 0.0, 1.0])
    """
    return Clusters(
        np.bincount(problems, weights=values, minlength=number).astype(np.float64),
        np.bincount(problems, minlength=number).astype(np.float64),
    )


def clustered_interval(data: Clusters, *, confidence: float = CONFIDENCE) -> Interval:
    """The mean of clustered values between 0 and 1, with an interval.

    Args:
        data: sums by problem.
        confidence: nominal coverage.

    Returns:
        The mean with Wilson's interval at the effective sample size p (1 - p) / v, v being the
        cluster-robust variance, and Student's quantile with problems - 1 degrees of freedom. Where
        all values are 0, or all 1, the variance is no guide: there the exact interval of Clopper
        and Pearson counts each problem as one draw. Without an interval for fewer than two
        problems, and without an estimate for no value.

    Raises:
        InputError: `confidence` is not between 0 and 1.

    References:
        Korn and Graubard, "Confidence intervals for proportions with small expected number of
        positive counts estimated from survey data", Survey Methodology 24 (1998): the effective
        sample size. Dean and Pagano, "Evaluating confidence interval methods for binomial
        proportions in clustered surveys", J. Surv. Stat. Methodol. 3 (2015): Wilson's interval on
        it.

    Example:
        >>> found = clustered_interval(Clusters(np.array([2.0, 0, 1, 3]), np.full(4, 3.0)))
        >>> found.estimate, round(found.low, 3), round(found.high, 3)
        (0.5, 0.096, 0.904)
    """
    if not 0 < confidence < 1:
        raise InputError("the confidence is out of range", got=confidence, allowed="0 to 1")
    mean, variance, problems = data.mean, data.variance(), data.problems
    if mean is None:
        return Interval(None, method="no samples")
    if variance is None:
        return Interval(mean, method="no interval: one problem says nothing about others")
    tail = (1 - confidence) / 2
    if mean in (0.0, 1.0):
        reach = 1 - float(tail ** (1 / problems))
        low, high = (0.0, reach) if mean == 0 else (1 - reach, 1.0)
        return Interval(mean, low, high, "Clopper-Pearson, one draw for each problem")
    quantile = float(special.stdtrit(problems - 1, 1 - tail))
    # Equal values of all problems have no variance, yet are not known better than single draws.
    size = min(mean * (1 - mean) / variance, data.samples) if variance > 0 else data.samples
    centre = (mean * size + quantile**2 / 2) / (size + quantile**2)
    half = quantile * float(np.sqrt(mean * (1 - mean) * size + quantile**2 / 4))
    half /= size + quantile**2
    return Interval(
        mean, max(0.0, centre - half), min(1.0, centre + half), "Wilson, clustered by problem"
    )
