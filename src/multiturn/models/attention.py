"""Scaled dot-product attention, with a choice of kernels."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

__all__ = ["Kernel", "attend", "causal_mask"]

_MASKED_SCORE = -1e30
"""Its softmax weight is 0; unlike -inf it gives no NaN in a fully masked row."""

Kernel = Literal["auto", "plain", "fused"]
"""``plain`` materializes the scores in float32; ``fused`` is `jax.nn.dot_product_attention`, which
uses a flash attention kernel where the accelerator has one. ``auto`` is fused for half precision
on an accelerator, and plain elsewhere."""


def causal_mask(
    query_positions: Int[Array, "B T"], key_positions: Int[Array, "B S"] | Int[Array, "1 S"]
) -> Bool[Array, "B T S"]:
    """True where a query may attend to a key: at its own position and before."""
    return key_positions[:, None, :] <= query_positions[:, :, None]


def attend(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S K H"],
    value: Float[Array, "B S K H"],
    mask: Bool[Array, "B T S"],
    kernel: Kernel = "auto",
) -> Float[Array, "B T N H"]:
    """``softmax(q k / sqrt(H)) v``, each key head shared by N/K consecutive query heads."""
    if kernel == "auto":
        half = query.dtype in (jnp.bfloat16, jnp.float16)
        kernel = "fused" if half and jax.default_backend() != "cpu" else "plain"
    if kernel == "fused":
        fused: Array = jax.nn.dot_product_attention(query, key, value, mask=mask[:, None])
        return fused
    return _plain(query, key, value, mask)


def _plain(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S K H"],
    value: Float[Array, "B S K H"],
    mask: Bool[Array, "B T S"],
) -> Float[Array, "B T N H"]:
    batch, tokens, heads, size = query.shape
    kv_heads = key.shape[2]
    grouped = query.reshape(batch, tokens, kv_heads, heads // kv_heads, size)
    # As in CodeGen, scores are computed in float32 in half-precision models too.
    scores = jnp.einsum(
        "btkgh,bskh->bkgts",
        grouped.astype(jnp.float32),
        key.astype(jnp.float32),
        precision=jax.lax.Precision.HIGHEST,
    ) * (size**-0.5)
    scores = jnp.where(mask[:, None, None], scores, _MASKED_SCORE)
    weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    attention_out = jnp.einsum(
        "bkgts,bskh->btkgh", weights, value, precision=jax.lax.Precision.HIGHEST
    )
    return attention_out.reshape(batch, tokens, heads, size)
