"""A request on its way through the engine, shared by the caller's thread and the scheduler's."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field
from threading import Event as Flag

from multiturn.core.errors import MultiturnError
from multiturn.engines.protocol import Event, Request

__all__ = ["PendingRequest"]


@dataclass(slots=True, eq=False)
class PendingRequest:
    """One call of `stream`: the request, and the queue that carries its events back.

    Attributes:
        request: as the caller passed it.
        prompt: its token ids.
        cancel: the caller sets it to stop early.
        events: for the caller; an exception ends the stream.
        abandoned: the caller closed the stream and reads no more events.
        started: when the caller submitted it, by `time.perf_counter`.
    """

    request: Request
    prompt: list[int]
    cancel: Flag
    events: queue.SimpleQueue[Event | BaseException] = field(default_factory=queue.SimpleQueue)
    abandoned: bool = False
    started: float = field(default_factory=time.perf_counter)

    @property
    def is_cancelled(self) -> bool:
        """Whether decoding should stop."""
        return self.abandoned or self.cancel.is_set()

    def fail(self, error: MultiturnError) -> None:
        """End the stream with an error."""
        self.events.put(error)
