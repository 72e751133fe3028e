"""Download progress: a bar with speed and time left, or lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from multiturn.hub.progress import DownloadProgress, Phase, ProgressListener, human_size

__all__ = ["pull_display"]

_QUIET_SECONDS = 10.0


@contextmanager
def pull_display() -> Iterator[ProgressListener]:
    """A listener that shows downloads on standard error: as bars, or as lines in a log."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bars:
        yield _Bars(bars)


class _Bars:
    """One bar for each file, and messages above the bars."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, bool], TaskID] = {}

    def __call__(self, progress: DownloadProgress, /) -> None:
        if (line := _line(progress)) is not None:
            self._bars.console.print(line, markup=False, highlight=False)
        if progress.total is None:
            return
        # The check has its own bar, since its speed is that of the disk.
        checking = progress.phase is Phase.CHECKING
        key = progress.file, checking
        verb = "checking" if checking else "pulling"
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(
                f"{verb} {progress.file}", total=progress.total, completed=progress.done
            )
        self._bars.update(self._tasks[key], completed=progress.done)


class _Lines:
    """For logs: the same messages, and a line with the amount every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: DownloadProgress, /) -> None:
        line = _line(progress)
        if line is None and progress.phase is Phase.DOWNLOADING and progress.total:
            if time.monotonic() - self._last < _QUIET_SECONDS:
                return
            line = f"{progress.file}: {human_size(progress.done)} of {human_size(progress.total)}"
        if line is not None:
            self._last = time.monotonic()
            print(line, file=sys.stderr, flush=True)


def _line(progress: DownloadProgress) -> str | None:
    match progress.phase:
        case Phase.WAITING:
            return f"{progress.file}: {progress.note}; waiting for it"
        case Phase.CONNECTING:
            size = f" ({human_size(progress.total)})" if progress.total else ""
            resumed = f", resuming at {human_size(progress.done)}" if progress.done else ""
            return f"{progress.file}{size} from {progress.source}{resumed}"
        case Phase.RETRYING:
            return f"{progress.source}: {progress.note}; trying again"
        case Phase.FAILED_SOURCE:
            return f"{progress.source}: {progress.note}"
        case Phase.DONE:
            return f"{progress.file}: {human_size(progress.done)}, checked"
        case _:
            return None
