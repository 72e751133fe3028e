"""RoPE, rotary position embedding, for both pairings of dimensions."""

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
    """Cosine and sine of ``position / (scaling * base ** (2 i / size))``, in float32."""
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
    """Rotate each pair among the first `rotary.size` dimensions of every head by its angle.

    Computed in float32, rerotated in the dtype of `x`.
    """
    rotated, rest = x[..., : rotary.size].astype(jnp.float32), x[..., rotary.size :]
    half = rotary.size // 2
    if rotary.pairs is RopePairs.INTERLEAVED:
        first, second = rotated[..., 0::2], rotated[..., 1::2]
    else:
        first, second = rotated[..., :half], rotated[..., half:]
    pair = (first * cos - second * sin, second * cos + first * sin)
    if rotary.pairs is RopePairs.INTERLEAVED:
        rotated = jnp.stack(pair, axis=-1).reshape(rotated.shape)
    else:
        rotated = jnp.concatenate(pair, axis=-1)
    return jnp.concatenate((rotated.astype(x.dtype), rest), axis=-1)
