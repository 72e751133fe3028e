"""Pass rates, overall and by properties of problems."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.rates import RunRates, group_rates
from multiturn.report.pages.cells import count_cell, percent_cell, share_cell
from multiturn.report.pages.document import Section, TableCell, table_of
from multiturn.report.pages.figures import figure_of, percent_point, unique_slugs
from multiturn.report.pages.plots import interval_plot
from multiturn.report.records.columns import Records

__all__ = ["groups_section", "rates_section"]


def rates_section(records: Records, rates: Sequence[RunRates], ks: Sequence[int]) -> Section:
    """Pass rates of all runs."""
    defined = [k for k in ks if k > 1 and any(r.pass_at_k[k].estimate is not None for r in rates)]
    rows: list[list[TableCell]] = []
    for each in rates:
        run = records.runs[each.run]
        rows.append(
            [
                run.task, run.model, run.arm, run.truncation, run.temperature, each.oracle,
                each.samples, each.problems, share_cell(each.rate),
                *(share_cell(each.pass_at_k[k]) for k in defined),
                count_cell(each.prompt_tokens), count_cell(each.new_tokens),
                percent_cell(each.cut), percent_cell(each.exhausted),
                "yes" if records.complete[each.run] else "no",
            ]
        )  # fmt: skip
    table = table_of(
        "pass-rates",
        "Pass rates in percent with 95 % intervals, clustered by problem",
        ["Set", "Model", "Arm", "Truncation", "T", "Oracle", "Samples", "Problems", "Passed, %",
         *(f"pass@{k}, %" for k in defined), "Prompt tokens", "New tokens", "Cut, %",
         "At maximum, %", "Complete"],
        rows,
    )  # fmt: skip
    first = [each for each in rates if each.oracle == records.runs[each.run].oracles[0]]
    figures = []
    for task, slug in unique_slugs(records.runs[each.run].task for each in first).items():
        points = [
            percent_point(
                f"{records.runs[each.run].model}\n{records.runs[each.run].arm}",
                each.rate,
                _series(records, each.run),
            )
            for each in first
            if records.runs[each.run].task == task and each.rate.estimate is not None
        ]
        if points:
            name = f"pass-rates-{slug}"
            svg = interval_plot(points, "passed, %", name=name)
            figures.append(figure_of(name, f"Pass rates on {task}", points, svg))
    return Section(
        name="rates",
        title="Pass rates",
        paragraphs=(
            "The pass rate is the share of samples that pass. Intervals treat a problem as one "
            "draw, however many cases and samples it has. Prompt and new tokens are means of a "
            "sample, over all its generations.",
        ),
        tables=(table,),
        figures=tuple(figures),
    )


def _series(records: Records, number: int) -> str:
    run = records.runs[number]
    several = {(r.temperature, r.seed, r.budget) for r in records.runs if r.task == run.task}
    return run.truncation + (f", T {run.temperature:g}" if len(several) > 1 else "")


def groups_section(records: Records) -> Section:
    """Pass rates by properties of problems."""
    rows: list[list[TableCell]] = [
        [
            records.runs[g.run].task, records.runs[g.run].model, records.runs[g.run].arm,
            records.runs[g.run].truncation, records.runs[g.run].temperature, g.grouping, g.group,
            g.samples, g.problems, share_cell(g.rate),
        ]
        for g in group_rates(records)
    ]  # fmt: skip
    table = table_of(
        "groups",
        "Pass rates in percent by category, difficulty, number of turns, and single turn",
        ["Set", "Model", "Arm", "Truncation", "T", "By", "Group", "Samples", "Problems",
         "Passed, %"],
        rows,
    )  # fmt: skip
    return Section(name="groups", title="By kind of problem", tables=(table,) if rows else ())
