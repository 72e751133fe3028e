"""Choosing the next token."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, Key

__all__ = ["choose", "keep_likely", "sampling_key"]


def sampling_key(seed: int | Int[Array, ""], position: int | Int[Array, ""]) -> Key[Array, ""]:
    """The randomness of one token: of the request's seed and the token's position alone.

    So a sample does not depend on what else is in the batch, nor on how it is cut in steps.
    """
    return jax.random.fold_in(jax.random.key(seed), position)


def keep_likely(
    logits: Float[Array, " V"], top_p: float | Array, top_k: int | Array
) -> Float[Array, " V"]:
    """The logits with -inf for what top-k, and then the nucleus, leave out.

    The nucleus (Holtzman et al., arXiv 1904.09751) is the fewest most likely tokens whose
    probabilities reach `top_p`; the most likely one is always in it. Equally likely tokens
    rank by id.

    A `top_p` of 1 is off, and so is a `top_k` of 0.
    """
    size = logits.shape[-1]
    order = jnp.argsort(-logits, stable=True)
    ranked = logits[order]
    rank = jnp.arange(size)
    ranked = jnp.where((top_k > 0) & (rank >= top_k), -jnp.inf, ranked)
    probabilities = jax.nn.softmax(ranked)
    before = jnp.cumsum(probabilities) - probabilities
    outside = (top_p < 1) & (before >= top_p) & (rank > 0)
    ranked = jnp.where(outside, -jnp.inf, ranked)
    return jnp.full_like(logits, -jnp.inf).at[order].set(ranked)


def choose(
    logits: Float[Array, " V"],
    key: Key[Array, ""],
    temperature: float | Array,
    top_p: float | Array = 1.0,
    top_k: int | Array = 0,
) -> Int[Array, ""]:
    """The next token of one row; temperature 0 takes the most likely."""
    warm = logits / jnp.maximum(temperature, 1e-6)
    drawn = jax.random.categorical(key, keep_likely(warm, top_p, top_k))
    return jnp.where(temperature == 0, jnp.argmax(logits), drawn)
