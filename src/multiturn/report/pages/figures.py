"""Figures of a report: the drawing, its data, and what it shows in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from multiturn.report.pages.cells import in_percent
from multiturn.report.pages.document import DataTable, Figure, TableCell, table_of
from multiturn.report.pages.plots import Point
from multiturn.report.statistics.clusters import Interval

__all__ = ["figure_of", "percent_point", "unique_slugs"]

_DESCRIBED = 40
"""Points of a figure that are put into words; its table has all."""


def figure_of(name: str, title: str, points: Sequence[Point], svg: str) -> Figure:
    """A figure.

    Args:
        name: of its file, unique in the report.
        title: what it shows.
        points: what was plotted.
        svg: the drawing.
    """
    return Figure(
        name=name, title=title, description=_described(points), svg=svg,
        data=_data(name, title, points),
    )  # fmt: skip


def percent_point(label: str, found: Interval, series: str = "", x: float = 0.0) -> Point:
    """A share or a difference with its interval, in percent."""
    return Point(
        label, in_percent(found.estimate), in_percent(found.low), in_percent(found.high), series, x
    )


def unique_slugs(names: Iterable[str]) -> dict[str, str]:
    """Names as parts of names of files, each its own.

    Example:
        >>> unique_slugs(["own", "my set", "my.set"])
        {'own': 'own', 'my set': 'my-set', 'my.set': 'my-set-2'}
    """
    found: dict[str, str] = {}
    for name in names:
        plain = "".join(c if c.isalnum() else "-" for c in name.lower())[:40] or "unnamed"
        slug, number = plain, 1
        while slug in found.values():
            number += 1
            slug = f"{plain}-{number}"
        found[name] = slug
    return found


def _data(name: str, title: str, points: Sequence[Point]) -> DataTable:
    has_x = any(p.x for p in points)
    rows: list[list[TableCell]] = [
        [
            " ".join(p.label.split()), p.series, *([p.x] if has_x else []),
            _rounded(p.value), _rounded(p.low), _rounded(p.high),
        ]
        for p in points
    ]  # fmt: skip
    columns = ["Label", "Series", *(["x"] if has_x else []), "Value", "Low", "High"]
    return table_of(f"figure-{name}", f"Data of the figure: {title}", columns, rows)


def _described(points: Sequence[Point]) -> str:
    parts = []
    for p in points[:_DESCRIBED]:
        if p.value is None:
            continue
        text = f"{' '.join(p.label.split())}{f' ({p.series})' if p.series else ''}: {p.value:.1f}"
        if p.low is not None and p.high is not None:
            text += f", {p.low:.1f} to {p.high:.1f}"
        parts.append(text)
    more = len(points) - _DESCRIBED
    return "; ".join(parts) + (f"; and {more} more, in its table." if more > 0 else ".")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
