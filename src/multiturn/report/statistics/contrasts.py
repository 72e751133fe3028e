"""Differences between arms, paired by problem: interval, p-values, power, and words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from scipy import special, stats

from multiturn.core.errors import InputError
from multiturn.report.statistics.clusters import CONFIDENCE, Clusters, Interval

__all__ = [
    "Conclusion",
    "Contrast",
    "conclude",
    "contrast",
    "holm",
    "mcnemar",
    "sign_flip_test",
    "welch",
]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_EXACT_UP_TO = 14
"""Problems up to which all sign flips are enumerated."""


class Conclusion(Enum):
    """What a comparison shows at its level of significance."""

    BETTER = "better"
    WORSE = "worse"
    TIED = "tied"
    UNDECIDED = "not enough data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A weighted sum of means over the same problems, such as a difference.

    Attributes:
        interval: the estimate with its interval.
        standard_error: clustered by problem; None for fewer than two problems.
        p_value: of the t test that belongs to the interval; None if it cannot be made. Without
            any spread between problems it is that of the permutation test.
        p_permutation: of sign flips over problems. It needs no assumption, and is conservative
            where differences have few distinct values.
        p_sign: of the exact sign test over problems, which is McNemar's test where each problem
            has one sample in both arms.
        problems: how many problems both sides have.
        up: problems in which the contrast is positive.
        down: problems in which it is negative.
        detectable: the smallest true difference that a design of this size and spread finds with
            a probability of 80 %; None if unknown.
    """

    interval: Interval
    standard_error: float | None
    p_value: float | None
    p_permutation: float | None
    p_sign: float | None
    problems: int
    up: int
    down: int
    detectable: float | None


def contrast(
    cells: Sequence[Clusters],
    weights: Sequence[float] = (1, -1),
    *,
    confidence: float = CONFIDENCE,
    flips: int = 9_999,
    seed: int = 0,
) -> Contrast:
    """Compare means over the same problems.

    Args:
        cells: sums by problem. Only problems that every cell has are compared.
        weights: of the cells' means: ``(1, -1)`` for the first minus the second,
            ``(1, -1, -1, 1)`` for a difference of differences.
        confidence: nominal coverage of the interval.
        flips: random sign flips of the permutation test, where there are too many for all.
        seed: of the flips.

    Returns:
        The estimate; a t interval with the cluster-robust standard error and problems - 1 degrees
        of freedom; the permutation and sign tests; and the smallest detectable difference.

    Raises:
        InputError: the cells have different problems, or there are not as many weights.

    References:
        Miller, "Adding Error Bars to Evals", arXiv 2411.00640: paired differences, clustered.
        Liang and Zeger, Biometrika 73 (1986): the robust variance. Cameron, Gelbach and Miller,
        "Bootstrap-based improvements for inference with clustered errors" (2008): t quantiles for
        few clusters.

    Example:
        >>> ours = Clusters(np.array([3.0, 2, 3, 1, 2]), np.full(5, 3.0))
        >>> theirs = Clusters(np.array([1.0, 1, 2, 0, 2]), np.full(5, 3.0))
        >>> found = contrast([ours, theirs])
        >>> round(found.interval.estimate, 3), found.up, found.down, round(found.p_permutation, 3)
        (0.333, 4, 0, 0.125)
    """
    if len(cells) != len(weights) or len({len(cell.sums) for cell in cells}) != 1:
        raise InputError("the cells of a contrast differ in problems or weights")
    shared = np.logical_and.reduce([cell.counts > 0 for cell in cells])
    cells = [Clusters(cell.sums[shared], cell.counts[shared]) for cell in cells]
    problems = int(shared.sum())
    means = [cell.mean for cell in cells]
    if problems == 0 or any(mean is None for mean in means):
        return Contrast(
            interval=Interval(None, method="no problem in common"),
            standard_error=None, p_value=None, p_permutation=None, p_sign=None,
            problems=0, up=0, down=0, detectable=None,
        )  # fmt: skip
    estimate = float(sum(w * m for w, m in zip(weights, means, strict=True) if m is not None))
    # A problem's share of the estimate: these sum to it, and are flipped under the null.
    shares: FloatArray = sum(
        (w * cell.sums / cell.counts.sum() for w, cell in zip(weights, cells, strict=True)),
        start=np.zeros(problems),
    )
    shares[np.abs(shares) < 1e-12] = 0.0
    up, down = int((shares > 0).sum()), int((shares < 0).sum())
    p_sign = min(1.0, 2 * float(special.bdtr(min(up, down), up + down, 0.5)))
    if problems < 2:
        return Contrast(
            interval=Interval(estimate, method="no interval: one problem says nothing of others"),
            standard_error=None, p_value=None, p_permutation=None, p_sign=None,
            problems=problems, up=up, down=down, detectable=None,
        )  # fmt: skip
    moved: FloatArray = sum(
        (w * cell.influence() for w, cell in zip(weights, cells, strict=True)),
        start=np.zeros(problems),
    )
    error = math.sqrt(problems / (problems - 1) * float(np.square(moved).sum()))
    quantile = float(special.stdtrit(problems - 1, (1 + confidence) / 2))
    limit = sum(abs(w) for w in weights) / 2 if math.isclose(sum(weights), 0) else math.inf
    interval = Interval(
        estimate,
        max(estimate - quantile * error, -limit),
        min(estimate + quantile * error, limit),
        "t, clustered and paired by problem",
    )
    p_flips = sign_flip_test(shares, flips=flips, seed=seed)
    ratio = abs(estimate) / error if error > 0 else 0.0
    power = float(special.stdtrit(problems - 1, 0.8))
    return Contrast(
        interval=interval if error > 0 else Interval(estimate, method="no spread between problems"),
        standard_error=error,
        p_value=p_flips if error == 0 else 2 * float(special.stdtr(problems - 1, -ratio)),
        p_permutation=p_flips,
        p_sign=p_sign,
        problems=problems,
        up=up,
        down=down,
        detectable=(quantile + power) * error if error > 0 else None,
    )


def sign_flip_test(shares: FloatArray, *, flips: int = 9_999, seed: int = 0) -> float:
    """The two-sided p-value of a paired permutation test.

    If the arms do not differ, a problem's difference is as likely to have the other sign.

    Args:
        shares: each problem's difference, float [problems].
        flips: random flips, if the nonzero differences are too many for all of them.
        seed: of the random flips.

    Returns:
        The share of flips whose sum is at least as far from 0 as the observed one. The observed
        one counts, so the test is never too liberal.

    References:
        Fisher, "The Design of Experiments" (1935), section 21; Phipson and Smyth, "Permutation
        p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9 (2010).

    Example:
        >>> sign_flip_test(np.array([1.0, 1.0, 1.0, 1.0]))
        0.125
        >>> sign_flip_test(np.zeros(5))
        1.0
    """
    shares = shares[shares != 0]
    if not len(shares):
        return 1.0
    observed = abs(float(shares.sum())) - 1e-12 * float(np.abs(shares).sum())
    if len(shares) <= _EXACT_UP_TO:
        patterns = np.arange(2 ** len(shares))[:, None] >> np.arange(len(shares)) & 1
        sums = np.abs((1 - 2 * patterns) @ shares)
        return float(np.mean(sums >= observed))
    draw = np.random.default_rng(seed)
    signs = draw.integers(0, 2, (flips, len(shares)), dtype=np.int8) * 2 - 1
    far = int((np.abs(signs @ shares) >= observed).sum())
    return (far + 1) / (flips + 1)


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test for paired yes-or-no results.

    It takes the pairs as independent: one sample of each problem. `contrast` is for several.

    Args:
        first_only: pairs in which only the first passed.
        second_only: pairs in which only the second passed.

    References:
        McNemar, Psychometrika 12 (1947); statsmodels' `contingency_tables.mcnemar`.

    Example:
        >>> round(mcnemar(1, 9), 4)
        0.0215
    """
    if first_only + second_only == 0:
        return 1.0
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, first_only], [second_only, 0]], exact=True).pvalue)


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The two-sided p-value of Welch's t test between independent runs.

    Args:
        first: one result for each run with another seed.
        second: likewise.

    Returns:
        The p-value; None for fewer than two runs on a side, or without any spread.

    References:
        Welch, Biometrika 34 (1947); scipy's `ttest_ind` with unequal variances.

    Example:
        >>> round(welch([0.30, 0.32, 0.31], [0.35, 0.36, 0.34]), 4)
        0.008
        >>> welch([0.3], [0.4, 0.5]) is None
        True
    """
    if min(len(first), len(second)) < 2 or (len(set(first)) == 1 and len(set(second)) == 1):
        return None
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p-values of a family of tests by Holm's step-down method.

    Args:
        p_values: None for tests that could not be made; they do not count.

    References:
        Holm, Scand. J. Stat. 6 (1979). statsmodels' `multipletests` gives the same, but collects
        garbage at every call, which takes longer than the rest of a comparison.

    Example:
        >>> holm([0.01, None, 0.04, 0.03])
        [0.03, None, 0.06, 0.06]
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[place] = largest
    return adjusted


def conclude(found: Contrast, p_value: float | None, *, level: float = 0.05) -> Conclusion:
    """The result in one word.

    Args:
        found: the comparison.
        p_value: adjusted for its family.
        level: of significance.
    """
    estimate = found.interval.estimate
    if estimate is None or p_value is None or found.problems < 2:
        return Conclusion.UNDECIDED
    if p_value >= level or estimate == 0:
        return Conclusion.TIED
    return Conclusion.BETTER if estimate > 0 else Conclusion.WORSE
