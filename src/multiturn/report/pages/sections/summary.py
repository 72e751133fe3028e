"""The sentences of the summary."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.arms import POOLED, ArmComparison
from multiturn.report.analysis.rates import RunRates
from multiturn.report.pages.cells import interval_text, points_text
from multiturn.report.pages.sections.arms import sentence_of
from multiturn.report.records.columns import Records

__all__ = ["summary_of"]

_HEADLINE = ("next_prompt", "parse", "published", "none")
"""Truncations by how little of a difference between arms they make themselves."""


def summary_of(
    comparisons: Sequence[ArmComparison],
    rates: Sequence[RunRates],
    records: Records,
    at_best_ends: Sequence[ArmComparison] = (),
) -> list[str]:
    """Turns against each arm of the same information, over all models and by model.

    Each is under the fairest truncation that it was run under. Without a comparison, the rates.

    Args:
        comparisons: of arms, as judged.
        rates: of the runs.
        records: of the runs.
        at_best_ends: the comparisons with the best end of each last text.
    """
    chosen: dict[tuple[object, ...], ArmComparison] = {}
    for each in comparisons:
        if each.first != "turns" or not each.same_information:
            continue
        key = (each.task, each.model, each.second, each.temperature, each.top_p, each.budget)
        other = chosen.get(key)
        if other is None or _unfairness(each) < _unfairness(other):
            chosen[key] = each
    if chosen:
        order = sorted(chosen.values(), key=lambda each: (each.task, each.model != POOLED))
        several = len({(each.temperature, each.top_p, each.budget) for each in order}) > 1
        bounds = {each.key: points_text(each.found.interval) for each in at_best_ends}
        return [
            sentence_of(each, conditions=several)
            + (
                f" With the best end of every text: {bounds[each.key]}."
                if each.key in bounds
                else ""
            )
            for each in order
        ]
    return [
        f"{records.runs[each.run].label}: {interval_text(each.rate)} % of {each.samples:,} "
        f"samples pass."
        for each in rates
        if each.oracle == records.runs[each.run].oracles[0]
    ]


def _unfairness(each: ArmComparison) -> int:
    return _HEADLINE.index(each.truncation) if each.truncation in _HEADLINE else len(_HEADLINE)
