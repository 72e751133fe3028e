"""A status line that says what the command is doing and for how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from multiturn.apps.cli.screen import StatusLine

__all__ = ["Ticker", "working"]

_INTERVAL = 1.0
"""Seconds before the line appears, and between updates."""


class Ticker:
    """A last line on a terminal that is updated each second; silent elsewhere.

    Safe to use from several threads. Use as a context manager.
    """

    def __init__(self) -> None:
        self._status = StatusLine(Console(file=sys.stderr))
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._what, self._begun = "", time.monotonic()
        self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def __enter__(self) -> Ticker:
        """Start the updates."""
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the line."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._status.clear()

    def doing(self, what: str) -> None:
        """Set what is being done from now on; empty hides the line."""
        with self._lock:
            self._what, self._begun = what, time.monotonic()

    def say(self, line: str) -> None:
        """Print a permanent line on standard error."""
        with self._lock:
            self._status.clear()
            print(line, file=sys.stderr, flush=True)

    def _tick(self) -> None:
        while not self._ended.wait(_INTERVAL):
            with self._lock:
                if self._what and not self._ended.is_set():
                    self._status.show(f"{self._what} ({time.monotonic() - self._begun:.0f} s)")
                else:
                    self._status.clear()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show `what` until the block ends."""
    with Ticker() as ticker:
        ticker.doing(what)
        yield
