"""Figures of models against parameters and training tokens, beside the paper's published ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from multiturn.report.analysis.model_sizes import Known, ModelSizes, codegen_tokens, family_of
from multiturn.report.analysis.perplexity import RunPerplexity
from multiturn.report.analysis.rates import RunRates
from multiturn.report.records.columns import Records
from multiturn.report.records.run_facts import RunFacts
from multiturn.report.statistics.clusters import CONFIDENCE, Interval

__all__ = [
    "PAPER_PERPLEXITIES",
    "PAPER_RATES",
    "Axis",
    "PowerLaw",
    "ScalingPoint",
    "fit_power_laws",
    "perplexity_points",
    "rate_points",
]

Axis = Literal["parameters", "tokens"]

_MIN_POINTS = 4
_ARMS = ("turns", "completion")
_TRUNCATIONS = ("next_prompt", "parse", "published")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPoint:
    """A model's sizes and figure."""

    family: str
    """Models that differ in size alone, under the same conditions."""
    model: str
    parameters: float | None
    """How many; None if unknown."""
    tokens: Known
    """That it was trained on."""
    value: Interval
    """The pass rate, or the perplexity."""
    source: str = ""
    """Where a published figure comes from; empty for a figure of these runs."""

    def size(self, axis: Axis) -> float | None:
        """Its place on an axis; None if unknown."""
        return self.parameters if axis == "parameters" else self.tokens.value


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """The fit: figure = 10 ** intercept * size ** exponent.

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


_PAPER_SIZES = ((0.357, "350M"), (2.78, "2.7B"), (7.06, "6.1B"), (16.03, "16.1B"))


def _paper(corpus: str, values: Sequence[float], sources: Sequence[str]) -> list[ScalingPoint]:
    return [
        ScalingPoint(
            family=f"CodeGen-{corpus} (the paper's)", model=f"CodeGen-{corpus} {name}",
            parameters=size * 1e9, tokens=codegen_tokens(name, corpus.lower()),
            value=Interval(value), source=f"arXiv 2203.13474, {source}",
        )
        for (size, name), value, source in zip(_PAPER_SIZES, values, sources, strict=True)
    ]  # fmt: skip


_RECALLED, _SECOND_HAND = "recalled and not checked", "second-hand"

PAPER_RATES: tuple[ScalingPoint, ...] = (
    *_paper("NL", (0.0023, 0.1531, 0.1937, 0.3033), [_RECALLED] * 4),
    *_paper("Multi", (0.0409, 0.2082, 0.2551, 0.2627), [_RECALLED] * 4),
    *_paper("Mono", (0.1698, 0.3872, 0.4352, 0.4734), [_SECOND_HAND] * 4),
)
"""The paper's multi-turn pass rates on its own benchmark, for its 12 models: no result of this
project, and of another problem set than `own`."""

PAPER_PERPLEXITIES: tuple[ScalingPoint, ...] = tuple(
    _paper("Mono", (10.09, 8.90, 8.18, 8.05), [*[_RECALLED] * 3, _SECOND_HAND])
)
"""The paper's perplexities of multi-turn prompts, likewise."""


def rate_points(
    records: Records, rates: Sequence[RunRates], sizes: ModelSizes
) -> list[ScalingPoint]:
    """The pass rates of the multi-turn runs, a point for each run of the clearest truncation."""
    found = [
        (run, each.rate)
        for each in rates
        if each.oracle == (run := records.runs[each.run]).oracles[0] and run.arm in _ARMS
    ]
    return _points(found, sizes)


def perplexity_points(
    records: Records, perplexities: Sequence[RunPerplexity], sizes: ModelSizes
) -> list[ScalingPoint]:
    """The perplexities of multi-turn prompts, likewise."""
    found = [
        (run, each.perplexity)
        for each in perplexities
        if each.part == "prompts" and (run := records.runs[each.run]).arm in _ARMS
    ]
    return _points(found, sizes)


def fit_power_laws(points: Iterable[ScalingPoint], axis: Axis) -> list[PowerLaw]:
    """A power law for each family of at least four sizes whose figures are not 0.

    Least squares on logarithms, with the t interval of the slope.

    References:
        Kaplan et al., "Scaling Laws for Neural Language Models", arXiv 2001.08361; scipy's
        `linregress`.
    """
    families: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        size, value = point.size(axis), point.value.estimate
        if size and value:
            families.setdefault(point.family, []).append((math.log10(size), math.log10(value)))
    found = []
    for family, places in families.items():
        xs, ys = zip(*places, strict=True)
        if len(set(xs)) < _MIN_POINTS:
            continue
        fit = stats.linregress(xs, ys)
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(xs) - 2)) * float(fit.stderr)
        slope = float(fit.slope)
        exponent = Interval(slope, slope - reach, slope + reach, "t interval of the slope")
        found.append(PowerLaw(family, exponent, float(fit.intercept), len(xs)))
    return found


def _points(found: Sequence[tuple[RunFacts, Interval]], sizes: ModelSizes) -> list[ScalingPoint]:
    by_set: dict[tuple[str, str], list[tuple[RunFacts, Interval]]] = {}
    for run, value in found:
        if value.estimate is not None:
            by_set.setdefault((run.task, run.arm), []).append((run, value))
    points = []
    for (task, arm), members in by_set.items():
        truncation = _clearest([run for run, _ in members])
        points += [
            ScalingPoint(
                family=f"{family_of(run.model)} on {task}, {arm}, {truncation}, "
                f"T {run.temperature:g}",
                model=run.model,
                parameters=sizes.parameters_of(run.model),
                tokens=sizes.tokens_of(run.model),
                value=value,
            )
            for run, value in members
            if run.truncation == truncation
        ]
    return points


def _clearest(runs: Sequence[RunFacts]) -> str:
    """The truncation under which most models were run; among those, the preferred one."""

    def place(truncation: str) -> tuple[int, int]:
        models = {run.model for run in runs if run.truncation == truncation}
        known = truncation in _TRUNCATIONS
        return -len(models), _TRUNCATIONS.index(truncation) if known else len(_TRUNCATIONS)

    return min(sorted({run.truncation for run in runs}), key=place)
