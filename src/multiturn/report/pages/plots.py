"""Figures as SVG, drawn by matplotlib and coloured by the page.

The drawing has marker colours, which become variables of the style sheet, so that a figure follows
the page into the dark and onto paper. Text remains text.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Point", "bar_plot", "interval_plot", "scatter_plot"]

_INK = "#010101"
_SOFT = "#020202"
_SERIES = ("#a10001", "#a10002", "#a10003", "#a10004", "#a10005", "#a10006")
_MARKERS = "osD^vP"
_WIDTH = 5.0
"""Inches; at 72 points an inch it fits a phone with text of about 11 pixels."""

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 11,
    "svg.fonttype": "none",
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _SOFT,
    "grid.alpha": 0.25,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 10,
    "text.parse_math": False,  # names may have dollars
}


@dataclass(frozen=True, slots=True)
class Point:
    """One mark of a plot.

    Attributes:
        label: of its row, or of the point.
        value: where it is; None if undefined, which leaves the row empty.
        low: end of its interval; None without one.
        high: the other end.
        series: its colour and marker, named in the legend if there are several.
        x: for `scatter_plot`.
    """

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    series: str = ""
    x: float = 0.0


def interval_plot(points: Sequence[Point], axis: str, *, name: str, zero: bool = False) -> str:
    """Values with intervals, one row for each label and a mark for each series.

    Args:
        points: the marks.
        axis: title of the axis.
        name: of the figure, unique on the page.
        zero: whether to draw a line at 0, for differences.
    """
    labels = list(dict.fromkeys(point.label for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    height = 0.9 + max(0.34, 0.18 * len(series) + 0.16) * len(labels) + 0.22 * len(series)
    with _figure(height, name) as (figure, axes, out):
        gap = 0.7 / max(1, len(series))
        for point in points:
            if point.value is None:
                continue
            number = series.index(point.series)
            y = labels.index(point.label) + (number - (len(series) - 1) / 2) * gap
            colour, marker = _look(number)
            if point.low is not None and point.high is not None:
                axes.plot([point.low, point.high], [y, y], color=colour, linewidth=2)
            axes.plot([point.value], [y], marker, color=colour, markersize=6)
        if zero:
            axes.axvline(0, color=_INK, linewidth=1)
        axes.set_yticks(range(len(labels)), [_row_label(label) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(axis)
        _legend(figure, series)
    return _finished(out, name)


def bar_plot(points: Sequence[Point], axis: str, *, name: str) -> str:
    """Bars, one row for each label and a bar for each series."""
    labels = list(dict.fromkeys(point.label for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    bar = 0.2 if len(series) <= 2 else 0.12  # many bars of one row may be thin
    height = 0.9 + (bar * len(series) + 0.14) * len(labels) + 0.22 * len(series)
    with _figure(height, name) as (figure, axes, out):
        gap = 0.8 / max(1, len(series))
        for point in points:
            if point.value is None:
                continue
            number = series.index(point.series)
            y = labels.index(point.label) + (number - (len(series) - 1) / 2) * gap
            axes.barh([y], [point.value], gap, color=_look(number)[0])
        axes.set_yticks(range(len(labels)), [_row_label(label) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(axis)
        _legend(figure, series)
    return _finished(out, name)


def scatter_plot(
    points: Sequence[Point],
    x_axis: str,
    y_axis: str,
    *,
    name: str,
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]] = (),
    log_y: bool = False,
) -> str:
    """Points over a logarithmic axis.

    Args:
        points: with `Point.x`.
        x_axis: title.
        y_axis: title.
        name: of the figure, unique on the page.
        lines: fitted curves: the series, then their coordinates.
        log_y: whether the other axis is logarithmic too.
    """
    series = list(dict.fromkeys(point.series for point in points))
    with _figure(3.6 + 0.2 * len(series), name) as (figure, axes, out):
        for point in points:
            if point.value is None:
                continue
            number = series.index(point.series)
            colour, marker = _look(number)
            if point.low is not None and point.high is not None:
                axes.plot([point.x, point.x], [point.low, point.high], color=colour, linewidth=2)
            axes.plot([point.x], [point.value], marker, color=colour, markersize=7)
        for of, xs, ys in lines:
            axes.plot(xs, ys, color=_look(series.index(of))[0], linewidth=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda x, _place: f"{x:.3g}".replace("e+", "e"))
        if log_y:
            from matplotlib.ticker import LogLocator, NullLocator

            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(lambda y, _place: f"{y:g}")
        axes.grid()
        axes.set_xlabel(x_axis)
        axes.set_ylabel(y_axis)
        _legend(figure, series)
    return _finished(out, name)


@contextmanager
def _figure(height: float, name: str) -> Iterator[tuple[Any, Any, io.StringIO]]:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The salt makes the ids of clip paths the same each time, and different between figures.
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        out = io.StringIO()
        yield figure, figure.add_subplot(), out
        with warnings.catch_warnings():
            # The reader's browser has the font; a character that this one lacks is no fault.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})


def _look(number: int) -> tuple[str, str]:
    """The colour and the marker of a series; no two of the first 36 have both alike."""
    marker = _MARKERS[(number + number // len(_SERIES)) % len(_MARKERS)]
    return _SERIES[number % len(_SERIES)], marker


def _legend(figure: Any, series: Sequence[str]) -> None:
    if len(series) < 2:
        return
    from matplotlib.lines import Line2D

    looks = [_look(number) for number in range(len(series))]
    marks = [Line2D([], [], linestyle="", marker=marker, color=colour) for colour, marker in looks]
    figure.legend(
        marks, [_shortened(each, 36) for each in series], loc="outside lower left", ncols=1
    )


def _row_label(label: str) -> str:
    """A label that leaves space for its row."""
    return "\n".join(_shortened(line, 20) for line in label.split("\n"))


def _shortened(text: str, length: int) -> str:
    """A text without its middle, if it is long."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _finished(out: io.StringIO, name: str) -> str:
    """The element alone, with the page's colours."""
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    referenced = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in referenced else "", svg)
    for colour, variable in ((_INK, "ink"), (_SOFT, "soft")):
        svg = svg.replace(colour, f"var(--{variable})")
    for number, colour in enumerate(_SERIES, 1):
        svg = svg.replace(colour, f"var(--series-{number})")
    # A view box alone: the style sheet gives the size.
    svg = re.sub(r'<svg ([^>]*?)\s*(?:width|height)="[^"]+pt"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)\s*(?:width|height)="[^"]+pt"', r"<svg \1", svg, count=1)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    return svg.replace("<svg ", f'<svg role="img" aria-labelledby="{name}-title" ', 1)
