"""Figures as text, and as cells of tables: shares in percent, differences in points."""

from __future__ import annotations

import re

from multiturn.report.pages.document import TableCell
from multiturn.report.statistics.clusters import Interval

__all__ = [
    "count_cell",
    "in_percent",
    "interval_text",
    "p_cell",
    "p_text",
    "percent_cell",
    "percent_text",
    "plain_cell",
    "points_cell",
    "points_text",
    "share_cell",
    "signed_text",
]


def percent_text(share: float | None, digits: int = 1) -> str:
    """A share as a percentage.

    Example:
        >>> percent_text(0.125), percent_text(None)
        ('12.5', 'undefined')
    """
    return "undefined" if share is None else f"{100 * share:.{digits}f}"


def interval_text(found: Interval) -> str:
    """A share with its interval, in percent.

    Example:
        >>> interval_text(Interval(0.125, 0.05, 0.3)), interval_text(Interval(0.5))
        ('12.5 (5.0 to 30.0)', '50.0 (no interval)')
    """
    if found.estimate is None:
        return "undefined"
    if found.low is None or found.high is None:
        return f"{percent_text(found.estimate)} (no interval)"
    return f"{percent_text(found.estimate)} ({_plain(found.low)} to {_plain(found.high)})"


def points_text(found: Interval) -> str:
    """A difference with its interval, in percentage points, with its sign."""
    if found.estimate is None:
        return "undefined"
    text = signed_text(found.estimate)
    if found.low is None or found.high is None:
        return f"{text} (no interval)"
    return f"{text} ({signed_text(found.low)} to {signed_text(found.high)})"


def signed_text(share: float) -> str:
    """A difference in percentage points, with its sign.

    Example:
        >>> signed_text(0.125), signed_text(-0.0001)
        ('+12.5', '0.0')
    """
    text = _plain(share)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def p_text(p: float | None) -> str:
    """A p-value; empty if there is none."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def in_percent(share: float | None) -> float | None:
    """A share as a percentage, without the digits of binary fractions."""
    return None if share is None else round(100 * share, 6)


def share_cell(found: Interval) -> TableCell:
    """A share with its interval, in percent."""
    return interval_text(found), in_percent(found.estimate)


def percent_cell(share: float | None) -> TableCell:
    """A share in percent; empty if there is none."""
    return ("", None) if share is None else (percent_text(share), in_percent(share))


def plain_cell(found: Interval) -> TableCell:
    """A number with its interval, such as a perplexity."""
    if found.estimate is None:
        return "undefined", None
    if found.low is None or found.high is None:
        return f"{found.estimate:.2f} (no interval)", found.estimate
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})", found.estimate


def points_cell(found: Interval) -> TableCell:
    """A difference with its interval, in percentage points."""
    return points_text(found), in_percent(found.estimate)


def p_cell(p: float | None) -> TableCell:
    """A p-value; empty if there is none."""
    return p_text(p), p


def count_cell(mean: float | None) -> TableCell:
    """A mean of counts, such as tokens; empty if there is none."""
    return ("", None) if mean is None else (f"{mean:.0f}", round(mean, 2))


def _plain(share: float) -> str:
    return re.sub(r"^-(0\.0*)$", r"\1", percent_text(share))
