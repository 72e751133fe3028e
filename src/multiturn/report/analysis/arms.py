"""Comparisons of arms: does taking turns help, and is it the turns?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from multiturn.report.analysis.item_totals import ItemTotals, item_totals
from multiturn.report.records.columns import Records
from multiturn.report.statistics.clusters import (
    Clusters,
    Interval,
    cluster_totals,
    clustered_interval,
)
from multiturn.report.statistics.contrasts import (
    Conclusion,
    Contrast,
    conclude,
    contrast,
    holm,
    welch,
)
from multiturn.report.statistics.power import problems_needed, spread_of
from multiturn.report.statistics.resampling import bootstrap_interval

__all__ = [
    "FLOOR",
    "POOLED",
    "ArmComparison",
    "GoldPrefixFigures",
    "StopRuleEffect",
    "compare_arms",
    "compare_arms_by_group",
    "gold_prefix_figures",
    "stop_rule_effects",
]

POOLED = "all models"
"""Stands for the model in comparisons over the samples of all that have both arms."""

FLOOR = 0.02
"""Pass rates closer to 0, or to 1, leave no room for a difference between arms."""

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

_SAME_INFORMATION = ("turns", "concat", "listed", "prose")
"""Arms that give a model the same content; `shuffled` has another order, `feedback` more."""
_SINGLE = ("concat", "prose")
_ORDER = ("turns", "listed", "concat", "prose", "feedback", "shuffled")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be equal in both arms of a comparison."""

    problem_set: int
    model: str
    truncation: str
    temperature: float
    top_p: float
    budget: int | None
    oracle: str
    """The first of the run."""


@dataclass(frozen=True, slots=True)
class ArmRuns:
    """The runs that a mean is taken over: they differ at most in their seeds."""

    conditions: Conditions
    arm: str
    runs: tuple[int, ...]
    max_new_tokens: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """The pass rate of one arm minus that of another, over the items that both have."""

    task: str
    """The problem set."""
    model: str
    """The model, or `POOLED`."""
    models: tuple[str, ...]
    """All models that it is over."""
    truncation: str
    """Where generated text ended, in both."""
    temperature: float
    """In both."""
    top_p: float
    """In both."""
    budget: int | None
    """Maximum of new tokens of a sample, in both; None if unlimited."""
    first: str
    """An arm."""
    second: str
    """The arm that is subtracted."""
    group: str
    """Of problems, as "difficulty: hard"; empty for all."""
    found: Contrast
    """The difference."""
    bootstrap: Interval | None
    """The bootstrap interval of the difference."""
    p_adjusted: float | None
    """After Holm's correction over its family."""
    p_welch: float | None
    """Welch's test between runs with different seeds; None for fewer than two on a side."""
    conclusion: Conclusion
    """Whether the first arm is better, worse, or tied."""
    same_information: bool
    """Whether both arms tell the model the same."""
    same_budget: bool
    """Whether a sample may have the same number of new tokens in both."""
    tokens: tuple[float, float, float, float]
    """Mean prompt and new tokens of a sample of the first arm, then of the second."""
    samples: int
    """Of both arms."""
    problems_needed: int | None
    """Problems that a true difference of five points would need; None if unknown."""
    nothing_passed: bool
    """Whether no sample of either arm passed: nothing was seen of a difference, or of none."""

    @property
    def key(self) -> tuple[object, ...]:
        """What is compared, without the result."""
        return (
            self.task, self.model, self.truncation, self.temperature, self.top_p, self.budget,
            self.first, self.second, self.group,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRuleEffect:
    """How much of the difference between two arms one truncation makes, against another."""

    task: str
    model: str
    first: str
    second: str
    truncations: tuple[str, str]
    differences: tuple[float, float]
    """Between the arms under each truncation."""
    found: Contrast
    """The difference of these differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldPrefixFigures:
    """What a turn is worth by itself, and what mistakes of earlier turns cost."""

    task: str
    model: str
    truncation: str
    single: Interval
    """Share of single turns that pass below reference code."""
    chained: float
    """Expected pass rate of all turns if each passed like a single one, independently."""
    turns: float
    """Pass rate of the arm `turns` on the same cases."""
    cost: Contrast
    """Of earlier mistakes: `chained` minus `turns`."""


def arm_runs_of(records: Records) -> list[ArmRuns]:
    """The runs of each arm under each set of conditions.

    For an arm with a single prompt, `next_prompt` cuts what `parse` cuts: such runs stand for
    both, unless both were run.
    """
    groups: dict[tuple[Conditions, str], list[int]] = {}
    sets = {key: number for number, key in enumerate(records.problem_sets)}
    for number, run in enumerate(records.runs):
        # A run without samples has no problem set.
        place = sets.get((run.task, run.problems_sha256))
        if place is not None:
            conditions = Conditions(
                place, run.model, run.truncation, run.temperature, run.top_p, run.budget,
                run.oracles[0],
            )  # fmt: skip
            groups.setdefault((conditions, run.arm), []).append(number)
    for (conditions, arm), runs in list(groups.items()):
        if arm in _SINGLE and conditions.truncation == "parse":
            groups.setdefault((replace(conditions, truncation="next_prompt"), arm), runs)
    return [
        ArmRuns(
            conditions,
            arm,
            tuple(runs),
            tuple({records.runs[each].max_new_tokens for each in runs}),
        )
        for (conditions, arm), runs in groups.items()
    ]


def compare_arms(records: Records, totals: ItemTotals | None = None) -> list[ArmComparison]:
    """Every pair of arms under the same conditions, by model and over all models.

    Over all models it is the mean of their differences, over the problems that all have. A model
    whose pass rates in both arms are within `FLOOR` of 0 or of 1 has no room for a difference,
    and is left out of it. `gold_prefix` is left out, since its items are single turns.

    Holm's family is the comparisons of `turns` of one model, or of all models together, on a
    problem set under a truncation; the other pairs are a second family. So what is said of a model
    does not depend on the other models of a report. Where nothing passed in either arm there is
    no test, and so it is in no family.

    Args:
        records: of the runs.
        totals: what passed, if it is not what the first oracle of each run says. Runs without
            samples in them are left out.
    """
    totals = item_totals(records) if totals is None else totals
    there = totals.samples.sum(1) > 0
    pairs = _pairs(cell for cell in arm_runs_of(records) if there[list(cell.runs)].any())
    found = [_compare(records, totals, [first], [second], None, "") for first, second in pairs]
    found += [
        _compare(records, totals, firsts, seconds, None, "")
        for firsts, seconds in _pooled(pairs, totals)
    ]
    return _ordered(_adjusted([each for each in found if each is not None]))


def compare_arms_by_group(
    records: Records, groupings: Sequence[str] = ("difficulty", "category", "turns")
) -> list[ArmComparison]:
    """The comparisons of `turns`, within groups of problems; a family is one grouping's groups."""
    totals = item_totals(records)
    found = []
    for grouping in groupings:
        values = [getattr(problem, grouping) for problem in records.problems]
        labels = np.array(["" if value is None else str(value) for value in values])
        groups = sorted(set(labels.tolist()) - {""})
        for first, second in _pairs(arm_runs_of(records)):
            if first.arm != "turns" or second.arm not in _SAME_INFORMATION:
                continue
            family = [
                _compare(
                    records, totals, [first], [second], labels == group, f"{grouping}: {group}"
                )
                for group in groups
            ]
            found += _adjusted([each for each in family if each is not None])
    return found


def stop_rule_effects(
    records: Records, truncations: tuple[str, str] = ("published", "next_prompt")
) -> list[StopRuleEffect]:
    """How much of each lead of `turns` is due to the truncation."""
    totals = item_totals(records)
    by_conditions = {(cell.conditions, cell.arm): cell for cell in arm_runs_of(records)}
    found = []
    for first, second in _pairs(by_conditions.values()):
        if first.arm != "turns" or first.conditions.truncation != truncations[0]:
            continue
        there = replace(first.conditions, truncation=truncations[1])
        others = [by_conditions.get((there, arm)) for arm in (first.arm, second.arm)]
        if others[0] is None or others[1] is None:
            continue
        cells = [first, second, others[0], others[1]]
        data = [each for (each,) in _shared_clusters(totals, [[cell] for cell in cells], None)]
        effect = contrast(data, (1, -1, -1, 1))
        means = [each.mean for each in data]
        if effect.interval.estimate is None or any(mean is None for mean in means):
            continue
        a, b, c, d = (float(mean or 0) for mean in means)
        found.append(
            StopRuleEffect(
                task=records.problem_sets[first.conditions.problem_set][0],
                model=first.conditions.model, first=first.arm, second=second.arm,
                truncations=truncations, differences=(a - b, c - d), found=effect,
            )
        )  # fmt: skip
    return found


def gold_prefix_figures(records: Records) -> list[GoldPrefixFigures]:
    """Single turns below reference code, against all turns in a row."""
    cells, totals = arm_runs_of(records), item_totals(records)
    found = []
    for cell in cells:
        turns = next(
            (c for c in cells if c.arm == "turns" and c.conditions == cell.conditions), None
        )
        if cell.arm != "gold_prefix" or turns is None:
            continue
        chained, cases = _chained(records, totals, cell)
        same_cases = np.array([(item.problem, item.case) in cases for item in records.items], bool)
        in_turns = totals.clusters(turns.runs, same_cases)
        cost = contrast([chained, in_turns])
        single = totals.clusters(cell.runs, np.ones(len(records.items), bool))
        if chained.mean is None or in_turns.mean is None:
            continue
        found.append(
            GoldPrefixFigures(
                task=records.problem_sets[cell.conditions.problem_set][0],
                model=cell.conditions.model, truncation=cell.conditions.truncation,
                single=clustered_interval(single), chained=chained.mean, turns=in_turns.mean,
                cost=cost,
            )
        )  # fmt: skip
    return found


def _chained(
    records: Records, totals: ItemTotals, cell: ArmRuns
) -> tuple[Clusters, Set[tuple[int, int]]]:
    """The product of the pass rates of a case's turns, by problem; and the cases that have one."""
    rates = totals.rates(cell.runs)
    chains: dict[tuple[int, int], list[float]] = {}
    for number in np.flatnonzero(~np.isnan(rates)):
        facts = records.items[number]
        chains.setdefault((facts.problem, facts.case), []).append(float(rates[number]))
    # A case with a missing turn has no chain.
    full = {
        key: math.prod(chain)
        for key, chain in chains.items()
        if len(chain) == (records.problems[key[0]].turns or len(chain))
    }
    data = cluster_totals(
        np.array([problem for problem, _ in full], dtype=np.int64),
        np.array(list(full.values())),
        len(records.problems),
    )
    return data, full.keys()


def _pairs(cells: Iterable[ArmRuns]) -> list[tuple[ArmRuns, ArmRuns]]:
    """Pairs of arms under the same conditions; `turns` comes first."""
    groups: dict[Conditions, list[ArmRuns]] = {}
    for cell in cells:
        if cell.arm in _ORDER:
            groups.setdefault(cell.conditions, []).append(cell)
    return [
        pair
        for group in groups.values()
        for pair in itertools.combinations(sorted(group, key=lambda c: _ORDER.index(c.arm)), 2)
    ]


def _pooled(
    pairs: Iterable[tuple[ArmRuns, ArmRuns]], totals: ItemTotals
) -> list[tuple[list[ArmRuns], list[ArmRuns]]]:
    """The pairs of all models that have both arms under otherwise the same conditions."""
    groups: dict[tuple[object, ...], list[tuple[ArmRuns, ArmRuns]]] = {}
    for first, second in pairs:
        rates = [_pass_rate(totals, each) for each in (first, second)]
        if max(rates) < FLOOR or min(rates) > 1 - FLOOR:
            continue
        key = (replace(first.conditions, model=POOLED), first.arm, second.arm)
        groups.setdefault(key, []).append((first, second))
    return [
        ([first for first, _ in pairs], [second for _, second in pairs])
        for pairs in groups.values()
        if len({first.conditions.model for first, _ in pairs}) > 1
    ]


def _pass_rate(totals: ItemTotals, cell: ArmRuns) -> float:
    runs = list(cell.runs)
    return float(totals.passed[runs].sum() / max(1, totals.samples[runs].sum()))


def _shared_items(
    totals: ItemTotals, cells: Sequence[Sequence[ArmRuns]], among: BoolArray | None
) -> list[BoolArray]:
    """For each model the items that it has on all sides, bool [items]."""
    found = []
    for parts in zip(*cells, strict=True):
        shared = np.logical_and.reduce(
            [totals.samples[list(cell.runs)].sum(0) > 0 for cell in parts]
        )
        found.append(shared if among is None else shared & among[totals.problem])
    return found


def _shared_clusters(
    totals: ItemTotals, cells: Sequence[Sequence[ArmRuns]], among: BoolArray | None
) -> list[list[Clusters]]:
    """Passes by problem of each side and model, of the items that a model has on all sides."""
    items = _shared_items(totals, cells, among)
    return [
        [totals.clusters(cell.runs, each) for cell, each in zip(side, items, strict=True)]
        for side in cells
    ]


def _mean_tokens(
    totals: ItemTotals, side: Sequence[ArmRuns], items: Sequence[BoolArray]
) -> tuple[float, float]:
    """Mean prompt and new tokens of a sample; each model counts the same."""
    means = []
    for cell, chosen in zip(side, items, strict=True):
        samples, prompt, new = (
            float(column[list(cell.runs)].sum(0)[chosen].sum())
            for column in (totals.samples, totals.prompt_tokens, totals.new_tokens)
        )
        means.append((prompt / samples, new / samples))
    return (
        sum(prompt for prompt, _ in means) / len(means),
        sum(new for _, new in means) / len(means),
    )


def _compare(
    records: Records,
    totals: ItemTotals,
    firsts: Sequence[ArmRuns],
    seconds: Sequence[ArmRuns],
    among: BoolArray | None,
    group: str,
) -> ArmComparison | None:
    items = _shared_items(totals, [firsts, seconds], among)
    data = [each for side in _shared_clusters(totals, [firsts, seconds], among) for each in side]
    # Each model counts the same, however many samples it has.
    weights = [sign / len(firsts) for sign in (1, -1) for _ in firsts]
    found = contrast(data, weights, flips=999 if group else 9_999)
    if found.interval.estimate is None:
        return None
    nothing_passed = not any(each.sums.any() for each in data)
    if nothing_passed:
        found = replace(found, p_value=None, p_permutation=None, p_sign=None)
    first, second = firsts[0], seconds[0]
    conditions = first.conditions
    spread = spread_of(found)
    tokens = [_mean_tokens(totals, side, items) for side in (firsts, seconds)]
    return ArmComparison(
        task=records.problem_sets[conditions.problem_set][0],
        model=conditions.model if len(firsts) == 1 else POOLED,
        models=tuple(each.conditions.model for each in firsts),
        truncation=conditions.truncation,
        temperature=conditions.temperature,
        top_p=conditions.top_p,
        budget=conditions.budget,
        first=first.arm,
        second=second.arm,
        group=group,
        found=found,
        bootstrap=None if group else bootstrap_interval(_compact(data), weights, resamples=2_000),
        p_adjusted=found.p_value,
        p_welch=_welch(records, totals, first, second) if len(firsts) == 1 and not group else None,
        conclusion=conclude(found, found.p_value),
        same_information=first.arm in _SAME_INFORMATION and second.arm in _SAME_INFORMATION,
        same_budget=all(_same_budget(a, b) for a, b in zip(firsts, seconds, strict=True)),
        tokens=(*tokens[0], *tokens[1]),
        samples=sum(each.samples for each in data),
        problems_needed=problems_needed(spread, 0.05) if spread and not group else None,
        nothing_passed=nothing_passed,
    )


def _compact(data: Sequence[Any]) -> list[Any]:
    """Without problems that none of the cells has."""
    there = np.logical_and.reduce([cell.counts > 0 for cell in data])
    return [type(cell)(cell.sums[there], cell.counts[there]) for cell in data]


def _same_budget(first: ArmRuns, second: ArmRuns) -> bool:
    """Whether samples may have the same number of new tokens.

    The maximum of a single answer is by default that of all turns together.
    """
    if first.conditions.budget is not None:
        return True
    return first.max_new_tokens == second.max_new_tokens == (None,)


def _welch(records: Records, totals: ItemTotals, first: ArmRuns, second: ArmRuns) -> float | None:
    def rates(cell: ArmRuns) -> list[float]:
        if len({records.runs[number].seed for number in cell.runs}) != len(cell.runs):
            return []
        samples = totals.samples.sum(1)
        return [
            float(totals.passed[number].sum() / samples[number])
            for number in cell.runs
            if samples[number]
        ]

    return welch(rates(first), rates(second))


def _adjusted(found: list[ArmComparison]) -> list[ArmComparison]:
    families: dict[tuple[object, ...], list[int]] = {}
    for index, each in enumerate(found):
        key = (
            each.task, each.model, each.truncation, each.temperature, each.top_p, each.budget,
            each.first == "turns",
        )  # fmt: skip
        families.setdefault(key, []).append(index)
    result = list(found)
    for indexes in families.values():
        for index, p in zip(
            indexes, holm([found[index].found.p_value for index in indexes]), strict=True
        ):
            each = found[index]
            result[index] = replace(each, p_adjusted=p, conclusion=conclude(each.found, p))
    return result


def _ordered(found: list[ArmComparison]) -> list[ArmComparison]:
    """Comparisons that are matched in most respects first."""
    return sorted(
        found,
        key=lambda each: (
            not each.same_information, each.first != "turns", each.truncation == "published",
            not each.same_budget, each.task, each.truncation, each.model != POOLED, each.model,
        ),
    )  # fmt: skip
