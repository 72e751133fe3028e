"""Rotary positions, for both ways of pairing dimensions."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from multiturn.models.config import RopePairs, Rotary

__all__ = ["rope_frequencies", "apply_rope"]


def rope_frequencies(
    positions: Int[Array, "B T"], rotary: Rotary
) -> tuple[Float[Array, "B T 1 R/2"], Float[Array, "B T 1 R/2"]]:
    """Cosine and sine of ``position / base ** (2 i / size)``, in float32."""
    exponent = jnp.arange(0, rotary.size, 2, dtype=jnp.float32) / rotary.size
    frequency = 1.0 / (rotary.base**exponent)
    scaled = positions.astype(jnp.float32) / rotary.scaling
    angle = scaled[:, :, None, None] * frequency
    return jnp.cos(angle), jnp.sin(angle)


def apply_rope(
    x: Float[Array, "B T N H"],
    cos: Float[Array, "B T 1 R/2"],
    sin: Float[Array, "B T 1 R/2"],
    rotary: Rotary,
) -> Float[Array, "B T N H"]:
    """Turn each pair of the first `rotary.size` dimensions of every head by its angle.

    Computed in float32 and returned in the type of `x`.
    """
    turned, kept = x[..., : rotary.size].astype(jnp.float32), x[..., rotary.size :]
    half = rotary.size // 2
    if rotary.pairs is RopePairs.INTERLEAVED:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., :half], turned[..., half:]
    pair = (first * cos - second * sin, second * cos + first * sin)
    if rotary.pairs is RopePairs.INTERLEAVED:
        turned = jnp.stack(pair, axis=-1).reshape(turned.shape)
    else:
        turned = jnp.concatenate(pair, axis=-1)
    return jnp.concatenate((turned.astype(x.dtype), kept), axis=-1)
