"""A report as data: sections of sentences, tables and figures, before it becomes a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "DataTable",
    "FailurePage",
    "FailureStep",
    "Figure",
    "ReportDocument",
    "Section",
    "TableCell",
    "Value",
    "table_of",
]

Value = str | int | float | None
TableCell = tuple[str, Value] | Value
"""A value, or its text and its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """A table, and the data behind a figure.

    Attributes:
        name: of its file, unique in the report.
        caption: what it shows, in one sentence.
        columns: titles.
        rows: cells for people.
        values: the same cells as numbers where they are numbers, for sorting and for CSV.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    values: tuple[tuple[Value, ...], ...]

    def csv(self) -> str:
        """The values as CSV with a line of titles."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if each is None else each for each in row] for row in self.values)
        return out.getvalue()

    def numeric(self, column: int) -> bool:
        """Whether a column has numbers."""
        found = [row[column] for row in self.values if row[column] is not None]
        return bool(found) and all(isinstance(each, int | float) for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A plot as SVG.

    Attributes:
        name: of its file, unique in the report.
        title: what it shows.
        description: what a person sees in it, for those who do not.
        svg: the element.
        data: what was plotted.
    """

    name: str
    title: str
    description: str
    svg: str
    data: DataTable


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureStep:
    """One generation of a failed program."""

    prompt: str
    text: str
    note: str
    wrong: bool
    """Whether the failure shows here."""
    differs: bool = False
    """Whether the variables differ from those of the reference from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePage:
    """A failed sample with all that a person needs to judge it."""

    title: str
    run: str
    kind: str
    kind_text: str
    evidence: str
    verdict: str
    expected: str
    program: str
    steps: tuple[FailureStep, ...]
    reference: str
    difference: str = ""
    """Where the variables first differ from those of the reference; empty if not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report."""

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[DataTable, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """A report."""

    title: str
    summary: tuple[str, ...]
    """Sentences that can be quoted."""
    notices: tuple[str, ...]
    """What is missing or doubtful in the records."""
    sections: tuple[Section, ...]
    failures: tuple[FailurePage, ...] = ()
    failures_of: int = 0
    """How many failures there are; `failures` is a random selection."""
    kinds: dict[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> list[DataTable]:
        """All tables, those of figures included."""
        found = [table for section in self.sections for table in section.tables]
        return found + [figure.data for section in self.sections for figure in section.figures]


def table_of(
    name: str,
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[TableCell]],
) -> DataTable:
    """A table from cells."""
    texts, values = [], []
    for row in rows:
        pairs = [cell if isinstance(cell, tuple) else (_text(cell), cell) for cell in row]
        texts.append(tuple(text for text, _ in pairs))
        values.append(tuple(value for _, value in pairs))
    return DataTable(
        name=name, caption=caption, columns=tuple(columns), rows=tuple(texts), values=tuple(values)
    )


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value
