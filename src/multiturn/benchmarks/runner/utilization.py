"""How well an engine is kept busy, seen from the side of those who ask it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["UtilizationMeter", "EngineUtilization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUtilization:
    """How an engine of several slots was used over some time."""

    slots: int
    seconds: float
    """From the first sample's beginning to the last text's end."""
    waiting_seconds: float
    """Time in which the engine had fewer requests than it could have had: fewer than its slots,
    and fewer than there were samples whose text was not finished."""
    busy_slots: float
    """Mean number of slots for which there was a request; the end of a run, when fewer samples
    are left than slots, takes part."""
    requests: int

    @property
    def waiting_share(self) -> float | None:
        """Share of the time in which the engine waited; None before any time has passed."""
        return self.waiting_seconds / self.seconds if self.seconds > 0 else None

    @property
    def busy_share(self) -> float | None:
        """Share of the slots that were busy; None before any time has passed."""
        return self.busy_slots / self.slots if self.seconds > 0 else None


class UtilizationMeter:
    """Counts the requests that are with the engine, over time. Safe to use from threads.

    Args:
        slots: how many requests the engine works on at once.
        samples: how many samples are to be written.
        clock: seconds; replaced in tests.
    """

    def __init__(
        self, slots: int, samples: int, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._slots = slots
        self._clock = clock
        self._lock = threading.Lock()
        self._unwritten = samples
        self._at_hand = 0
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
    def request(self) -> Iterator[None]:
        """While a request is with the engine."""
        self._change(at_hand=1, requests=1)
        try:
            yield
        finally:
            self._change(at_hand=-1)

    def finish_sample(self) -> None:
        """A sample's last text has been written."""
        self._change(unwritten=-1)

    def read(self) -> EngineUtilization:
        """The figures up to now."""
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

    def _change(self, *, at_hand: int = 0, unwritten: int = 0, requests: int = 0) -> None:
        with self._lock:
            self._advance()
            self._at_hand += at_hand
            self._unwritten += unwritten
            self._requests += requests

    def _advance(self) -> None:
        # After the last text the clock stands still: programs may still be judged.
        if self._began is None or (self._unwritten == 0 and self._at_hand == 0):
            return
        now = self._clock()
        passed, self._last = now - self._last, now
        if self._at_hand < min(self._slots, self._unwritten):
            self._waiting += passed
        self._busy += passed * min(self._at_hand, self._slots)
