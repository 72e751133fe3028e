"""Pass rates and pass@k of saved runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from multiturn.benchmarks.arms.options import LoopOptions, label_of
from multiturn.benchmarks.arms.registry import ARMS
from multiturn.benchmarks.arms.synthesis import SynthesisArm
from multiturn.benchmarks.metrics import (
    BY,
    BestTemperature,
    Count,
    ScoredSample,
    best_temperatures,
    counts,
    mean_pass_at_k,
)
from multiturn.benchmarks.runner.config import RunConfig
from multiturn.benchmarks.runner.costs import RunCosts, run_costs
from multiturn.benchmarks.runner.generation import OUT_OF_WINDOW
from multiturn.benchmarks.runner.results import SavedRun

if TYPE_CHECKING:
    from multiturn.report.statistics.clusters import Interval

__all__ = [
    "RunFigures",
    "best_of",
    "figures_from",
    "figures_of",
    "percent",
    "run_label",
    "scored",
    "table_by",
]

UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """The results of one run."""

    counts: Mapping[str, Count]
    """Samples and passes, by oracle."""
    pass_at_k: Mapping[str, Mapping[int, float | None]]
    """By oracle and k; None if undefined, because an item has too few samples."""
    out_of_window: int = 0
    """Samples that outgrew the context window."""
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    """Of each oracle's pass rate, clustered by problem; None without the packages that find it."""
    costs: RunCosts | None = None
    """Per sample; None if unknown."""


def scored(run: SavedRun, oracle: str) -> list[ScoredSample]:
    """The samples as one oracle judged them."""
    return [ScoredSample(sample.item, sample.verdicts[oracle].passed) for sample in run.samples]


def figures_of(run: SavedRun, ks: Sequence[int]) -> RunFigures:
    """The results of a run."""
    judged = {oracle: scored(run, oracle) for oracle in run.config.oracles}
    figures = figures_from(judged, run.config.items, ks)
    lost = sum(any(step.cut_by == OUT_OF_WINDOW for step in one.steps) for one in run.samples)
    return replace(figures, out_of_window=lost, costs=run_costs(run))


def figures_from(
    judged: Mapping[str, Sequence[ScoredSample]], items: int, ks: Sequence[int]
) -> RunFigures:
    """The results of samples, by oracle, for a benchmark with `items` items."""
    total: dict[str, Count] = {}
    at_k: dict[str, dict[int, float | None]] = {}
    for oracle, samples in judged.items():
        total[oracle] = Count(len(samples), sum(each.passed for each in samples))
        by_item = counts(samples, lambda item: item.id).values()
        # A subset of the items would be another benchmark.
        complete = len(by_item) == items
        at_k[oracle] = {k: mean_pass_at_k(by_item, k) if complete else None for k in ks}
    intervals = {oracle: _interval(samples) for oracle, samples in judged.items()}
    return RunFigures(counts=total, pass_at_k=at_k, intervals=intervals)


def run_label(config: RunConfig) -> str:
    """Arm and variant of a run, for people.

    An arm that writes programs with the loop of `synth` has options in place of a truncation.
    """
    loop, arm = config.settings.loop, ARMS.get(config.arm)
    if loop is None:
        return f"{config.arm} {config.settings.truncation}"
    model = config.engine.model
    base = arm.options_for(model) if isinstance(arm, SynthesisArm) else LoopOptions()
    different = label_of(loop, base)
    return f"{config.arm} {different}" if different else config.arm


def _interval(samples: Sequence[ScoredSample]) -> Interval | None:
    try:
        import numpy as np

        from multiturn.report.statistics.clusters import Clusters, clustered_interval
    except ImportError:  # numpy and scipy are optional
        return None
    by_problem = counts(samples, lambda item: item.problem).values()
    return clustered_interval(
        Clusters(
            np.array([count.passed for count in by_problem], dtype=np.float64),
            np.array([count.samples for count in by_problem], dtype=np.float64),
        )
    )


def table_by(run: SavedRun, oracle: str, by: str) -> dict[object, Count]:
    """Samples and passes by a property of the items; see `BY`."""
    return counts(scored(run, oracle), BY[by])


def best_of(
    runs: Iterable[SavedRun], oracle: str, ks: Sequence[int]
) -> dict[int, BestTemperature | None]:
    """The best temperature for each k, among complete runs that differ only in temperature."""
    found = {
        run.config.sampling.temperature: list(
            counts(scored(run, oracle), lambda item: item.id).values()
        )
        for run in runs
        if run.complete
    }
    return best_temperatures(found, ks)


def percent(share: float | None) -> str:
    """A fraction as a percentage.

    Example:
        >>> percent(0.125), percent(None)
        ('12.50 %', 'undefined')
    """
    return UNDEFINED if share is None else f"{100 * share:.2f} %"
