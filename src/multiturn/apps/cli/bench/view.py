"""How a run is going, on one line that changes, or as lines in a log."""

from __future__ import annotations

import time

from rich.console import Console

from multiturn.apps.cli.screen import StatusLine
from multiturn.benchmarks.runner.progress import Progress

__all__ = ["ProgressView", "duration"]

LOG_SECONDS = 15.0
"""Between two lines where there is no terminal."""


class ProgressView:
    """Shows progress; called with each report."""

    def __init__(self, console: Console, *, several: bool) -> None:
        self._console = console
        self._several = several
        self._status = StatusLine(console)
        self._told = time.monotonic()
        self._begun = False

    def __call__(self, progress: Progress) -> None:
        """Show a report."""
        if not self._begun:
            self._begun = True
            before = progress.done - progress.new
            if before:
                self._console.print(f"going on: {before} of {progress.total} samples were there")
        line = progress_line(progress, several=self._several)
        if self._console.is_terminal:
            self._status.show(line)
        elif time.monotonic() - self._told >= LOG_SECONDS:
            self._told = time.monotonic()
            self._console.print(line)

    def close(self) -> None:
        """Take the line away."""
        self._status.clear()


def progress_line(progress: Progress, *, several: bool) -> str:
    """One report on one line."""
    parts = [f"{progress.done} of {progress.total}"]
    if progress.rate is not None:
        parts.append(f"{progress.rate:.3g}/s")
    if progress.seconds_left:
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.judged:
        rates = [
            f"{oracle} {100 * passed / progress.judged:.1f} %"
            for oracle, passed in progress.passed.items()
        ]
        where = f"{progress.label}: " if several else ""
        parts.append(where + " ".join(rates))
    if progress.fill.fill is not None:
        parts.append(f"engine {100 * progress.fill.fill:.0f} % full")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time for a person.

    Example:
        >>> duration(42), duration(600), duration(8000)
        ('42 s', '10 min', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
