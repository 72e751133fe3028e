"""A request on its way through the engine, shared by the caller's thread and the scheduler's."""

from __future__ import annotations

import math
import queue
import time
from dataclasses import dataclass, field
from threading import Event as Flag

from multiturn.core.errors import MultiturnError
from multiturn.engines.continuation import Continuation
from multiturn.engines.protocol import (
    Delta,
    Event,
    FinishReason,
    Request,
    Timings,
    TokenLogprob,
)

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

    def write(self, continuation: Continuation, text: str) -> None:
        """Emit new text of a continuation, if there is any."""
        if text:
            tokens = continuation.take_tokens() if self.request.logprobs else ()
            self.events.put(Delta(continuation.index, text, tokens))

    def complete(
        self,
        continuation: Continuation,
        reason: FinishReason,
        *,
        cached_tokens: int,
        first_token_time: float,
        prompt_logprobs: tuple[TokenLogprob, ...] | None = None,
    ) -> None:
        """End a continuation, and emit its last text and its completion.

        Args:
            continuation: of this request.
            reason: why it ended.
            cached_tokens: prompt tokens that needed no prefill.
            first_token_time: by `time.perf_counter`; NaN where there was no token.
            prompt_logprobs: of the prompt's tokens, where they are requested of this continuation.
        """
        self.write(continuation, continuation.finish())
        now = time.perf_counter()
        first = now if math.isnan(first_token_time) else first_token_time
        self.events.put(
            continuation.completion(
                reason,
                prompt_tokens=len(self.prompt),
                cached_tokens=cached_tokens,
                timings=Timings(first - self.started, now - self.started),
                logprobs=self.request.logprobs,
                top_logprobs=self.request.logprobs and self.request.top_logprobs > 0,
                prompt_logprobs=prompt_logprobs,
            )
        )

    def fail(self, error: MultiturnError) -> None:
        """End the stream with an error."""
        self.events.put(error)
