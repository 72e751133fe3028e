"""Comparisons of models and of two runs, paired by problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multiturn.report.analysis.item_totals import ItemTotals, item_totals
from multiturn.report.records.columns import Records
from multiturn.report.statistics.clusters import Interval, clustered_interval
from multiturn.report.statistics.contrasts import (
    Conclusion,
    Contrast,
    conclude,
    contrast,
    holm,
    mcnemar,
)

__all__ = ["LeaderboardRow", "ProblemPair", "SideBySide", "leaderboards", "side_by_side"]

_ARMS = ("turns", "completion")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardRow:
    """A model on a leaderboard."""

    board: str
    """Problem set, arm, truncation and temperature."""
    rank: int
    """By the pass rate over the board's shared items; models that tie with a better one keep
    their own rank."""
    model: str
    rate: Interval
    """Over the items that all models of the board have."""
    behind: Contrast | None
    """The leader minus this model; None for the leader."""
    conclusion: Conclusion
    """Of the leader against this model, after Holm's correction."""


@dataclass(frozen=True, slots=True)
class ProblemPair:
    """The pass rates of a problem in two runs."""

    problem: str
    first: float
    second: float
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Two runs over the items that both have."""

    first: str
    second: str
    rates: tuple[Interval, Interval]
    found: Contrast
    """The first minus the second."""
    p_mcnemar: float | None
    """McNemar's test over items, where each has one sample in both runs."""
    conclusion: Conclusion
    problems: tuple[ProblemPair, ...]
    """Where they differ most comes first."""


def leaderboards(records: Records) -> list[LeaderboardRow]:
    """The models that were run under the same conditions, best first; boards need two models."""
    totals = item_totals(records)
    boards: dict[tuple[str, str, float, str], dict[str, list[int]]] = {}
    for number, run in enumerate(records.runs):
        if run.arm in _ARMS and totals.samples[number].sum():
            name = f"{run.task}, {run.arm}, {run.truncation}, T {run.temperature:g}"
            name += "" if run.budget is None else f", budget {run.budget}"
            key = (name, run.problems_sha256, run.top_p, run.oracles[0])
            boards.setdefault(key, {}).setdefault(run.model, []).append(number)
    found = []
    for (name, *_), models in boards.items():
        if len(models) > 1:
            found += _board(totals, name, models)
    return found


def _board(totals: ItemTotals, name: str, models: dict[str, list[int]]) -> list[LeaderboardRow]:
    shared = np.logical_and.reduce([totals.samples[runs].sum(0) > 0 for runs in models.values()])
    data = {model: totals.clusters(runs, shared) for model, runs in models.items()}
    if not shared.any():
        return []
    order = sorted(data, key=lambda model: (-(data[model].mean or 0), model))
    behind = [contrast([data[order[0]], data[model]]) for model in order[1:]]
    adjusted = holm([each.p_value for each in behind])
    rows = [
        LeaderboardRow(
            board=name, rank=1, model=order[0], rate=clustered_interval(data[order[0]]),
            behind=None, conclusion=Conclusion.TIED,
        )
    ]  # fmt: skip
    rows += [
        LeaderboardRow(
            board=name, rank=rank, model=model, rate=clustered_interval(data[model]), behind=each,
            conclusion=conclude(each, p),
        )
        for rank, (model, each, p) in enumerate(zip(order[1:], behind, adjusted, strict=True), 2)
    ]  # fmt: skip
    return rows


def side_by_side(records: Records, first: int = 0, second: int = 1) -> SideBySide | None:
    """Two runs of one problem set, under whatever conditions; None if they share no item.

    Args:
        records: with both runs.
        first: index of a run.
        second: index of the run that is subtracted.
    """
    totals = item_totals(records)
    shared = (totals.samples[first] > 0) & (totals.samples[second] > 0)
    if not shared.any():
        return None
    data = [totals.clusters([number], shared) for number in (first, second)]
    found = contrast(data)
    once = bool(((totals.samples[[first, second]] == 1) | ~shared).all())
    passed = totals.passed[[first, second]][:, shared] > 0
    exact = (
        mcnemar(int((passed[0] & ~passed[1]).sum()), int((passed[1] & ~passed[0]).sum()))
        if once
        else None
    )
    items = np.bincount(totals.problem[shared], minlength=totals.problems)
    pairs = [
        ProblemPair(
            records.problems[number].id,
            float(data[0].sums[number] / data[0].counts[number]),
            float(data[1].sums[number] / data[1].counts[number]),
            int(items[number]),
        )
        for number in np.flatnonzero(items)
    ]
    pairs.sort(key=lambda pair: (-abs(pair.first - pair.second), pair.problem))
    return SideBySide(
        first=records.runs[first].label,
        second=records.runs[second].label,
        rates=(clustered_interval(data[0]), clustered_interval(data[1])),
        found=found,
        p_mcnemar=exact,
        conclusion=conclude(found, found.p_value),
        problems=tuple(pairs),
    )


def differing_conditions(records: Records, runs: Sequence[int]) -> list[str]:
    """What differs between runs, one line for each condition."""
    names = (
        "task", "model", "arm", "truncation", "temperature", "top_p", "seed", "budget",
        "max_new_tokens", "engine", "weights_sha256", "isolation",
    )  # fmt: skip
    facts = [records.runs[number] for number in runs]
    lines = []
    for name in names:
        values = [getattr(run, name) for run in facts]
        if len(set(values)) > 1:
            lines.append(f"{name.replace('_', ' ')}: {', '.join(map(str, values))}")
    return lines
