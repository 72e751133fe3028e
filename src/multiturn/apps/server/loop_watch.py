"""Measures the event loop, because a blocked one holds up every client.

How late it is depends on what else the machine does. For how long it computes before it looks at
its connections again does not: that is its own doing.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable

from multiturn.apps.server.metrics import Metrics

__all__ = ["WatchedSelector", "watch_loop"]

_INTERVAL_SECONDS = 0.02


class WatchedSelector(selectors.DefaultSelector):
    """The selector of an event loop that measures the processor time between two looks.

    Args:
        on_longest: called with each time that is longer than all before it, in seconds.
    """

    def __init__(self, on_longest: Callable[[float], None]) -> None:
        super().__init__()
        self._on_longest = on_longest
        self._looked: float | None = None
        self.longest = 0.0
        """Since the start, or since it was set to 0; in seconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for connections, and measure what was computed before."""
        if self._looked is not None:
            seconds = time.thread_time() - self._looked
            if seconds > self.longest:
                self.longest = seconds
                self._on_longest(seconds)
        found = super().select(timeout)
        self._looked = time.thread_time()
        return found


async def watch_loop(metrics: Metrics) -> None:
    """Measure how late the loop is, until cancelled."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        lag = max(0.0, loop.time() - due)
        metrics.loop_lag_seconds.observe(lag)
        if lag > longest:
            longest = lag
            metrics.max_loop_lag.set(lag)
