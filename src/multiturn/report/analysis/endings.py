"""How much of a difference between arms is due to where texts end.

A failed program counts as passed here if `multiturn bench endings` found an earlier end of its last
text with which it passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from multiturn.report.analysis.arms import ArmComparison, compare_arms
from multiturn.report.analysis.item_totals import ItemTotals, item_totals
from multiturn.report.records.columns import Records
from multiturn.report.records.ending_lines import NO_ENDINGS, read_endings
from multiturn.report.statistics.clusters import Interval, clustered_interval

__all__ = ["BestEndings", "RunEndings", "best_endings"]


@dataclass(frozen=True, slots=True)
class RunEndings:
    """Pass rates of a run over the samples whose ends were examined.

    Attributes:
        run: its index.
        samples: how many there are, with those that passed.
        recorded: the rate of the run as it was judged.
        best: the rate with the best end of each last text.
    """

    run: int
    samples: int
    recorded: Interval
    best: Interval


@dataclass(frozen=True, slots=True)
class BestEndings:
    """What the best end of each last text changes.

    Attributes:
        runs: those that have records.
        comparisons: of arms, with the best ends.
        missing: how many runs could have records and have none.
    """

    runs: tuple[RunEndings, ...]
    comparisons: tuple[ArmComparison, ...]
    missing: int


def best_endings(records: Records) -> BestEndings:
    """Pass rates and comparisons of arms with the best end of each last text.

    Raises:
        StorageError: a file cannot be read.
    """
    lines, missing = {}, 0
    for number, run in enumerate(records.runs):
        found = read_endings(run.path)
        if found is not None:
            lines[number] = found
        elif run.arm not in NO_ENDINGS and records.failed[number]:
            missing += 1
    if not lines:
        return BestEndings((), (), missing)
    recorded, best = _totals(records, lines)
    everything = np.ones(len(records.items), bool)
    runs = []
    for number in lines:
        before, after = (each.clusters([number], everything) for each in (recorded, best))
        if before.samples:
            runs.append(
                RunEndings(
                    number, before.samples, clustered_interval(before), clustered_interval(after)
                )
            )
    return BestEndings(tuple(runs), tuple(compare_arms(records, best)), missing)


def _totals(
    records: Records, lines: Mapping[int, Mapping[tuple[str, int], bool]]
) -> tuple[ItemTotals, ItemTotals]:
    """Totals of the examined samples: as judged, and with their best ends."""
    base = item_totals(records)
    recorded, best, samples = (np.zeros_like(base.passed) for _ in range(3))
    for number, found in lines.items():
        begin, end = np.searchsorted(records.run, [number, number + 1])
        part = slice(begin, end)
        passed = records.passed(records.runs[number].oracles[0])[part].tolist()
        for item, sample, verdict in zip(
            records.item[part].tolist(), records.sample[part].tolist(), passed, strict=True
        ):
            ending = found.get((records.items[item].id, sample))
            if verdict == 1 or (verdict == 0 and ending is not None):
                samples[number, item] += 1
                recorded[number, item] += verdict
                best[number, item] += verdict or bool(ending)
    return replace(base, passed=recorded, samples=samples), replace(
        base, passed=best, samples=samples
    )
