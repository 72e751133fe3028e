"""Which requests may use the engine now, which wait, and which are refused."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass

from multiturn.apps.server.errors import ApiError

__all__ = ["Admission"]

_MAX_RETRY_SECONDS = 120
_FIRST_GUESS_SECONDS = 2.0
_SMOOTHING = 0.2


@dataclass(slots=True, eq=False)
class _Waiter:
    """A request that waits."""

    weight: int
    admitted: asyncio.Future[None]


class Admission:
    """Admits requests in their order while the engine has slots. Belongs to one event loop.

    Args:
        slots: continuations that the engine generates at once.
        max_waiting: requests that wait, at most; further ones are refused.
    """

    def __init__(self, slots: int, max_waiting: int) -> None:
        self._slots = max(1, slots)
        self._max_waiting = max_waiting
        self._waiters: deque[_Waiter] = deque()
        self._seconds = _FIRST_GUESS_SECONDS
        self._stopping = False
        self.running = 0
        """Continuations that are being generated."""

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiters)

    def clamp(self, continuations: int) -> int:
        """What a request counts: its continuations, or all slots if it has more."""
        return min(max(1, continuations), self._slots)

    async def enter(self, weight: int) -> None:
        """Wait for a turn.

        Args:
            weight: from `clamp`; `leave` gets the same one.

        Raises:
            ApiError: too many wait already, or the server is stopping.
        """
        if self._stopping:
            raise self._stopped()
        if not self._waiters and self.running + weight <= self._slots:
            self.running += weight
            return
        if len(self._waiters) >= self._max_waiting:
            raise ApiError(
                429,
                f"{len(self._waiters)} requests wait already",
                code="queue_full",
                retry_after=self.retry_after,
            )
        waiter = _Waiter(weight, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                self._admit()
            elif waiter.admitted.done() and not waiter.admitted.cancelled():
                self.leave(weight, None)
            raise

    def leave(self, weight: int, seconds: float | None) -> None:
        """End a turn, which took so many seconds, and admit others."""
        self.running -= weight
        if seconds is not None:
            self._seconds += _SMOOTHING * (seconds - self._seconds)
        self._admit()

    def stop(self) -> None:
        """Refuse whatever waits, and what comes later."""
        self._stopping = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.admitted.done():
                waiter.admitted.set_exception(self._stopped())

    @property
    def retry_after(self) -> int:
        """In about how many seconds a request would get a turn."""
        turns = sum(waiter.weight for waiter in self._waiters) + self.running
        expected = self._seconds * turns / self._slots
        return int(min(max(1, math.ceil(expected)), _MAX_RETRY_SECONDS))

    def _admit(self) -> None:
        while self._waiters and self.running + self._waiters[0].weight <= self._slots:
            waiter = self._waiters.popleft()
            if not waiter.admitted.done():
                self.running += waiter.weight
                waiter.admitted.set_result(None)

    @staticmethod
    def _stopped() -> ApiError:
        return ApiError(503, "the server is stopping", code="stopping", retry_after=5)
