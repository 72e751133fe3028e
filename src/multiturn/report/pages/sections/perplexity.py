"""The section on perplexity."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.report.analysis.perplexity import RunPerplexity, perplexity_ratios
from multiturn.report.pages.cells import plain_cell
from multiturn.report.pages.document import DataTable, Section, table_of
from multiturn.report.records.columns import Records

__all__ = ["perplexity_section"]


def perplexity_section(records: Records, found: Sequence[RunPerplexity]) -> Section:
    """Perplexities of prompts and references; says so if no run has scores."""
    if not found:
        return Section(
            name="perplexity",
            title="Perplexity",
            paragraphs=("No run has scores; `multiturn bench score` makes them.",),
        )
    table = table_of(
        "perplexity",
        "Perplexity of a token, clustered by problem",
        ["Set", "Model", "Arm", "Truncation", "Of", "Samples", "Perplexity", "Bits per byte",
         "Of passed problems", "Of failed problems", "Failed over passed"],
        [
            [
                records.runs[each.run].task, records.runs[each.run].model,
                records.runs[each.run].arm, records.runs[each.run].truncation, each.part,
                each.samples, plain_cell(each.perplexity),
                ("", None) if each.bits_per_byte is None
                else (f"{each.bits_per_byte:.3f}", each.bits_per_byte),
                plain_cell(each.passed), plain_cell(each.failed), plain_cell(each.ratio),
            ]
            for each in found
        ],
    )  # fmt: skip
    tables: list[DataTable] = [table]
    ratios = perplexity_ratios(records, found)
    if ratios:
        tables.append(
            table_of(
                "perplexity-arms",
                "Perplexity of an arm divided by that of turns, paired by problem",
                ["Set", "Model", "Truncation", "Arm", "Of", "Ratio to turns"],
                [
                    [
                        each.task, each.model, each.truncation, each.arm, each.part,
                        plain_cell(each.ratio),
                    ]
                    for each in ratios
                ],
            )
        )  # fmt: skip
    return Section(
        name="perplexity",
        title="Perplexity",
        paragraphs=(
            "Prompts are scored in their context, below the program that the model had written by "
            "then; reference code below the prompts of the arm and the reference code before it. A "
            "problem is passed if one of its samples passes.",
        ),
        tables=tuple(tables),
    )
