"""How figures grow with parameters and with training tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

from multiturn.report.analysis.model_sizes import ModelSizes
from multiturn.report.analysis.perplexity import RunPerplexity
from multiturn.report.analysis.rates import RunRates
from multiturn.report.analysis.scaling import (
    PAPER_PERPLEXITIES,
    PAPER_RATES,
    Axis,
    PowerLaw,
    ScalingPoint,
    fit_power_laws,
    perplexity_points,
    rate_points,
)
from multiturn.report.pages.cells import plain_cell, share_cell
from multiturn.report.pages.document import DataTable, Section, TableCell, table_of
from multiturn.report.pages.figures import figure_of
from multiturn.report.pages.plots import Point, scatter_plot
from multiturn.report.records.columns import Records

__all__ = ["scaling_section"]

_AXES: tuple[tuple[Axis, str], ...] = (("parameters", "parameters"), ("tokens", "training tokens"))


def scaling_section(
    records: Records,
    rates: Sequence[RunRates],
    perplexities: Sequence[RunPerplexity],
    sizes: ModelSizes,
) -> Section | None:
    """Pass rates and perplexities against sizes; None without a multi-turn run."""
    ours = rate_points(records, rates, sizes)
    scores = perplexity_points(records, perplexities, sizes)
    if not ours and not scores:
        return None
    sentences = [
        "Figures marked as the paper's are of the published benchmark with 40 samples a case, and "
        "were not measured here. A power law is fitted to families of at least four sizes, and to "
        "no others. Both axes are logarithmic, unless a figure is 0."
    ]
    tables, figures = [], []
    for name, title, scale, points, paper in (
        ("scaling", "Pass rate", 100, ours, PAPER_RATES),
        ("perplexity-scaling", "Perplexity of multi-turn prompts", 1, scores, PAPER_PERPLEXITIES),
    ):
        if not points:
            continue
        every = [*points, *paper]
        tables.append(_table(name, title, scale, every))
        for axis, words in _AXES:
            if all(point.size(axis) is None for point in points):
                sentences.append(f"{title} against {words}: those of these models are unknown.")
                continue
            laws = fit_power_laws(every, axis)
            sentences += [_sentence(title, words, law) for law in laws]
            marks = [_mark(each, size, scale) for each in every if (size := each.size(axis))]
            svg = scatter_plot(
                marks, words, "passed, %" if scale == 100 else "perplexity",
                name=f"{name}-{axis}-plot", log_y=all(mark.value for mark in marks),
                lines=[_curve(law, marks, scale) for law in laws],
            )  # fmt: skip
            figures.append(figure_of(f"{name}-{axis}-plot", f"{title} against {words}", marks, svg))
    if scores:
        sentences.append(
            "Perplexities of models with different tokenizers are not comparable; bits per byte "
            "are, in the section on perplexity."
        )
    return Section(
        name="scaling", title="Scaling", paragraphs=tuple(sentences), tables=tuple(tables),
        figures=tuple(figures),
    )  # fmt: skip


def _table(name: str, title: str, scale: int, points: Sequence[ScalingPoint]) -> DataTable:
    cell = share_cell if scale == 100 else plain_cell
    rows: list[list[TableCell]] = [
        [
            point.family, point.model, _size_cell(point.parameters), _size_cell(point.tokens.value),
            point.tokens.source, cell(point.value), point.source or "these runs",
        ]
        for point in points
    ]  # fmt: skip
    columns = [
        "Family", "Model", "Parameters, 1e9", "Training tokens, 1e9", "Source of tokens",
        "Passed, %" if scale == 100 else "Perplexity", "Source",
    ]  # fmt: skip
    return table_of(name, f"{title}, parameters and training tokens", columns, rows)


def _size_cell(value: float | None) -> TableCell:
    return ("unknown", None) if value is None else (f"{value / 1e9:.6g}", value / 1e9)


def _mark(point: ScalingPoint, size: float, scale: int) -> Point:
    value, low, high = (
        None if end is None else round(scale * end, 6)
        for end in (point.value.estimate, point.value.low, point.value.high)
    )
    return Point(point.model, value, low, high, point.family, size)


def _curve(
    law: PowerLaw, marks: Sequence[Point], scale: int
) -> tuple[str, list[float], list[float]]:
    sizes = [mark.x for mark in marks if mark.series == law.family]
    low, high, slope = min(sizes), max(sizes), law.exponent.estimate or 0
    xs = [low * (high / low) ** (step / 40) for step in range(41)]
    return law.family, xs, [scale * 10 ** (law.intercept + slope * math.log10(x)) for x in xs]


def _sentence(title: str, words: str, law: PowerLaw) -> str:
    found = law.exponent
    return (
        f"{law.family}: {title.lower()} goes with the power {found.estimate:.2f} "
        f"({found.low:.2f} to {found.high:.2f}) of the {words} ({law.points} sizes)."
    )
