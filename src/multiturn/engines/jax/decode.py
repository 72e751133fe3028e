"""The compiled decode step: up to `MAX_DECODE_STEPS` tokens for every slot in one call.

The state is donated and changed in place; use the returned one afterwards.
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

from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.kv_cache import empty_cache, insert_row, resized_rows
from multiturn.engines.jax.sampling import SamplingParams, sample_with_logprobs, uniform_draws
from multiturn.models.cache import KVCache

__all__ = [
    "MAX_DECODE_STEPS",
    "NO_TOKEN",
    "DecodeState",
    "SlotParams",
    "TokenBlock",
    "decode",
    "empty_state",
    "insert",
    "resize",
]

MAX_DECODE_STEPS = 16
"""Steps that one call decodes at most, before the host processes their tokens."""

NO_TOKEN = -1
"""Stands in a `TokenBlock` where a slot decoded nothing."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecodeState:
    """What stays on the device between calls, which run ahead of the host."""

    cache: KVCache
    token: Int[Array, " B"]
    """The last token of each slot, which is not in the cache yet."""
    remaining: Int[Array, " B"]
    """How many tokens each slot may still decode; 0 for an idle slot."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SlotParams:
    """What the host sends for each slot before a call: small arrays."""

    changed: Bool[Array, " B"]
    """Whether `token` and `remaining` replace those of the state."""
    token: Int[Array, " B"]
    remaining: Int[Array, " B"]
    seed: Int[Array, " B"]
    temperature: Float[Array, " B"]
    top_p: Float[Array, " B"]
    top_k: Int[Array, " B"]
    want_logprobs: Bool[Array, " B"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TokenBlock:
    """The tokens of one call; `NO_TOKEN` where a slot was idle.

    A log-probability is 0 where the slot was idle or wants none.
    """

    tokens: Int[Array, "K B"]
    logprobs: Float[Array, "K B"]


def empty_state(backend: Backend, slots: int, capacity: int) -> DecodeState:
    """A batch of idle slots."""
    zeros = jnp.zeros((slots,), jnp.int32)
    return DecodeState(empty_cache(backend, slots, capacity), zeros, jnp.zeros_like(zeros))


@partial(jax.jit, static_argnames=("backend", "end_tokens"), donate_argnames=("state",))
def decode(
    backend: Backend,
    end_tokens: tuple[int, ...],
    weights: Any,
    state: DecodeState,
    params: SlotParams,
    steps: Int[Array, ""],
) -> tuple[DecodeState, TokenBlock]:
    """Decode up to `steps` tokens, `MAX_DECODE_STEPS` at most, in each slot that is not idle.

    A slot becomes idle after its last allowed token or one of `end_tokens`.
    """
    slots = state.token.shape[0]
    start = DecodeState(
        state.cache,
        jnp.where(params.changed, params.token, state.token),
        jnp.where(params.changed, params.remaining, state.remaining),
    )
    blank = TokenBlock(
        jnp.full((MAX_DECODE_STEPS, slots), NO_TOKEN, jnp.int32),
        jnp.zeros((MAX_DECODE_STEPS, slots), jnp.float32),
    )

    def unfinished(carry: tuple[Array, DecodeState, TokenBlock]) -> Array:
        step, state, _ = carry
        return (step < steps) & jnp.any(state.remaining > 0)

    def one_step(
        carry: tuple[Array, DecodeState, TokenBlock],
    ) -> tuple[Array, DecodeState, TokenBlock]:
        step, state, block = carry
        active = state.remaining > 0
        counts = active.astype(jnp.int32)
        hidden, cache = backend.forward_with_cache(
            weights, state.token[:, None], counts, state.cache
        )
        logits = backend.unembed(weights, hidden[:, 0])
        # The position of the next token is the number of tokens before it.
        uniforms = uniform_draws(params.seed, cache.lengths)
        sampling = SamplingParams(
            jnp.where(active, params.temperature, 0),
            params.top_p,
            params.top_k,
            active & params.want_logprobs,
        )
        token, logprob = sample_with_logprobs(logits, uniforms, sampling)
        ended = (
            jnp.isin(token, jnp.asarray(end_tokens, jnp.int32))
            if end_tokens
            else jnp.zeros_like(active)
        )
        block = TokenBlock(
            block.tokens.at[step].set(jnp.where(active, token, NO_TOKEN)),
            block.logprobs.at[step].set(jnp.where(sampling.want_logprobs, logprob, 0)),
        )
        remaining = jnp.where(ended, 0, state.remaining - counts)
        token = jnp.where(active, token, state.token)
        return step + 1, DecodeState(cache, token, remaining), block

    _, state, block = jax.lax.while_loop(unfinished, one_step, (jnp.int32(0), start, blank))
    return state, block


@partial(jax.jit, donate_argnames=("state",))
def insert(state: DecodeState, slot: Array, prefix: KVCache, length: Array) -> DecodeState:
    """Copy the first `length` tokens of a one-row cache into a slot, which stays idle."""
    return replace(state, cache=insert_row(state.cache, slot, prefix, length))


@partial(jax.jit, static_argnames=("backend", "capacity"))
def resize(
    backend: Backend,
    state: DecodeState,
    slots: Int[Array, " R"],
    idle: Bool[Array, " R"],
    capacity: int,
) -> DecodeState:
    """The slots of the given indices, in that order, with another capacity; some made idle."""
    cache = resized_rows(backend, state.cache, slots, capacity)
    remaining = jnp.where(idle, 0, state.remaining[slots])
    return DecodeState(cache, state.token[slots], remaining)
