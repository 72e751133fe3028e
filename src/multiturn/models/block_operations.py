"""The operations that a block is made of: by XLA on every device, or by native kernels on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from multiturn.models.config import DecoderConfig, RopePairs, Rotary
from multiturn.models.native.training import elementwise
from multiturn.models.native.training.matmul import einsum as native_einsum
from multiturn.models.rotary import apply_rope

__all__ = ["NATIVE_OPERATIONS", "XLA_OPERATIONS", "BlockOperations"]


@dataclass(frozen=True, slots=True)
class BlockOperations:
    """Operations on the states [B, T, ...] of a batch.

    Attributes:
        einsum: like `jnp.einsum`, of activations with a weight matrix.
        norm: of states over their last axis: ``(x, scale, bias or None, config)``.
        rope: of heads [B, T, N, H], with the cosines and sines of `rope_frequencies`.
        gelu: in its tanh form, of ``x + bias``; the bias may be None.
        silu_product: ``silu(gate) * up``.
    """

    einsum: Callable[..., Array]
    norm: Callable[[Array, Array, Array | None, DecoderConfig], Array]
    rope: Callable[[Array, Array, Array, Rotary], Array]
    gelu: Callable[[Array, Array | None], Array]
    silu_product: Callable[[Array, Array], Array]


def _norm(x: Array, scale: Array, bias: Array | None, config: DecoderConfig) -> Array:
    """LayerNorm or RMSNorm over the last axis, in float32."""
    wide = x.astype(jnp.float32)
    if config.norm == "layer":
        wide = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
    wide = wide * jax.lax.rsqrt(variance + config.norm_eps) * scale.astype(jnp.float32)
    if bias is not None:
        wide = wide + bias.astype(jnp.float32)
    return wide.astype(x.dtype)


def _gelu(x: Array, bias: Array | None) -> Array:
    return jax.nn.gelu(x if bias is None else x + bias, approximate=True)


def _silu_product(gate: Array, up: Array) -> Array:
    return jax.nn.silu(gate) * up


def _native_norm(x: Array, scale: Array, bias: Array | None, config: DecoderConfig) -> Array:
    return elementwise.norm(x, scale, bias, center=config.norm == "layer", epsilon=config.norm_eps)


def _native_rope(x: Array, cos: Array, sin: Array, rotary: Rotary) -> Array:
    # Full sequences begin at the same position, so that all rows have the same angles.
    interleaved = rotary.pairs is RopePairs.INTERLEAVED
    return elementwise.rope(x, cos[0, :, 0], sin[0, :, 0], interleaved=interleaved)


_einsum: Any = jnp.einsum

XLA_OPERATIONS = BlockOperations(
    einsum=_einsum, norm=_norm, rope=apply_rope, gelu=_gelu, silu_product=_silu_product
)

NATIVE_OPERATIONS = BlockOperations(
    einsum=native_einsum,
    norm=_native_norm,
    rope=_native_rope,
    gelu=elementwise.gelu,
    silu_product=elementwise.silu_product,
)
"""They need `load_training_kernels`, and full sequences on one CPU device."""
