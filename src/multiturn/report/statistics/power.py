"""How small a difference a design can find, and how many problems a difference needs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.report.statistics.contrasts import Contrast

__all__ = ["detectable_difference", "problems_needed"]


def detectable_difference(
    spread: float, problems: int, *, power: float = 0.8, level: float = 0.05
) -> float:
    """The smallest true difference that a paired design finds with a given probability.

    Args:
        spread: the standard deviation of the problems' differences.
        problems: how many.
        power: probability of a significant result.
        level: of the two-sided test.

    Raises:
        InputError: there are fewer than two problems, or `spread` is negative.

    References:
        Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988); statsmodels'
        `TTestPower`, exact with the noncentral t distribution.

    Example:
        >>> round(detectable_difference(0.3, 120), 4)
        0.0774
    """
    if problems < 2 or spread < 0:
        raise InputError("the design has no power", got=f"{problems} problems, spread {spread}")
    from statsmodels.stats.power import TTestPower

    effect = TTestPower().solve_power(nobs=problems, alpha=level, power=power)
    return _number(effect) * spread


def problems_needed(
    spread: float, difference: float, *, power: float = 0.8, level: float = 0.05
) -> int | None:
    """How many problems a paired design needs to find a true difference.

    Args:
        spread: the standard deviation of the problems' differences.
        difference: the true one.
        power: probability of a significant result.
        level: of the two-sided test.

    Returns:
        The number, at least 2; None if the difference is 0.

    References:
        As `detectable_difference`.

    Example:
        >>> problems_needed(0.3, 0.05)
        285
    """
    if difference == 0:
        return None
    if spread == 0 or abs(difference) / spread > 10:
        return 2
    from statsmodels.stats.power import TTestPower

    found = TTestPower().solve_power(effect_size=abs(difference) / spread, alpha=level, power=power)
    return max(2, math.ceil(_number(found)))


def spread_of(found: Contrast) -> float | None:
    """The standard deviation of the problems' differences in a comparison; None if unknown."""
    if found.standard_error is None:
        return None
    return found.standard_error * math.sqrt(found.problems)


def _number(found: Any) -> float:
    """A solution of statsmodels, which is a number or an array with one, by how it was found."""
    return float(np.ravel(found)[0])
