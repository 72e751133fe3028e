"""Prefill: prompts go through the model in chunks, and each shared prefix does so once."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from multiturn.engines.common_prefix import common_prefix_length
from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.kv_cache import cache_bytes, capacity_for, empty_cache, fork
from multiturn.engines.jax.prefix_cache import PrefixCacheEntry, RowPrefixCache
from multiturn.models.cache import KVCache
from multiturn.models.sampling import log_probabilities

__all__ = ["PrefillState", "Prefiller"]

_MIN_SHARED_TOKENS = 16
"""A prompt waits for another one's prefill if both share at least so many tokens."""


@dataclass(slots=True, eq=False)
class PrefillState:
    """A prompt whose prefill is under way.

    Attributes:
        tokens: to prefill.
        session: that the result will belong to.
        cached: how many of the tokens were in the prefix cache.
        entry: the cache entry that holds all of them, where there is one.
        cache: otherwise, a one-row cache with the first `prefilled` tokens.
        prefilled: how many tokens `cache` holds.
    """

    tokens: list[int]
    session: str | None
    cached: int
    entry: PrefixCacheEntry | None = None
    cache: KVCache | None = None
    prefilled: int = 0

    @property
    def remaining(self) -> int:
        """How many tokens are left to prefill."""
        return 0 if self.entry is not None else len(self.tokens) - self.prefilled

    @property
    def done(self) -> bool:
        """Whether no token is left."""
        return self.remaining == 0

    def should_wait_for_prefix(self, tokens: Sequence[int], cached: int) -> bool:
        """Whether a prompt, `cached` tokens of which need no prefill, should wait for this one.

        Waiting costs about one call, in which others prefill, so it must save as many tokens.
        """
        saved = common_prefix_length(self.tokens, tokens) - cached
        return saved > 0 and saved >= min(_MIN_SHARED_TOKENS, len(tokens) - cached)

    @property
    def row(self) -> KVCache:
        """The cache of a prefill that is not done."""
        if self.cache is None:
            raise RuntimeError("no token is left to prefill")
        return self.cache


class Prefiller:
    """Prefills prompts into one-row caches, and keeps these in the prefix cache.

    Not thread-safe: the scheduler's thread owns it.
    """

    def __init__(self, backend: Backend, weights: Any, max_cache_bytes: int) -> None:
        self._backend = backend
        self._weights = weights
        self._prefix_cache = RowPrefixCache(max_cache_bytes)
        self._deferred: deque[tuple[list[int], str | None]] = deque()
        self._current_deferred: PrefillState | None = None

    def should_wait(
        self, tokens: list[int], session: str | None, running: Sequence[PrefillState]
    ) -> bool:
        """Whether a prompt should wait until one of the running prefills can be its prefix."""
        similar = [other for other in running if other.should_wait_for_prefix(tokens, 0)]
        if not similar:
            return False
        _, cached = self._prefix_cache.find(tokens, session)
        return any(other.should_wait_for_prefix(tokens, cached) for other in similar)

    def begin(self, tokens: list[int], session: str | None) -> PrefillState:
        """Look up the cached prefix of a prompt, and prepare the prefill of the rest."""
        entry, cached = self._prefix_cache.find(tokens, session)
        if entry is not None and cached == len(tokens):
            return PrefillState(tokens, session, cached, entry=entry)
        capacity = capacity_for(len(tokens))
        if entry is None:
            cache = empty_cache(self._backend, 1, capacity)
        else:
            cache = fork(self._backend, entry.cache, np.int32(cached), capacity)
        return PrefillState(tokens, session, cached, cache=cache, prefilled=cached)

    def prefill_chunks(self, states: Sequence[PrefillState], max_tokens: int) -> None:
        """Prefill a chunk of each prompt, as far as `max_tokens` tokens go.

        Args:
            states: none of them done; the first ones have priority.
            max_tokens: no chunk starts after so many tokens; the last one may exceed them.
        """
        prefilled = 0
        for state in states:
            if prefilled >= max_tokens:
                break
            prefilled += self._prefill_chunk(state)

    def _prefill_chunk(self, state: PrefillState) -> int:
        """Prefill the next chunk of a prompt. Returns how many tokens it has."""
        chunk, count = self._chunk(state.tokens, state.prefilled)
        state.cache = _prefill(self._backend, self._weights, state.row, chunk, np.int32(count))
        state.prefilled += count
        return count

    def finish(self, state: PrefillState) -> PrefixCacheEntry:
        """The cache entry of a prefill that is done, with one user more until `release`."""
        entry = state.entry
        sessions = set() if state.session is None else {state.session}
        if entry is not None:
            entry.sessions |= sessions
            entry.users += 1
            return entry
        entry = PrefixCacheEntry(state.tokens, state.row, cache_bytes(state.row), sessions, users=1)
        self._prefix_cache.add(entry)
        return entry

    def release(self, entry: PrefixCacheEntry) -> None:
        """Count one user of an entry less."""
        self._prefix_cache.release(entry)

    def defer(self, tokens: list[int], session: str | None) -> None:
        """Queue a session's history to be prefilled when the engine is idle."""
        self._deferred.append((tokens, session))

    def prefill_deferred(self) -> bool:
        """Prefill one chunk of a deferred history. Returns whether there was one."""
        if self._current_deferred is None:
            if not self._deferred:
                return False
            self._current_deferred = self.begin(*self._deferred.popleft())
        state = self._current_deferred
        if not state.done:
            self._prefill_chunk(state)
        if state.done:
            self.release(self.finish(state))
            self._current_deferred = None
        return True

    def score(self, tokens: Sequence[int]) -> list[float]:
        """The log-probability of each token but the first, given those before it."""
        cache = empty_cache(self._backend, 1, capacity_for(len(tokens)))
        found: list[Any] = []
        scored = 0
        while scored < len(tokens) - 1:
            chunk, count = self._chunk(tokens[:-1], scored)
            following, _ = self._chunk(tokens[1:], scored)
            cache, logprobs = _prefill_with_logprobs(
                self._backend, self._weights, cache, chunk, np.int32(count), following[0]
            )
            found.append(logprobs[:count])
            scored += count
        return [float(one) for part in jax.device_get(found) for one in part]

    def close(self) -> None:
        """Free all memory and drop the weights."""
        self._prefix_cache.clear()
        self._deferred.clear()
        self._current_deferred = self._weights = None

    def _chunk(self, tokens: Sequence[int], start: int) -> tuple[Any, int]:
        """One padded chunk of the tokens from `start` on, and how many of them it has."""
        size = self._backend.prefill_chunk_size
        count = min(len(tokens) - start, size)
        chunk = np.zeros((1, size), np.int32)
        chunk[0, :count] = tokens[start : start + count]
        return chunk, count


@partial(jax.jit, static_argnames=("backend",), donate_argnames=("cache",))
def _prefill(
    backend: Backend, weights: Any, cache: KVCache, tokens: Int[Array, "1 T"], count: Array
) -> KVCache:
    """The one-row cache with the next `count` tokens."""
    _, cache = backend.forward_with_cache(weights, tokens, count[None], cache)
    return cache


@partial(jax.jit, static_argnames=("backend",), donate_argnames=("cache",))
def _prefill_with_logprobs(
    backend: Backend,
    weights: Any,
    cache: KVCache,
    tokens: Int[Array, "1 T"],
    count: Array,
    following: Int[Array, " T"],
) -> tuple[KVCache, Float[Array, " T"]]:
    """The cache with the next tokens, and the log-probability of the token after each."""
    hidden, cache = backend.forward_with_cache(weights, tokens, count[None], cache)
    return cache, log_probabilities(backend.unembed(weights, hidden[0]), following)
