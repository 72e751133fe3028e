"""Build progress: a bar for each stage, or lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from multiturn.apps.cli.terminal import one_line
from multiturn.data.build.progress import BuildListener, BuildProgress
from multiturn.hub.progress import human_size

__all__ = ["build_display"]

_QUIET_SECONDS = 10.0


@contextmanager
def build_display() -> Iterator[BuildListener]:
    """A listener that shows a build on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    bars = Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[size]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )
    with bars:
        yield _Bars(bars)


class _Bars:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, progress: BuildProgress, /) -> None:
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(
                progress.stage, total=progress.total, size="", note=""
            )
        self._bars.update(
            self._tasks[progress.stage],
            completed=progress.done,
            total=progress.total,
            size=human_size(progress.bytes) if progress.bytes else "",
            note=one_line(progress.note, max_length=30) if progress.done < progress.total else "",
        )


class _Lines:
    """A line when a stage starts and ends, and every few seconds in between."""

    def __init__(self) -> None:
        self._last = 0.0
        self._stage = ""

    def __call__(self, progress: BuildProgress, /) -> None:
        turning = progress.stage != self._stage or progress.done == progress.total
        if not turning and time.monotonic() - self._last < _QUIET_SECONDS:
            return
        self._last = time.monotonic()
        self._stage = progress.stage
        size = f", {human_size(progress.bytes)}" if progress.bytes else ""
        print(
            f"{progress.stage}: {progress.done} of {progress.total}{size}",
            file=sys.stderr,
            flush=True,
        )
