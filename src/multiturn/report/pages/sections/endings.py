"""Do turns help, whatever the rule by which texts end?"""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.arms import ArmComparison
from multiturn.report.analysis.endings import BestEndings
from multiturn.report.pages.cells import p_cell, percent_cell, points_cell, share_cell
from multiturn.report.pages.document import DataTable, Figure, Section, TableCell, table_of
from multiturn.report.pages.sections.arms import conclusion_text, condition_text, turns_figures
from multiturn.report.records.columns import Records

__all__ = ["endings_section"]


def endings_section(
    records: Records, found: BestEndings, comparisons: Sequence[ArmComparison]
) -> Section | None:
    """What the best end of each text changes; None where no run could be examined.

    Args:
        records: of the runs.
        found: with the best ends.
        comparisons: as judged.
    """
    if not found.runs and not found.missing:
        return None
    paragraphs = []
    if found.runs:
        paragraphs.append(
            "Is one arm better, or does the rule of truncation serve it better? Here a failed "
            "program counts as passed if it passes when its last text ends after an earlier "
            "statement (`multiturn bench endings`), so that text after an answer costs nothing. No "
            "rule that ends texts can do much better. In an arm with one text that text is all of "
            "the program, in turns it is the last turn: this bound favours arms with one text."
        )
    if found.missing:
        paragraphs.append(
            f"Not recorded for {found.missing:,} run{'s' if found.missing > 1 else ''}; `multiturn "
            "bench endings` records it for multi-turn problems in Python."
        )
    tables = [_rates_table(records, found)] if found.runs else []
    if found.comparisons:
        tables.append(_comparisons_table(found, comparisons))
    return Section(
        name="endings",
        title="With the best end of every text",
        paragraphs=tuple(paragraphs),
        tables=tuple(tables),
        figures=tuple(_figures(found, comparisons)),
    )


def _figures(found: BestEndings, comparisons: Sequence[ArmComparison]) -> list[Figure]:
    """The comparisons that have best ends, as judged and with them."""
    compared = {each.key for each in found.comparisons}
    judged = [each for each in comparisons if each.key in compared]
    shown = [
        (each, f"{condition_text(each, judged)}, {ends}")
        for group, ends in ((judged, "as judged"), (found.comparisons, "with the best ends"))
        for each in group
    ]
    return turns_figures(
        shown,
        name="best-ends-turns-minus",
        title="Turns minus other arms, as judged and with the best ends",
    )


def _rates_table(records: Records, found: BestEndings) -> DataTable:
    rows: list[list[TableCell]] = []
    for each in found.runs:
        run = records.runs[each.run]
        rows.append(
            [run.task, run.model, run.arm, run.truncation, run.temperature, each.samples,
             share_cell(each.recorded), share_cell(each.best)]
        )  # fmt: skip
    return table_of(
        "best-ends",
        "Pass rates in percent as judged, and with the best end of every last text",
        ["Set", "Model", "Arm", "Truncation", "T", "Samples", "Passed, %", "At the best end, %"],
        rows,
    )


def _comparisons_table(found: BestEndings, comparisons: Sequence[ArmComparison]) -> DataTable:
    judged = {each.key: each for each in comparisons}
    rows: list[list[TableCell]] = []
    for each in found.comparisons:
        before = judged.get(each.key)
        rows.append(
            [
                each.task, each.model, each.truncation, each.temperature, each.budget,
                each.first, each.second,
                "" if before is None else points_cell(before.found.interval),
                points_cell(each.found.interval), conclusion_text(each), p_cell(each.p_adjusted),
                percent_cell(each.found.detectable), each.found.problems,
            ]
        )  # fmt: skip
    return table_of(
        "best-end-arms",
        "Differences between arms in percentage points, as judged and with the best ends",
        ["Set", "Model", "Truncation", "T", "Budget", "First", "Second", "As judged",
         "At the best ends", "First is then", "p, Holm", "Detectable", "Problems"],
        rows,
    )  # fmt: skip
