"""A line that says what is being done, and for how long, where it takes more than a moment."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from multiturn.apps.cli.screen import StatusLine

__all__ = ["Ticker", "working"]

_PATIENCE = 1.0
"""Seconds before the line is shown, and between its changes."""


class Ticker:
    """On a terminal, a line below all others that changes each second; silent elsewhere.

    Safe to use from several threads. Use as a context manager.
    """

    def __init__(self) -> None:
        self._status = StatusLine(Console(file=sys.stderr))
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._what, self._begun = "", time.monotonic()
        self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def __enter__(self) -> Ticker:
        """Begin to show."""
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Take the line away."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._status.clear()

    def doing(self, what: str) -> None:
        """What is done from now on; nothing worth a word where it is empty."""
        with self._lock:
            self._what, self._begun = what, time.monotonic()

    def say(self, line: str) -> None:
        """Print a line that stays, on standard error."""
        with self._lock:
            self._status.clear()
            print(line, file=sys.stderr, flush=True)

    def _tick(self) -> None:
        while not self._ended.wait(_PATIENCE):
            with self._lock:
                if self._what and not self._ended.is_set():
                    self._status.show(f"{self._what} ({time.monotonic() - self._begun:.0f} s)")
                else:
                    self._status.clear()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show what is done until the block ends."""
    with Ticker() as ticker:
        ticker.doing(what)
        yield
