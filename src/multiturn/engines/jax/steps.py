"""The compiled steps of the sampler: read a piece of a prompt, decode a block, move rows.

All of them change the cache in place: it is donated, and the one that comes back is meant
to replace it. Shapes are few (`Backend.pieces`, `Backend.batches`, capacities that double),
so that compilations are few.
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from multiturn.engines.jax.backend import Backend, RowOptions
from multiturn.models.cache import KVCache
from multiturn.models.sampling import log_probabilities, sampling_key

__all__ = [
    "LONGEST_BLOCK",
    "NOTHING",
    "Block",
    "Orders",
    "State",
    "branched",
    "decode",
    "empty",
    "empty_state",
    "put",
    "read",
    "read_scored",
    "rearranged",
    "taken",
]

LONGEST_BLOCK = 16
"""Most steps that are decoded before the host looks."""

NOTHING = -1
"""Stands for a token where a row wrote none."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """What the device alone knows while blocks run ahead of the host."""

    cache: KVCache
    token: Int[Array, " B"]
    """The last token of each row, which the cache does not hold yet."""
    remaining: Int[Array, " B"]
    """How many tokens each row may still write; 0 for a row at rest."""
    room: Array | None
    """See `Backend.room`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Orders:
    """What the host says about each row before a block; small arrays, sent every time."""

    changed: Bool[Array, " B"]
    """Whether the next two replace the state's."""
    token: Int[Array, " B"]
    remaining: Int[Array, " B"]
    seed: Int[Array, " B"]
    temperature: Float[Array, " B"]
    top_p: Float[Array, " B"]
    top_k: Int[Array, " B"]
    scored: Bool[Array, " B"]
    """Whether log-probabilities are asked for."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """What was written in one block; `NOTHING` and 0 where a row was at rest.

    0 too for a log-probability that was not asked for.
    """

    tokens: Int[Array, "K B"]
    logprobs: Float[Array, "K B"]


@partial(jax.jit, static_argnames=("backend", "rows", "capacity"))
def empty(backend: Backend, rows: int, capacity: int) -> KVCache:
    """A cache that holds nothing."""
    return backend.empty(rows, capacity)


def empty_state(backend: Backend, rows: int, capacity: int) -> State:
    """A batch of rows at rest."""
    nothing = jnp.zeros((rows,), jnp.int32)
    cache = empty(backend, rows, capacity)
    return State(cache, nothing, jnp.zeros_like(nothing), backend.room(rows))


@partial(jax.jit, static_argnames=("backend", "ends"), donate_argnames=("state",))
def decode(
    backend: Backend,
    ends: tuple[int, ...],
    weights: Any,
    state: State,
    orders: Orders,
    steps: Int[Array, ""],
) -> tuple[State, Block]:
    """Write up to `steps` tokens, `LONGEST_BLOCK` at most, in each row that is not at rest.

    A row comes to rest when it has written all it may, or one of `ends`.
    """
    rows = state.token.shape[0]
    start = State(
        state.cache,
        jnp.where(orders.changed, orders.token, state.token),
        jnp.where(orders.changed, orders.remaining, state.remaining),
        state.room,
    )
    blank = Block(
        jnp.full((LONGEST_BLOCK, rows), NOTHING, jnp.int32),
        jnp.zeros((LONGEST_BLOCK, rows), jnp.float32),
    )

    def go_on(carry: tuple[Array, State, Block]) -> Array:
        step, state, _ = carry
        return (step < steps) & jnp.any(state.remaining > 0)

    def one_step(carry: tuple[Array, State, Block]) -> tuple[Array, State, Block]:
        step, state, block = carry
        active = state.remaining > 0
        counts = active.astype(jnp.int32)
        hidden, cache = backend.forward_with_cache(
            weights, state.token[:, None], counts, state.cache
        )
        logits, room = backend.logits(weights, hidden[:, 0], state.room)
        # The position of the token that is now chosen is the length of what comes before it.
        uniforms = jax.vmap(_uniform)(orders.seed, cache.lengths)
        options = RowOptions(
            jnp.where(active, orders.temperature, 0),
            orders.top_p,
            orders.top_k,
            active & orders.scored,
        )
        token, logprob = backend.choose(weights, logits, uniforms, options)
        ended = jnp.isin(token, jnp.asarray(ends, jnp.int32)) if ends else jnp.zeros_like(active)
        block = Block(
            block.tokens.at[step].set(jnp.where(active, token, NOTHING)),
            block.logprobs.at[step].set(jnp.where(options.scored, logprob, 0)),
        )
        remaining = jnp.where(ended, 0, state.remaining - counts)
        token = jnp.where(active, token, state.token)
        return step + 1, State(cache, token, remaining, room), block

    _, state, block = jax.lax.while_loop(go_on, one_step, (jnp.int32(0), start, blank))
    return state, block


def _uniform(seed: Array, position: Array) -> Array:
    return jax.random.uniform(sampling_key(seed, position))


@partial(jax.jit, static_argnames=("backend",), donate_argnames=("caches",))
def read(
    backend: Backend,
    weights: Any,
    caches: tuple[KVCache, ...],
    tokens: Int[Array, "R T"],
    counts: Int[Array, " R"],
) -> tuple[KVCache, ...]:
    """Read the next tokens of R prompts, `counts` of each, into caches of one row."""
    return backend.read(weights, tokens, counts, caches)


@partial(jax.jit, static_argnames=("backend",), donate_argnames=("cache",))
def read_scored(
    backend: Backend,
    weights: Any,
    cache: KVCache,
    tokens: Int[Array, "1 T"],
    count: Array,
    following: Int[Array, " T"],
) -> tuple[KVCache, Float[Array, " T"]]:
    """As `read`; and the log-probability of the token that follows each."""
    hidden, cache = backend.forward_with_cache(weights, tokens, count[None], cache)
    logits, _ = backend.logits(weights, hidden[0])
    return cache, log_probabilities(logits, following)


@partial(jax.jit, static_argnames=("backend",), donate_argnames=("state",))
def put(backend: Backend, state: State, row: Array, prefix: KVCache, length: Array) -> State:
    """Make a row hold the first `length` tokens of a cache of one row; the row is at rest."""
    room = state.cache.keys.shape[backend.slot_axis]

    def copied(all_rows: Array, one: Array) -> Array:
        fitting = jax.lax.slice_in_dim(
            one, 0, min(room, one.shape[backend.slot_axis]), axis=backend.slot_axis
        )
        corner = [jnp.int32(0)] * all_rows.ndim
        corner[1] = row
        return _written_over(all_rows, fitting, corner)

    cache = replace(
        state.cache,
        keys=copied(state.cache.keys, prefix.keys),
        values=copied(state.cache.values, prefix.values),
        lengths=state.cache.lengths.at[row].set(length),
    )
    return replace(state, cache=cache)


@jax.jit
def taken(cache: KVCache, row: Array, length: Array) -> KVCache:
    """The first `length` tokens of a row, as a cache of one row."""
    return replace(
        cache,
        keys=jax.lax.dynamic_slice_in_dim(cache.keys, row, 1, axis=1),
        values=jax.lax.dynamic_slice_in_dim(cache.values, row, 1, axis=1),
        lengths=length[None],
    )


@partial(jax.jit, static_argnames=("backend", "capacity"))
def branched(backend: Backend, prefix: KVCache, length: Array, capacity: int) -> KVCache:
    """A copy of a cache of one row, cut to `length` tokens, with another capacity."""
    wanted = backend.empty(1, capacity)
    return replace(
        wanted,
        keys=_fitted(backend, prefix.keys, wanted.keys),
        values=_fitted(backend, prefix.values, wanted.values),
        lengths=length[None],
    )


@partial(jax.jit, static_argnames=("backend", "capacity"))
def rearranged(
    backend: Backend,
    state: State,
    rows: Int[Array, " R"],
    resting: Bool[Array, " R"],
    capacity: int,
) -> State:
    """The named rows, in that order, with another capacity; some put to rest."""
    wanted = backend.empty(rows.shape[0], capacity)

    cache = replace(
        wanted,
        keys=_fitted(backend, jnp.take(state.cache.keys, rows, axis=1), wanted.keys),
        values=_fitted(backend, jnp.take(state.cache.values, rows, axis=1), wanted.values),
        lengths=state.cache.lengths[rows],
    )
    remaining = jnp.where(resting, 0, state.remaining[rows])
    return State(cache, state.token[rows], remaining, backend.room(rows.shape[0]))


def _fitted(backend: Backend, old: Array, new: Array) -> Array:
    """`new` with what fits of `old` at its beginning."""
    axis = backend.slot_axis
    kept = jax.lax.slice_in_dim(old, 0, min(old.shape[axis], new.shape[axis]), axis=axis)
    return _written_over(new, kept, [jnp.int32(0)] * new.ndim)


def _written_over(whole: Array, part: Array, corner: list[Array]) -> Array:
    """`whole` with `part` in it. Of bfloat16 as bits: XLA's CPU would take all of the array
    through float32 to change a few numbers of it.
    """
    if whole.dtype != jnp.bfloat16:
        return jax.lax.dynamic_update_slice(whole, part, corner)
    bits = jax.lax.bitcast_convert_type(whole, jnp.uint16)
    new = jax.lax.bitcast_convert_type(part, jnp.uint16)
    written = jax.lax.dynamic_update_slice(bits, new, corner)
    return jax.lax.bitcast_convert_type(written, jnp.bfloat16)
