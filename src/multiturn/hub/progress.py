"""Progress reports of downloads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

__all__ = [
    "Phase",
    "DownloadProgress",
    "ProgressListener",
    "human_size",
    "silent",
    "report_progress_to",
]


class Phase(Enum):
    """The current activity."""

    WAITING = "waiting"
    """Another process is pulling the same model."""
    CONNECTING = "connecting"
    DOWNLOADING = "downloading"
    RETRYING = "retrying"
    """The connection failed; `DownloadProgress.note` has the reason."""
    FAILED_SOURCE = "failed source"
    """A source failed; `DownloadProgress.note` has the reason, and the next one is tried."""
    CHECKING = "checking"
    """Verifying the hash."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """One progress report.

    Attributes:
        file: name of the file.
        phase: the current activity.
        done: bytes of the file so far.
        total: its size in bytes; None if not known yet.
        source: label of the source; empty before a source is selected.
        note: a reason or a detail.
    """

    file: str
    phase: Phase
    done: int = 0
    total: int | None = None
    source: str = ""
    note: str = ""


class ProgressListener(Protocol):
    """Receives progress reports, many times a second; must not block."""

    def __call__(self, progress: DownloadProgress, /) -> None:
        """Receive one report."""
        ...


_listener: ContextVar[ProgressListener | None] = ContextVar("listener", default=None)


def silent(progress: DownloadProgress, /) -> None:
    """Forward a report to the listener of `report_progress_to`, if any."""
    listener = _listener.get()
    if listener is not None:
        listener(progress)


@contextmanager
def report_progress_to(listener: ProgressListener) -> Iterator[None]:
    """Inside this context, downloads without their own listener report to this one."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def human_size(count: int) -> str:
    """A number of bytes for people, in powers of a thousand.

    Example:
        >>> human_size(491_400_064), human_size(999)
        ('491.4 MB', '999 bytes')
    """
    if count < 1000:
        return f"{count} bytes"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"
