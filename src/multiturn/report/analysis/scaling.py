"""Pass rates against the number of parameters, beside the paper's published figures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats

from multiturn.report.statistics.clusters import CONFIDENCE, Interval

__all__ = ["PAPER", "PowerLaw", "ScalingPoint", "fit_power_law", "parameters_of"]

_MIN_POINTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPoint:
    """A model's size and figure."""

    family: str
    """Models that differ in size alone."""
    model: str
    parameters: float
    """How many."""
    value: Interval
    """The pass rate."""
    source: str = ""
    """Where a published figure comes from; empty for a figure of these runs."""


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """The fit: rate = 10 ** intercept * parameters ** exponent.

    Attributes:
        family: of the points.
        exponent: with its interval.
        intercept: of the logarithm.
        points: how many.
    """

    family: str
    exponent: Interval
    intercept: float
    points: int


def _paper(family: str, rates: Sequence[float], sources: str) -> list[ScalingPoint]:
    sizes = ((0.357, "350M"), (2.78, "2.7B"), (7.06, "6.1B"), (16.03, "16.1B"))
    return [
        ScalingPoint(
            family=f"CodeGen-{family} (the paper's)",
            model=f"CodeGen-{family} {name}",
            parameters=size * 1e9,
            value=Interval(rate / 100),
            source=sources,
        )
        for (size, name), rate in zip(sizes, rates, strict=True)
    ]


_RECALLED = "arXiv 2203.13474, recalled and not checked"
_SECOND_HAND = "arXiv 2203.13474, second-hand"

PAPER: tuple[ScalingPoint, ...] = (
    *_paper("NL", (0.23, 15.31, 19.37, 30.33), _RECALLED),
    *_paper("Multi", (4.09, 20.82, 25.51, 26.27), _RECALLED),
    *_paper("Mono", (16.98, 38.72, 43.52, 47.34), _SECOND_HAND),
)
"""The paper's multi-turn pass rates on its own benchmark, for its 12 models: no result of this
project, and of another problem set than `own`."""


def parameters_of(model: str) -> float | None:
    """The number of parameters that a model's name states; None if it states none.

    Example:
        >>> parameters_of("qwen2.5-coder-0.5b"), parameters_of("smollm2-135m")
        (500000000.0, 135000000.0)
        >>> parameters_of("my-model") is None
        True
    """
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", model.lower())
    if found is None:
        return None
    return float(found[1]) * (1e9 if found[2] == "b" else 1e6)


def fit_power_law(points: Iterable[ScalingPoint]) -> list[PowerLaw]:
    """A power law for each family of at least four sizes whose figures are not 0.

    Least squares on logarithms, with the t interval of the slope.

    References:
        Kaplan et al., "Scaling Laws for Neural Language Models", arXiv 2001.08361; scipy's
        `linregress`.
    """
    families: dict[str, list[ScalingPoint]] = {}
    for point in points:
        if point.value.estimate:
            families.setdefault(point.family, []).append(point)
    found = []
    for family, members in families.items():
        if len({point.parameters for point in members}) < _MIN_POINTS:
            continue
        xs = [math.log10(point.parameters) for point in members]
        ys = [math.log10(point.value.estimate or 1) for point in members]
        fit = stats.linregress(xs, ys)
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(xs) - 2)) * float(fit.stderr)
        slope = float(fit.slope)
        exponent = Interval(slope, slope - reach, slope + reach, "t interval of the slope")
        found.append(PowerLaw(family, exponent, float(fit.intercept), len(xs)))
    return found
