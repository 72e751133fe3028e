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

    def prefill_chunks(self, states: Sequence[PrefillState], max_tokens: int) -> int:
        """Continue prefills, several prompts in one call where the backend can.

        Args:
            states: none of them done; the first ones have priority.
            max_tokens: no call starts after so many tokens; the last one may exceed them.

        Returns:
            How many tokens were prefilled.
        """
        remaining = list(states)
        prefilled = 0
        while remaining and prefilled < max_tokens:
            # One capacity for each call, since each combination of shapes is compiled.
            shape = remaining[0].row.keys.shape
            same_shape = [state for state in remaining if state.row.keys.shape == shape]
            rows = max(
                count for count in self._backend.prefill_batch_sizes if count <= len(same_shape)
            )
            prefilled += self._prefill_batch(same_shape[:rows], max_tokens - prefilled)
            remaining = [state for state in remaining if state not in same_shape[:rows]]
        return prefilled

    def _prefill_batch(self, states: list[PrefillState], max_tokens: int) -> int:
        """Prefill one chunk of each prompt in one call."""
        length = self._backend.prefill_chunk_sizes[-1]
        tokens = np.zeros((len(states), length), np.int32)
        counts = np.zeros(len(states), np.int32)
        for row, state in enumerate(states):
            count = min(length, len(state.tokens) - state.prefilled)
            if self._backend.batch_invariant and row > 0:
                count = min(count, max(0, max_tokens - int(counts.sum())))
            counts[row] = count
            tokens[row, :count] = state.tokens[state.prefilled : state.prefilled + count]
        caches = tuple(state.row for state in states)
        caches = _prefill(self._backend, self._weights, caches, tokens, counts)
        for state, cache, count in zip(states, caches, counts.tolist(), strict=True):
            state.cache = cache
            state.prefilled += count
        return int(counts.sum())

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

    def add_history(self, tokens: list[int], cache: KVCache, session: str) -> None:
        """Cache a session's history whose keys and values were computed elsewhere."""
        self._prefix_cache.add(PrefixCacheEntry(tokens, cache, cache_bytes(cache), {session}))

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
            self.prefill_chunks([state], 1)
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
            chunk, count = self._next_chunk(tokens[:-1], scored)
            following = np.zeros(chunk.shape[1], np.int32)
            following[:count] = tokens[scored + 1 : scored + 1 + count]
            cache, logprobs = _prefill_with_logprobs(
                self._backend, self._weights, cache, chunk, np.int32(count), following
            )
            found.append(logprobs[:count])
            scored += count
        return [float(one) for part in jax.device_get(found) for one in part]

    def close(self) -> None:
        """Free all memory and drop the weights."""
        self._prefix_cache.clear()
        self._deferred.clear()
        self._current_deferred = self._weights = None

    def _next_chunk(self, tokens: Sequence[int], start: int) -> tuple[Any, int]:
        """One padded chunk of the tokens from `start` on, and how many of them it has."""
        sizes = self._backend.prefill_chunk_sizes
        count = min(len(tokens) - start, sizes[-1])
        length = sizes[-1]
        if self._backend.batch_invariant:
            length = next(size for size in sizes if size >= count)
        chunk = np.zeros((1, length), np.int32)
        chunk[0, :count] = tokens[start : start + count]
        return chunk, count


@partial(jax.jit, static_argnames=("backend",), donate_argnames=("caches",))
def _prefill(
    backend: Backend,
    weights: Any,
    caches: tuple[KVCache, ...],
    tokens: Int[Array, "R T"],
    counts: Int[Array, " R"],
) -> tuple[KVCache, ...]:
    """The one-row caches of R prompts, each with its next `counts` tokens."""
    return backend.prefill(weights, tokens, counts, caches)


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
    logits, _ = backend.unembed(weights, hidden[0])
    return cache, log_probabilities(logits, following)
