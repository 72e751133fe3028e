"""A sequence: one continuation of a request, from waiting through decoding to its completion."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from multiturn.engines.continuation import Continuation
from multiturn.engines.jax.prefix_cache import PrefixCacheEntry
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import FinishReason

__all__ = ["SlotSequence"]


@dataclass(slots=True, eq=False)
class SlotSequence:
    """One continuation of a request.

    Attributes:
        pending: the request.
        continuation: the text so far.
        slot: where it is decoded; None before and after.
        prefix: its prefilled prompt, which stays in the cache while it is decoded.
        cached_tokens: prompt tokens that needed no prefill.
        done: whether its completion was emitted.
    """

    pending: PendingRequest
    continuation: Continuation
    slot: int | None = None
    prefix: PrefixCacheEntry | None = None
    cached_tokens: int = 0
    done: bool = False
    _first_token_time: float = math.nan

    def append(self, tokens: list[int], pieces: list[bytes], logprobs: list[float]) -> None:
        """Add decoded tokens; those after the one that completes a stop are dropped."""
        if tokens and math.isnan(self._first_token_time):
            self._first_token_time = time.perf_counter()
        delta = ""
        for token, piece, logprob in zip(tokens, pieces, logprobs, strict=True):
            delta += self.continuation.add(token, piece, logprob)
            if self.continuation.cut is not None:
                break
        self.pending.write(self.continuation, delta)

    def finish(self, reason: FinishReason) -> None:
        """Emit the completion."""
        self.done = True
        self.pending.complete(
            self.continuation,
            reason,
            cached_tokens=self.cached_tokens,
            first_token_time=self._first_token_time,
        )
