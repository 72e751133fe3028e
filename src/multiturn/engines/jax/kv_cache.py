"""Moves of the KV cache: allocate it, fork a prefix, copy rows and change capacity.

Shapes are few (`Backend.decode_batch_sizes`, capacities that double), so compilations are few.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from multiturn.engines.jax.backend import Backend
from multiturn.models.cache import KVCache

__all__ = [
    "MIN_CAPACITY",
    "cache_bytes",
    "capacity_for",
    "empty_cache",
    "fork",
    "insert_row",
    "resized_rows",
]

_TOKEN_AXIS = 2
"""Of the keys and values; axis 1 counts rows."""

MIN_CAPACITY = 256
"""Tokens that a row has room for at first; capacities double from here."""


def capacity_for(tokens: int) -> int:
    """The smallest capacity that holds so many tokens."""
    capacity = MIN_CAPACITY
    while capacity < tokens:
        capacity *= 2
    return capacity


def cache_bytes(cache: KVCache) -> int:
    """Bytes of the keys and values."""
    return sum(math.prod(part.shape) * part.dtype.itemsize for part in (cache.keys, cache.values))


@partial(jax.jit, static_argnames=("backend", "rows", "capacity"))
def empty_cache(backend: Backend, rows: int, capacity: int) -> KVCache:
    """A cache that holds no tokens."""
    return backend.empty_cache(rows, capacity)


@partial(jax.jit, static_argnames=("backend", "capacity"))
def fork(backend: Backend, prefix: KVCache, length: Array, capacity: int) -> KVCache:
    """A copy of a one-row cache, cut to `length` tokens, with another capacity."""
    forked = backend.empty_cache(1, capacity)
    return replace(
        forked,
        keys=_fitted(prefix.keys, forked.keys),
        values=_fitted(prefix.values, forked.values),
        lengths=length[None],
    )


def insert_row(cache: KVCache, slot: Array, prefix: KVCache, length: Array) -> KVCache:
    """The cache with the first `length` tokens of a one-row cache in `slot`."""
    return replace(
        cache,
        keys=_fitted(prefix.keys, cache.keys, slot),
        values=_fitted(prefix.values, cache.values, slot),
        lengths=cache.lengths.at[slot].set(length),
    )


def resized_rows(backend: Backend, cache: KVCache, rows: Array, capacity: int) -> KVCache:
    """The rows of the given indices, in that order, with another capacity."""
    resized = backend.empty_cache(rows.shape[0], capacity)
    return replace(
        resized,
        keys=_fitted(jnp.take(cache.keys, rows, axis=1), resized.keys),
        values=_fitted(jnp.take(cache.values, rows, axis=1), resized.values),
        lengths=cache.lengths[rows],
    )


def _fitted(old: Array, new: Array, row: Array | int = 0) -> Array:
    """`new`, whose rows from `row` on begin with as many tokens of `old` as fit."""
    tokens = min(old.shape[_TOKEN_AXIS], new.shape[_TOKEN_AXIS])
    fitting = jax.lax.slice_in_dim(old, 0, tokens, axis=_TOKEN_AXIS)
    corner = [jnp.int32(0)] * new.ndim
    corner[1] = jnp.int32(row)
    return _updated(new, fitting, corner)


def _updated(target: Array, part: Array, corner: list[Array]) -> Array:
    """`target` with `part` written into it at `corner`.

    bfloat16 is moved as bits, because XLA on CPU would convert the entire array to float32 and
    back to update a part of it.
    """
    if target.dtype != jnp.bfloat16:
        return jax.lax.dynamic_update_slice(target, part, corner)
    bits = jax.lax.bitcast_convert_type(target, jnp.uint16)
    new = jax.lax.bitcast_convert_type(part, jnp.uint16)
    updated = jax.lax.dynamic_update_slice(bits, new, corner)
    return jax.lax.bitcast_convert_type(updated, jnp.bfloat16)
