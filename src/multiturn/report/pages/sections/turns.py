"""In which turn failures start, and what a turn is worth by itself."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.arms import gold_prefix_figures
from multiturn.report.analysis.first_turns import (
    FirstTurns,
    VariableRecords,
    first_turns,
    runs_without_variables,
)
from multiturn.report.pages.cells import percent_cell, points_cell, share_cell
from multiturn.report.pages.document import DataTable, Figure, Section, TableCell, table_of
from multiturn.report.pages.figures import figure_of
from multiturn.report.pages.plots import Point, bar_plot
from multiturn.report.records.columns import Records
from multiturn.report.records.variable_lines import REASONS

__all__ = ["first_turns_section", "single_turns_section"]


def first_turns_section(records: Records, variables: VariableRecords) -> Section:
    """Where failures start; says so where it was not recorded, or there are no turns."""
    found = first_turns(records, variables)
    sentences = []
    if found:
        sentences.append(
            "A failure starts in the first turn after which a variable that the prompts ask for "
            "differs from that of the reference program, or which ends with an error. The program "
            "ran again, turn by turn, when this was recorded (`multiturn bench variables`)."
        )
    checked = sum(each.passed for each in found)
    if checked:
        differing = sum(each.passed_differing for each in found)
        sentences.append(
            f"As a check: in {differing:,} of {checked:,} samples that passed, a variable differs."
        )
    missing, without = runs_without_variables(records, variables)
    if missing:
        sentences.append(
            f"Not recorded for {missing:,} run{'s' if missing > 1 else ''}; `multiturn bench "
            "variables` records it where problems have reference solutions."
        )
    if without:
        sentences.append(
            f"Not applicable to {', '.join(without)}: their programs do not have the turns in "
            "order."
        )
    return Section(
        name="first-turns",
        title="Where failures start",
        paragraphs=tuple(sentences),
        tables=tuple(_tables(records, found)) if found else (),
        figures=(_figure(records, found),) if any(each.turns for each in found) else (),
    )


def single_turns_section(records: Records) -> Section | None:
    """What turns are worth by themselves; None without runs of `gold_prefix`."""
    found = gold_prefix_figures(records)
    if not found:
        return None
    rows: list[list[TableCell]] = [
        [
            each.task, each.model, each.truncation, share_cell(each.single),
            percent_cell(each.chained), percent_cell(each.turns), points_cell(each.cost.interval),
        ]
        for each in found
    ]  # fmt: skip
    table = table_of(
        "gold-prefix",
        "Single turns below reference code, against all turns in a row",
        ["Set", "Model", "Truncation", "A single turn, %", "All turns if independent, %",
         "All turns, %", "Cost of earlier mistakes, points"],
        rows,
    )  # fmt: skip
    return Section(
        name="turns",
        title="What a turn is worth",
        paragraphs=(
            "In the arm gold_prefix a model writes one turn, with reference code before and after "
            "it. If turns failed independently, all would pass as often as the product of the "
            "single rates; the difference to the arm turns is what mistakes of earlier turns cost.",
        ),
        tables=(table,),
    )


def _tables(records: Records, found: Sequence[FirstTurns]) -> list[DataTable]:
    last = max((turn for each in found for turn in each.turns), default=-1)
    reasons = [reason for reason in REASONS if any(reason in each.reasons for each in found)]
    about: list[list[TableCell]] = []
    for each in found:
        run = records.runs[each.run]
        about.append(
            [run.task, run.model, run.arm, run.truncation, run.temperature, each.failed,
             each.examined]
        )  # fmt: skip
    columns = ["Set", "Model", "Arm", "Truncation", "T", "Failed", "Examined"]
    turns = [
        [*row, *(each.turns.get(turn, 0) for turn in range(last + 1))]
        for row, each in zip(about, found, strict=True)
    ]
    why = [
        [*row, *(each.reasons.get(reason, 0) for reason in reasons)]
        for row, each in zip(about, found, strict=True)
    ]
    return [
        table_of(
            "first-turns", "Failures by the turn in which they start",
            [*columns, *(f"Turn {turn + 1}" for turn in range(last + 1))], turns,
        ),
        table_of(
            "first-turn-reasons", "Failures by what differs first",
            [*columns, *(REASONS[reason] for reason in reasons)], why,
        ),
    ]  # fmt: skip


def _figure(records: Records, found: Sequence[FirstTurns]) -> Figure:
    """Shares of the examined failures by turn, for each model and arm over its runs."""
    groups: dict[str, list[FirstTurns]] = {}
    for each in found:
        run = records.runs[each.run]
        groups.setdefault(f"{run.model}, {run.arm}", []).append(each)
    last = max(turn for each in found for turn in each.turns)
    points = []
    for group, members in groups.items():
        examined = sum(each.examined for each in members)
        for turn in range(last + 1):
            share = sum(each.turns.get(turn, 0) for each in members)
            points.append(
                Point(
                    f"turn {turn + 1}", 100 * share / examined if examined else None, series=group
                )
            )
        agree = sum(each.reasons.get("none", 0) for each in members)
        points.append(
            Point("printed only", 100 * agree / examined if examined else None, series=group)
        )
    svg = bar_plot(points, "share of examined failures, %", name="first-turns-plot")
    return figure_of("first-turns-plot", "The turn in which failures start", points, svg)
