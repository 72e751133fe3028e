"""How a pull tells what it is doing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

__all__ = ["Phase", "Progress", "ProgressListener", "human_size", "silent", "told_to"]


class Phase(Enum):
    """What is being done."""

    WAITING = "waiting"
    """Another process is pulling the same model."""
    CONNECTING = "connecting"
    DOWNLOADING = "downloading"
    RETRYING = "retrying"
    """The connection broke; `Progress.note` says how."""
    FAILED_SOURCE = "failed source"
    """A source gave up; `Progress.note` says why, and the next one is tried."""
    CHECKING = "checking"
    """Reading the bytes to compare their hash."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One moment of a pull.

    Attributes:
        file: the file that is being pulled.
        phase: what is being done.
        done: bytes of that file there so far.
        total: its size in bytes; None where not known yet.
        source: where it comes from, for a person; empty before a source is chosen.
        note: a reason or a detail, for a person.
    """

    file: str
    phase: Phase
    done: int = 0
    total: int | None = None
    source: str = ""
    note: str = ""


class ProgressListener(Protocol):
    """Is told each moment of a pull, many times a second; must not block."""

    def __call__(self, progress: Progress, /) -> None:
        """Take note of a moment."""
        ...


_listener: ContextVar[ProgressListener | None] = ContextVar("listener", default=None)


def silent(progress: Progress, /) -> None:
    """Tells whom `told_to` names; nobody outside of it."""
    listener = _listener.get()
    if listener is not None:
        listener(progress)


@contextmanager
def told_to(listener: ProgressListener) -> Iterator[None]:
    """Within, pulls that have no listener of their own tell this one."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def human_size(count: int) -> str:
    """A number of bytes as people say it, in powers of a thousand.

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
