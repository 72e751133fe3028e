"""What passes between the threads that ask and the one that writes."""

from __future__ import annotations

import math
import queue
import time
from dataclasses import dataclass, field
from threading import Event as Flag

from multiturn.core.errors import MultiturnError
from multiturn.engines.continuation import Continuation
from multiturn.engines.jax.prefixes import Prefix
from multiturn.engines.protocol import Delta, Event, FinishReason, Request, Timings

__all__ = ["Job", "Ticket"]


@dataclass(slots=True, eq=False)
class Ticket:
    """One call of `stream`: the request, and the way back for its events.

    Attributes:
        request: as it was handed in.
        prompt: its tokens.
        cancel: set by the caller to end it early.
        events: what is to be given out; an exception ends the stream.
        abandoned: nobody reads the events any more.
        started: when it was handed in.
    """

    request: Request
    prompt: list[int]
    cancel: Flag
    events: queue.SimpleQueue[Event | BaseException] = field(default_factory=queue.SimpleQueue)
    abandoned: bool = False
    started: float = field(default_factory=time.perf_counter)

    @property
    def unwanted(self) -> bool:
        """Whether writing should stop."""
        return self.abandoned or self.cancel.is_set()

    def fail(self, error: MultiturnError) -> None:
        """End the stream with an error."""
        self.events.put(error)


@dataclass(slots=True, eq=False)
class Job:
    """One continuation of a request.

    Attributes:
        ticket: of the request.
        continuation: its text so far.
        row: where it is written; None before and after.
        prefix: what was read for it; kept for others while it is written.
        cached_tokens: of the prompt, that were not read for it.
        done: its completion was given out.
    """

    ticket: Ticket
    continuation: Continuation
    row: int | None = None
    prefix: Prefix | None = None
    cached_tokens: int = 0
    done: bool = False
    _first: float = math.nan

    def write(self, tokens: list[int], pieces: list[bytes], logprobs: list[float]) -> None:
        """Take tokens that were decoded; those after the one that completes a cut are dropped."""
        if tokens and math.isnan(self._first):
            self._first = time.perf_counter()
        delta = ""
        for token, piece, logprob in zip(tokens, pieces, logprobs, strict=True):
            delta += self.continuation.add(token, piece, logprob)
            if self.continuation.cut is not None:
                break
        self._tell(delta)

    def finish(self, reason: FinishReason) -> None:
        """Give out the completion."""
        self._tell(self.continuation.finish())
        self.done = True
        now = time.perf_counter()
        started = self.ticket.started
        first = now if math.isnan(self._first) else self._first
        self.ticket.events.put(
            self.continuation.completion(
                reason,
                prompt_tokens=len(self.ticket.prompt),
                cached_tokens=self.cached_tokens,
                timings=Timings(first - started, now - started),
                logprobs=self.ticket.request.logprobs,
            )
        )

    def _tell(self, delta: str) -> None:
        if delta:
            self.ticket.events.put(Delta(self.continuation.index, delta))
