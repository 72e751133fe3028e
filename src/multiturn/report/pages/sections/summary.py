"""The sentences of the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multiturn.report.analysis.arms import POOLED, ArmComparison
from multiturn.report.analysis.rates import RunRates
from multiturn.report.pages.cells import interval_text, points_text
from multiturn.report.pages.sections.arms import condition_text, sentence_of
from multiturn.report.records.columns import Records

__all__ = ["summary_of"]

_HEADLINE = ("next_prompt", "parse", "published", "none")
"""Truncations by how little of a difference between arms they make themselves."""
_Key = tuple[object, ...]


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
    chosen: dict[_Key, ArmComparison] = {}
    for each in comparisons:
        if each.first != "turns" or not each.same_information:
            continue
        key = (each.task, each.model, each.second, each.temperature, each.top_p, each.budget)
        other = chosen.get(key)
        if other is None or _unfairness(each) < _unfairness(other):
            chosen[key] = each
    if chosen:
        return _comparisons(
            sorted(chosen.values(), key=lambda each: (each.task, each.model != POOLED)),
            {
                each.key: points_text(each.found.interval)
                for each in at_best_ends
                if not each.nothing_passed
            },
        )
    return [
        f"{records.runs[each.run].label}: {interval_text(each.rate)} % of {each.samples:,} "
        f"samples pass."
        for each in rates
        if each.oracle == records.runs[each.run].oracles[0]
    ]


def _comparisons(order: Sequence[ArmComparison], bounds: Mapping[_Key, str]) -> list[str]:
    """A sentence for each pooled comparison, and one for the models beside it."""
    pooled = {_without_model(each) for each in order if each.model == POOLED}
    by_model: dict[_Key, list[ArmComparison]] = {}
    sentences = []
    for each in order:
        if each.model != POOLED and _without_model(each) in pooled:
            by_model.setdefault(_without_model(each), []).append(each)
            continue
        sentence = sentence_of(each, order)
        if each.key in bounds:
            sentence += f" With the best end of every text: {bounds[each.key]}."
        sentences.append(sentence)
    return sentences + [_model_by_model(each, bounds, order) for each in by_model.values()]


def _model_by_model(
    found: Sequence[ArmComparison], bounds: Mapping[_Key, str], among: Sequence[ArmComparison]
) -> str:
    first = found[0]
    parts = [
        f"{each.model} {points_text(each.found.interval)}, {each.conclusion.value}"
        + (f", and {bounds[each.key]} with the best ends" if each.key in bounds else "")
        for each in found
        if not each.nothing_passed
    ]
    nothing = [each.model for each in found if each.nothing_passed]
    if nothing:
        verb = "pass" if len(nothing) > 1 else "passes"
        parts.append(f"{', '.join(nothing)} {verb} nothing")
    return (
        f"Model by model, {first.first} minus {first.second} on {first.task} under "
        f"{condition_text(first, among)}: {'; '.join(parts)}."
    )


def _without_model(each: ArmComparison) -> _Key:
    return (
        each.task, each.truncation, each.second, each.temperature, each.top_p, each.budget
    )  # fmt: skip


def _unfairness(each: ArmComparison) -> int:
    return _HEADLINE.index(each.truncation) if each.truncation in _HEADLINE else len(_HEADLINE)
