"""Measures how late the event loop is, because a blocked loop holds up every client."""

from __future__ import annotations

import asyncio

from multiturn.apps.server.metrics import Metrics

__all__ = ["watch_loop"]

_INTERVAL_SECONDS = 0.02


async def watch_loop(metrics: Metrics) -> None:
    """Measure until cancelled."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        lag = max(0.0, loop.time() - due)
        metrics.loop_lag_seconds.observe(lag)
        if lag > longest:
            longest = lag
            metrics.max_loop_lag.set(lag)
