"""Samples added up by run and item: what comparisons need, however many samples there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.report.records.columns import Records
from multiturn.report.statistics.clusters import Clusters, cluster_totals

__all__ = ["ItemTotals", "item_totals"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class ItemTotals:
    """Totals, float [runs, items], by the first oracle of each run.

    Attributes:
        passed: samples that passed.
        samples: samples that were judged.
        prompt_tokens: of these samples.
        new_tokens: likewise.
        problem: the problem of each item, int [items].
        problems: number of problems.
    """

    passed: FloatArray
    samples: FloatArray
    prompt_tokens: FloatArray
    new_tokens: FloatArray
    problem: np.ndarray[Any, np.dtype[np.int64]]
    problems: int

    def clusters(self, runs: Sequence[int], items: BoolArray) -> Clusters:
        """Passes by problem of some runs and items."""
        chosen = list(runs)
        sums = np.where(items, self.passed[chosen].sum(0), 0)
        counts = np.where(items, self.samples[chosen].sum(0), 0)
        return Clusters(
            *(
                np.bincount(self.problem, weights=each, minlength=self.problems).astype(np.float64)
                for each in (sums, counts)
            )
        )

    def rates(self, runs: Sequence[int]) -> FloatArray:
        """The pass rate of each item over some runs; NaN without samples."""
        with np.errstate(invalid="ignore"):
            found: FloatArray = self.passed[list(runs)].sum(0) / self.samples[list(runs)].sum(0)
        return found

    def by_problem(self, values: FloatArray, items: BoolArray) -> Clusters:
        """Values of items between 0 and 1, by problem."""
        return cluster_totals(self.problem[items], values[items], self.problems)


def item_totals(records: Records) -> ItemTotals:
    """Add up the samples of all runs."""
    runs, items = len(records.runs), len(records.items)
    passed = np.zeros(len(records.run))
    judged = np.zeros(len(records.run), bool)
    for number, run in enumerate(records.runs):
        # Samples are in the order of their runs.
        begin, end = np.searchsorted(records.run, [number, number + 1])
        column = records.judgements.get(run.oracles[0])
        if column is not None:
            passed[begin:end] = column[begin:end] == 0
            judged[begin:end] = column[begin:end] >= 0
    place = records.run * items + records.item

    def total(values: Any) -> FloatArray:
        found = np.bincount(place, weights=values * judged, minlength=runs * items)
        return found.astype(np.float64).reshape(runs, items)

    return ItemTotals(
        passed=total(passed),
        samples=total(np.ones(len(passed))),
        prompt_tokens=total(records.prompt_tokens),
        new_tokens=total(records.new_tokens),
        problem=np.array([item.problem for item in records.items], dtype=np.int64),
        problems=len(records.problems),
    )
