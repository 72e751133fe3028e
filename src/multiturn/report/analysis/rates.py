"""Pass rates of runs, overall and by properties of problems, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multiturn.report.records.columns import Records
from multiturn.report.statistics.clusters import (
    Clusters,
    Interval,
    cluster_totals,
    clustered_interval,
)
from multiturn.report.statistics.pass_at_k import pass_at_k_interval

__all__ = ["GROUPINGS", "GroupRate", "RunRates", "clusters_of", "group_rates", "run_rates"]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

GROUPINGS = ("category", "difficulty", "turns", "turn")
"""Properties by which pass rates are grouped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRates:
    """The figures of one run under one oracle."""

    run: int
    """Index of the run."""
    oracle: str
    """Who judged."""
    samples: int
    """How many samples count."""
    passed: int
    """How many of them passed."""
    problems: int
    """How many problems they are of."""
    rate: Interval
    """Share that passed."""
    pass_at_k: dict[int, Interval]
    """By k; without an estimate where undefined."""
    prompt_tokens: float | None
    """Mean of a sample, over all its generations; None without samples."""
    new_tokens: float | None
    """Likewise."""
    cut: float | None
    """Share of samples that a rule cut."""
    exhausted: float | None
    """Share of samples with a generation that ended at its maximum of tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRate:
    """The pass rate of one group of a run's items, by the first oracle."""

    run: int
    grouping: str
    group: str
    samples: int
    problems: int
    rate: Interval


def clusters_of(records: Records, oracle: str, mask: BoolArray) -> Clusters:
    """Passes by problem of some samples; samples that the oracle did not judge do not count."""
    passed = records.passed(oracle)
    mask = mask & (passed >= 0)
    return cluster_totals(records.problem[mask], passed[mask], len(records.problems))


def run_rates(records: Records, ks: Sequence[int] = (1, 10, 100)) -> list[RunRates]:
    """The figures of every run and oracle.

    Args:
        records: the samples.
        ks: the values of k. pass@k of an incomplete run is undefined.
    """
    found = []
    for number, run in enumerate(records.runs):
        mine = records.run == number
        for oracle in run.oracles:
            passed = records.passed(oracle)
            mask = mine & (passed >= 0)
            data = clusters_of(records, oracle, mine)
            samples = int(mask.sum())

            def mean(values: Any, mask: BoolArray = mask, samples: int = samples) -> float | None:
                return float(values[mask].mean()) if samples else None

            found.append(
                RunRates(
                    run=number,
                    oracle=oracle,
                    samples=samples,
                    passed=int(data.sums.sum()),
                    problems=data.problems,
                    rate=clustered_interval(data),
                    pass_at_k=_at_k(records, mask, passed, ks, records.complete[number]),
                    prompt_tokens=mean(records.prompt_tokens),
                    new_tokens=mean(records.new_tokens),
                    cut=mean(records.cut),
                    exhausted=mean(records.exhausted),
                )
            )
    return found


def _at_k(
    records: Records, mask: BoolArray, passed: Any, ks: Sequence[int], complete: bool
) -> dict[int, Interval]:
    if not complete:
        return {k: Interval(None, method="undefined: the run is incomplete") for k in ks}
    items, index = np.unique(records.item[mask], return_inverse=True)
    problems = np.array([records.items[item].problem for item in items], dtype=np.int64)
    samples = np.bincount(index, minlength=len(items))
    passes = np.bincount(index, weights=passed[mask], minlength=len(items)).astype(np.int64)
    number = len(records.problems)
    return {k: pass_at_k_interval(problems, samples, passes, k, number=number) for k in ks}


def group_rates(records: Records) -> list[GroupRate]:
    """The pass rates of every run by each of `GROUPINGS` that its items have."""
    found = []
    labels = {name: _labels(records, name) for name in GROUPINGS}
    for number, run in enumerate(records.runs):
        mine = records.run == number
        for grouping, of_sample in labels.items():
            for group in sorted({str(each) for each in of_sample[mine]} - {""}, key=_natural):
                data = clusters_of(records, run.oracles[0], mine & (of_sample == group))
                found.append(
                    GroupRate(
                        run=number, grouping=grouping, group=group, samples=data.samples,
                        problems=data.problems, rate=clustered_interval(data),
                    )
                )  # fmt: skip
    return found


def _labels(records: Records, grouping: str) -> Any:
    if grouping == "turn":
        turns = [str(item.turn + 1) if item.turn is not None else "" for item in records.items]
        return np.array(turns or [""])[records.item]
    values = [getattr(problem, grouping) for problem in records.problems]
    return np.array(["" if v is None else str(v) for v in values] or [""])[records.problem]


_ORDER = {"easy": "1", "medium": "2", "hard": "3"}


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (0, _ORDER.get(name, name))
