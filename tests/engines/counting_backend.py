"""A backend that counts: the token after t is t + 1. Its keys are the tokens themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from pending_requests import pending

from multiturn.engines.continuation import Continuation
from multiturn.engines.jax.prefix_cache import PrefixCacheEntry
from multiturn.engines.jax.sequence import SlotSequence
from multiturn.models.cache import KVCache

VOCABULARY = 1000


@dataclass(frozen=True)
class CountingBackend:
    decode_batch_sizes: tuple[int, ...] = (1, 2, 4)
    prefill_chunk_size: int = 8

    def empty_cache(self, rows: int, capacity: int) -> KVCache:
        zeros = jnp.zeros((1, rows, capacity, 1, 1), jnp.float32)
        return KVCache(keys=zeros, values=zeros, lengths=jnp.zeros(rows, jnp.int32))

    def forward_with_cache(self, weights, tokens, counts, cache):
        del weights
        rows, length = tokens.shape
        positions = cache.lengths[:, None] + jnp.arange(length)
        real = jnp.arange(length) < counts[:, None]
        positions = jnp.where(real, positions, cache.capacity)
        place = cache.keys.at[0, jnp.arange(rows)[:, None], positions, 0, 0]
        keys = place.set(tokens.astype(jnp.float32), mode="drop")
        hidden = tokens[:, :, None].astype(jnp.float32)
        return hidden, KVCache(keys=keys, values=cache.values, lengths=cache.lengths + counts)

    def unembed(self, weights, hidden):
        del weights
        following = (hidden + 1) % VOCABULARY
        return jnp.where(jnp.arange(VOCABULARY) == following, 0.0, -10.0)


def sequence(prompt: list[int], **options: Any) -> SlotSequence:
    request = pending(prompt, **options)
    return SlotSequence(request, Continuation(0, request.request.stop))


def prefilled(backend: CountingBackend, tokens: list[int]) -> PrefixCacheEntry:
    """A cache entry of these tokens."""
    cache = backend.empty_cache(1, 256)
    _, cache = backend.forward_with_cache(
        None, jnp.asarray([tokens]), jnp.asarray([len(tokens)]), cache
    )
    return PrefixCacheEntry(tokens, cache, 0, users=1)


def tokens_in(cache: KVCache, row: int = 0) -> list[int]:
    """The tokens whose keys a row holds."""
    length = int(cache.lengths[row])
    return np.asarray(cache.keys)[0, row, :length, 0, 0].astype(int).tolist()
