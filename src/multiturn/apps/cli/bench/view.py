"""Progress of a run, on one status line or as lines in a log."""

from __future__ import annotations

import time

from rich.console import Console

from multiturn.apps.cli.screen import StatusLine
from multiturn.benchmarks.runner.progress import BenchmarkProgress

__all__ = ["ProgressView", "duration"]

LOG_SECONDS = 15.0
"""Time between two lines of a log."""


class ProgressView:
    """Shows progress; called with each report.

    Attributes:
        begun: whether the first report has arrived, and so generation has started.
        several: whether to name the run on each line.
        stopping: whether the message about stopping has been printed.
    """

    def __init__(self, console: Console, *, several: bool) -> None:
        self._console = console
        self.several = several
        self._status = StatusLine(console)
        self._last_line = time.monotonic()
        self.begun = False
        self.stopping = False

    def __call__(self, progress: BenchmarkProgress) -> None:
        """Show a report."""
        if not self.begun:
            self.begun = True
            before = progress.done - progress.new
            if progress.extended:
                self._console.print(
                    f"extended from {progress.extended} to {progress.total} samples"
                )
            if before:
                self._console.print(f"resuming: {before} of {progress.total} samples are finished")
        if progress.stopping and not self.stopping:
            self.stopping = True
            self._status.clear()
            self._console.print(stopping_line(progress))
            return
        line = progress_line(progress, several=self.several)
        if self._console.is_terminal:
            self._status.show(line)
        elif time.monotonic() - self._last_line >= LOG_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(line)

    def close(self) -> None:
        """Remove the line."""
        self._status.clear()


def progress_line(progress: BenchmarkProgress, *, several: bool) -> str:
    """One report on one line."""
    parts = [f"{progress.done} of {progress.total}"]
    output = progress.output
    if progress.all_turns and progress.done < progress.total:
        parts.append(f"turn {min(output.turns + 1, progress.all_turns)} of {progress.all_turns}")
        if output.tokens:
            pace = f" ({output.tokens / progress.seconds:.3g}/s)" if progress.seconds > 0 else ""
            parts.append(f"{output.tokens:,} tokens{pace}")
        elif progress.seconds >= 1:
            parts.append("reading the prompts")
    if progress.rate is not None:
        parts.append(f"{progress.rate:.3g}/s")
    if progress.seconds_left and not progress.stopping:
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.judged:
        rates = [
            f"{oracle} {100 * passed / progress.judged:.1f} %"
            for oracle, passed in progress.passed.items()
        ]
        where = f"{progress.label}: " if several else ""
        parts.append(where + " ".join(rates))
    if progress.utilization.busy_share is not None:
        parts.append(f"engine {100 * progress.utilization.busy_share:.0f} % full")
    return ", ".join(parts)


def stopping_line(progress: BenchmarkProgress) -> str:
    """The message after the first Ctrl-C."""
    return (
        f"stopping: {progress.done} of {progress.total} samples are saved, and the finished turns "
        "of the others; the finished programs are still judged. Ctrl-C again stops at once; "
        "the same command resumes either way"
    )


def duration(seconds: float) -> str:
    """A duration in words.

    Example:
        >>> duration(42), duration(600), duration(8000)
        ('42 s', '10 min', '2 h 13 min')
    """
    rounded = round(seconds)
    if rounded < 120:
        return f"{rounded} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
