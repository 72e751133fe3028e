"""A sequence: one continuation of a request, from waiting through decoding to its completion."""

from __future__ import annotations

import math
import time
from collections.abc import Container

import numpy as np

from multiturn.engines.continuation import Continuation
from multiturn.engines.native.draws import uniform_draws
from multiturn.engines.native.prompt_lookup import PromptLookup
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import FinishReason, TokenLogprob
from multiturn.models.native.paged_cache import PagedCache

__all__ = ["Sequence"]

_DRAWS_AT_ONCE = 64
_MAX_SEED = 2**31


class Sequence:
    """One continuation of a request.

    Attributes:
        pending: the request.
        continuation: the text so far.
        tokens: of the prompt, then the decoded ones.
        cache: keys and values of the leading tokens.
        cached_tokens: prompt tokens that needed no prefill.
        lookup: finds drafts; None where there are none.
        prompt_logprobs: of the prompt's tokens as far as they are scored.
    """

    __slots__ = (
        "_draws", "_draws_start", "_first_token_time", "cache", "cached_tokens", "continuation",
        "lookup", "pending", "prompt_length", "prompt_logprobs", "temperature", "tokens",
    )  # fmt: skip

    def __init__(self, pending: PendingRequest, index: int, cache: PagedCache) -> None:
        self.pending = pending
        self.continuation = Continuation(index, pending.request.stop)
        self.tokens = list(pending.prompt)
        self.prompt_length = len(self.tokens)
        self.temperature = float(pending.request.temperature_of(index))
        self.cache = cache
        self.cached_tokens = 0
        self.lookup: PromptLookup | None = None
        self.prompt_logprobs: list[TokenLogprob] = []
        self._draws = np.zeros(0, np.float32)
        self._draws_start = 0
        self._first_token_time = math.nan

    @property
    def scores_prompt(self) -> bool:
        """Whether the tokens of its prompt are scored: by the first continuation of a request."""
        return self.pending.request.prompt_logprobs and self.continuation.index == 0

    @property
    def remaining(self) -> int:
        """Tokens that are to be computed before the next one can be sampled."""
        return len(self.tokens) - self.cache.length

    @property
    def max_new_tokens(self) -> int:
        """How many more tokens it may decode."""
        return self.pending.request.max_tokens - (len(self.tokens) - self.prompt_length)

    def uniforms(self, position: int, count: int) -> list[float]:
        """The random numbers of the tokens at `count` positions from `position` on."""
        start = position - self._draws_start
        if start < 0 or start + count > len(self._draws):
            seed = (self.pending.request.seed + self.continuation.index) % _MAX_SEED
            self._draws_start, start = position, 0
            self._draws = uniform_draws(seed, position + np.arange(max(count, _DRAWS_AT_ONCE)))
        found: list[float] = self._draws[start : start + count].tolist()
        return found

    def append(
        self, sampled: TokenLogprob, piece: bytes, end_tokens: Container[int]
    ) -> FinishReason | None:
        """Add a decoded token, and emit its text. Returns why the sequence ended, if it did."""
        token = sampled.token
        if math.isnan(self._first_token_time):
            self._first_token_time = time.perf_counter()
        self.tokens.append(token)
        if self.lookup is not None:
            self.lookup.append(token)
        text = self.continuation.add(token, piece, sampled.logprob, sampled.top)
        self.pending.write(self.continuation, text)
        if self.continuation.cut is not None:
            return FinishReason.STOP
        if token in end_tokens:
            return FinishReason.END_OF_TEXT
        if self.max_new_tokens == 0:
            return FinishReason.LENGTH
        return None

    def finish(self, reason: FinishReason) -> None:
        """Emit the completion."""
        self.pending.complete(
            self.continuation,
            reason,
            cached_tokens=self.cached_tokens,
            first_token_time=self._first_token_time,
            prompt_logprobs=self._all_prompt_logprobs() if self.scores_prompt else None,
        )

    def _all_prompt_logprobs(self) -> tuple[TokenLogprob, ...]:
        """Nothing stands before the first token, so its log-probability is unknown."""
        unknown = [TokenLogprob(token, math.nan) for token in self.tokens[: self.prompt_length]]
        scored = self.prompt_logprobs
        return (unknown[0], *scored, *unknown[1 + len(scored) :])
