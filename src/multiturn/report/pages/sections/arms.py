"""Do turns help? Every pair of arms."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.arms import (
    FLOOR,
    POOLED,
    ArmComparison,
    compare_arms,
    compare_arms_by_group,
    stop_rule_effects,
)
from multiturn.report.pages.cells import (
    in_percent,
    p_cell,
    p_text,
    percent_cell,
    percent_text,
    points_cell,
    points_text,
    signed_text,
)
from multiturn.report.pages.document import DataTable, Figure, Section, TableCell, table_of
from multiturn.report.pages.figures import figure_of, percent_point, unique_slugs
from multiturn.report.pages.plots import interval_plot
from multiturn.report.records.columns import Records
from multiturn.report.statistics.clusters import Interval
from multiturn.report.statistics.contrasts import Conclusion

__all__ = [
    "arms_section",
    "conclusion_text",
    "condition_text",
    "sentence_of",
    "turns_figures",
]

_NAMED = 4
"""Models that a sentence names; with more of them it counts."""

_MEANING = {
    ("turns", "listed"): "the interaction alone: the same steps, one by one or as a list",
    ("turns", "concat"): "the paper's comparison: decomposition and interaction together",
    ("turns", "prose"): "the turns against one text written by a person",
    ("turns", "shuffled"): "the order of the turns",
    ("turns", "feedback"): "what the program printed so far, before each turn",
    ("listed", "concat"): "the decomposition without interaction",
    ("concat", "prose"): "the wording",
}


def arms_section(records: Records) -> tuple[Section, list[ArmComparison]]:
    """The section, and the comparisons that it shows."""
    found = compare_arms(records)
    title = "Do turns help?"
    if not found:
        nothing = "No two arms were run under the same conditions, so nothing can be compared."
        return Section(name="arms", title=title, paragraphs=(nothing,)), []
    paragraphs = [
        "A difference is the pass rate of the first arm minus that of the second, over the items "
        "that both have, paired by problem. The word comes from a t test on problems after Holm's "
        "correction over the comparisons of turns of one model, or of all models together, under "
        "a truncation; intervals are not corrected. Matched comparisons come first. A difference "
        "of the size in the column Detectable is found four times in five."
    ]
    if any(each.model == POOLED for each in found):
        paragraphs.append(
            "Over all models a difference is the mean of theirs. A model that passes less than "
            f"{FLOOR:.0%} or more than {1 - FLOOR:.0%} in both arms has no room for a difference, "
            "and is left out of it."
        )
    paragraphs += [
        f"{effect.model} on {effect.task}: {effect.first} leads {effect.second} by "
        f"{signed_text(effect.differences[0])} points under {effect.truncations[0]} and by "
        f"{signed_text(effect.differences[1])} under {effect.truncations[1]}, so "
        f"{points_text(effect.found.interval)} points of it are the truncation's doing."
        for effect in stop_rule_effects(records)
    ]
    tables = [_overall_table(found)]
    grouped = compare_arms_by_group(records)
    if grouped:
        tables.append(_grouped_table(grouped))
    return (
        Section(
            name="arms", title=title, paragraphs=tuple(paragraphs), tables=tuple(tables),
            figures=tuple(
                turns_figures(
                    [(each, condition_text(each, found)) for each in found],
                    name="turns-minus", title="Turns minus other arms",
                )
            ),
        ),
        found,
    )  # fmt: skip


def sentence_of(each: ArmComparison, among: Sequence[ArmComparison] = ()) -> str:
    """A comparison in one sentence that can be quoted, with interval, p-value and power.

    Args:
        each: the comparison.
        among: other comparisons that are shown with it, to name what sets it apart.
    """
    word = {
        Conclusion.BETTER: f"{each.first} is better than {each.second}",
        Conclusion.WORSE: f"{each.first} is worse than {each.second}",
        Conclusion.TIED: f"{each.first} and {each.second} are tied",
        Conclusion.UNDECIDED: f"{each.first} and {each.second} cannot be compared",
    }[each.conclusion]
    if each.nothing_passed:
        word = f"nothing passes in {each.first} or {each.second}"
    text = (
        f"{_models_text(each)} on {each.task} under {condition_text(each, among)}: {word}, "
        f"{points_text(each.found.interval)} points over {each.found.problems} problems"
    )
    if each.p_adjusted is not None:
        text += f", p {p_text(each.p_adjusted)} after Holm's correction"
    if each.found.detectable is not None:
        found = "would have been found" if each.conclusion is Conclusion.TIED else "is found"
        text += (
            f"; a difference of {percent_text(each.found.detectable)} points {found} four times in "
            "five"
        )
    return f"{text}."


def conclusion_text(each: ArmComparison) -> str:
    """The conclusion in a word or two."""
    return "nothing passes" if each.nothing_passed else each.conclusion.value


def _models_text(each: ArmComparison) -> str:
    if len(each.models) == 1:
        return each.model
    names = f" ({', '.join(each.models)})" if len(each.models) <= _NAMED else ""
    return f"{len(each.models)} models together{names}"


def turns_figures(
    shown: Sequence[tuple[ArmComparison, str]], *, name: str, title: str
) -> list[Figure]:
    """The comparisons of `turns` that are matched in information, a figure for each set.

    Args:
        shown: comparisons, each with the name of its series.
        name: of the figures, before the name of the set.
        title: of the figures, before the name of the set.
    """
    primary = [
        (each, series)
        for each, series in shown
        if each.first == "turns" and each.same_information and not each.nothing_passed
    ]
    figures = []
    for task, slug in unique_slugs(each.task for each, _ in primary).items():
        points = [
            percent_point(f"{each.model}\nminus {each.second}", each.found.interval, series)
            for each, series in primary
            if each.task == task
        ]
        svg = interval_plot(points, "percentage points", name=f"{name}-{slug}", zero=True)
        figures.append(figure_of(f"{name}-{slug}", f"{title} on {task}", points, svg))
    return figures


def condition_text(each: ArmComparison, among: Sequence[ArmComparison]) -> str:
    """The truncation, and what else differs between comparisons."""
    text = each.truncation
    if len({(one.temperature, one.top_p) for one in among}) > 1:
        text += f", T {each.temperature:g}, top-p {each.top_p:g}"
    if len({one.budget for one in among}) > 1:
        text += ", no budget" if each.budget is None else f", budget {each.budget}"
    return text


_CONDITIONS = ("Set", "Model", "Truncation", "T", "Budget", "First", "Second")


def _conditions(each: ArmComparison) -> list[TableCell]:
    return [
        each.task, each.model, each.truncation, each.temperature, each.budget, each.first,
        each.second,
    ]  # fmt: skip


def _overall_table(found: Sequence[ArmComparison]) -> DataTable:
    rows: list[list[TableCell]] = [
        [
            *_conditions(each), conclusion_text(each), points_cell(each.found.interval),
            _ends_cell(each.bootstrap), p_cell(each.p_adjusted), p_cell(each.found.p_permutation),
            p_cell(each.found.p_sign), p_cell(each.p_welch), percent_cell(each.found.detectable),
            each.found.problems, each.samples, each.problems_needed,
            _tokens_cell(*each.tokens[:2]), _tokens_cell(*each.tokens[2:]),
            "yes" if each.same_information else "no", "yes" if each.same_budget else "no",
            _MEANING.get((each.first, each.second), ""),
        ]
        for each in found
    ]  # fmt: skip
    columns = [
        *_CONDITIONS, "First is", "Difference", "Bootstrap", "p, Holm", "p, permutation",
        "p, McNemar", "p, Welch", "Detectable", "Problems", "Samples", "Problems for 5 points",
        "Tokens of first", "Tokens of second", "Same information", "Same budget", "What differs",
    ]  # fmt: skip
    return table_of("arms", "Differences between arms, in percentage points", columns, rows)


def _grouped_table(found: Sequence[ArmComparison]) -> DataTable:
    rows: list[list[TableCell]] = [
        [
            *_conditions(each), each.group, each.conclusion.value,
            points_cell(each.found.interval), p_cell(each.p_adjusted),
            percent_cell(each.found.detectable), each.found.problems, each.samples,
        ]
        for each in found
        if not each.nothing_passed
    ]  # fmt: skip
    columns = [
        *_CONDITIONS, "Group", "First is", "Difference", "p, Holm", "Detectable", "Problems",
        "Samples",
    ]  # fmt: skip
    caption = "The same within groups of problems"
    if len(rows) < len(found):
        caption += f"; in {len(found) - len(rows):,} more nothing passes in either arm"
    return table_of("arms-by-group", caption, columns, rows)


def _ends_cell(found: Interval | None) -> TableCell:
    if found is None or found.low is None or found.high is None:
        return "", None
    return f"{signed_text(found.low)} to {signed_text(found.high)}", in_percent(found.low)


def _tokens_cell(prompt: float, new: float) -> TableCell:
    return f"{prompt:.0f} + {new:.0f}", prompt + new
