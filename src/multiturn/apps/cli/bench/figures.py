"""The figures of saved runs, from their records alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from multiturn.benchmarks.pass_at_k import (
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
    """One run in numbers."""

    counts: Mapping[str, Count]
    """Samples and passes, by oracle."""
    pass_at_k: Mapping[str, Mapping[int, float | None]]
    """By oracle and k; None where it is undefined: too few samples, or items without any."""
    out_of_window: int = 0
    """Samples whose dialogue outgrew the model's window."""


def scored(run: SavedRun, oracle: str) -> list[ScoredSample]:
    """The samples as one oracle judged them."""
    return [ScoredSample(sample.item, sample.verdicts[oracle].passed) for sample in run.samples]


def figures_of(run: SavedRun, ks: Sequence[int]) -> RunFigures:
    """A run's own figures."""
    judged = {oracle: scored(run, oracle) for oracle in run.config.oracles}
    figures = figures_from(judged, run.config.items, ks)
    lost = sum(any(step.cut_by == OUT_OF_WINDOW for step in one.steps) for one in run.samples)
    return replace(figures, out_of_window=lost)


def figures_from(
    judged: Mapping[str, Sequence[ScoredSample]], items: int, ks: Sequence[int]
) -> RunFigures:
    """The figures of samples, by oracle, of a benchmark that has so many items."""
    total: dict[str, Count] = {}
    at_k: dict[str, dict[int, float | None]] = {}
    for oracle, samples in judged.items():
        total[oracle] = Count(len(samples), sum(each.passed for each in samples))
        by_item = counts(samples, lambda item: item.id).values()
        # Without all items it would be the figure of another benchmark.
        whole = len(by_item) == items
        at_k[oracle] = {k: mean_pass_at_k(by_item, k) if whole else None for k in ks}
    return RunFigures(counts=total, pass_at_k=at_k)


def table_by(run: SavedRun, oracle: str, by: str) -> dict[object, Count]:
    """Samples and passes by something that items have; see `BY`."""
    return counts(scored(run, oracle), BY[by])


def best_of(
    runs: Iterable[SavedRun], oracle: str, ks: Sequence[int]
) -> dict[int, BestTemperature | None]:
    """The best temperature for each k, among complete runs that differ in nothing else."""
    found = {
        run.config.sampling.temperature: list(
            counts(scored(run, oracle), lambda item: item.id).values()
        )
        for run in runs
        if run.complete
    }
    return best_temperatures(found, ks)


def percent(share: float | None) -> str:
    """A share for a person.

    Example:
        >>> percent(0.125), percent(None)
        ('12.50 %', 'undefined')
    """
    return UNDEFINED if share is None else f"{100 * share:.2f} %"
