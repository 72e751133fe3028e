"""Pass rates and pass@k of saved runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from multiturn.benchmarks.metrics import (
    BY,
    BestTemperature,
    Count,
    ScoredSample,
    best_temperatures,
    counts,
    mean_pass_at_k,
)
from multiturn.benchmarks.runner.generation import OUT_OF_WINDOW
from multiturn.benchmarks.runner.results import SavedRun

__all__ = ["RunFigures", "best_of", "figures_from", "figures_of", "percent", "scored", "table_by"]

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


def scored(run: SavedRun, oracle: str) -> list[ScoredSample]:
    """The samples as one oracle judged them."""
    return [ScoredSample(sample.item, sample.verdicts[oracle].passed) for sample in run.samples]


def figures_of(run: SavedRun, ks: Sequence[int]) -> RunFigures:
    """The results of a run."""
    judged = {oracle: scored(run, oracle) for oracle in run.config.oracles}
    figures = figures_from(judged, run.config.items, ks)
    lost = sum(any(step.cut_by == OUT_OF_WINDOW for step in one.steps) for one in run.samples)
    return replace(figures, out_of_window=lost)


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
    return RunFigures(counts=total, pass_at_k=at_k)


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
