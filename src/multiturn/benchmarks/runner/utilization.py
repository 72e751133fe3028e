"""Measures how busy an engine is, from the caller's side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["UtilizationMeter", "EngineUtilization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUtilization:
    """How an engine with several slots was used over a period of time."""

    slots: int
    seconds: float
    """From the start of the first sample to the end of the last generation."""
    waiting_seconds: float
    """Time during which the engine had free slots although there were samples left to generate."""
    busy_slots: float
    """Mean number of slots with a request, including the end of a run, when fewer samples
    than slots are left."""
    requests: int

    @property
    def waiting_share(self) -> float | None:
        """The share of time in which the engine waited; None before any time has passed."""
        return self.waiting_seconds / self.seconds if self.seconds > 0 else None

    @property
    def busy_share(self) -> float | None:
        """The share of slots that were busy; None before any time has passed."""
        return self.busy_slots / self.slots if self.seconds > 0 else None


class UtilizationMeter:
    """Tracks the number of requests in the engine over time. Thread-safe.

    Args:
        slots: how many requests the engine processes at once.
        samples: how many samples are to be generated.
        clock: seconds; replaced in tests.
    """

    def __init__(
        self, slots: int, samples: int, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._slots = slots
        self._clock = clock
        self._lock = threading.Lock()
        self._remaining = samples
        self._active = 0
        self._requests = 0
        self._began: float | None = None
        self._last = 0.0
        self._waiting = 0.0
        self._busy = 0.0

    def begin(self) -> None:
        """Start the clock."""
        with self._lock:
            self._began = self._last = self._clock()

    @contextmanager
    def request(self, continuations: int = 1) -> Iterator[None]:
        """Counts a request, with its continuations, while it is in the engine."""
        self._change(active=continuations, requests=1)
        try:
            yield
        finally:
            self._change(active=-continuations)

    def finish_sample(self) -> None:
        """The last generation of a sample is complete."""
        self._change(remaining=-1)

    def read(self) -> EngineUtilization:
        """The figures so far."""
        with self._lock:
            self._advance()
            seconds = 0.0 if self._began is None else self._last - self._began
            return EngineUtilization(
                slots=self._slots,
                seconds=seconds,
                waiting_seconds=self._waiting,
                busy_slots=self._busy / seconds if seconds > 0 else 0.0,
                requests=self._requests,
            )

    def _change(self, *, active: int = 0, remaining: int = 0, requests: int = 0) -> None:
        with self._lock:
            self._advance()
            self._active += active
            self._remaining += remaining
            self._requests += requests

    def _advance(self) -> None:
        # The clock stops after the last generation: programs may still be judged.
        if self._began is None or (self._remaining == 0 and self._active == 0):
            return
        now = self._clock()
        passed, self._last = now - self._last, now
        if self._active < min(self._slots, self._remaining):
            self._waiting += passed
        self._busy += passed * min(self._active, self._slots)
