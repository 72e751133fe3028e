"""A backend that counts: the token after t is t + 1. Its keys are the tokens themselves."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from multiturn.engines.continuation import Continuation
from multiturn.engines.jax.prefix_cache import PrefixCacheEntry
from multiturn.engines.jax.sequence import SlotSequence
from multiturn.engines.pending_request import PendingRequest
from multiturn.engines.protocol import Request
from multiturn.models.cache import KVCache

VOCABULARY = 1000


@dataclass(frozen=True)
class CountingBackend:
    decode_batch_sizes: tuple[int, ...] = (1, 2, 4)
    prefill_chunk_sizes: tuple[int, ...] = (8,)
    prefill_batch_sizes: tuple[int, ...] = (1,)
    batch_invariant: bool = True
    token_axis: int = 2
    config: Any = None

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

    def prefill(self, weights, tokens, counts, caches):
        (cache,) = caches
        return (self.forward_with_cache(weights, tokens, counts, cache)[1],)

    def workspace(self, rows: int):
        return jnp.zeros((rows, 0), jnp.float32)

    def unembed(self, weights, hidden, workspace=None):
        del weights
        distance = jnp.abs(jnp.arange(VOCABULARY) - hidden - 1)
        return -distance, workspace

    def sample(self, weights, logits, uniforms, params):
        del weights, uniforms, params
        return jnp.argmax(logits, axis=1).astype(jnp.int32), jnp.zeros(len(logits))


def pending(prompt: list[int], **options: Any) -> PendingRequest:
    return PendingRequest(Request(prompt="x", **options), prompt, threading.Event())


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
