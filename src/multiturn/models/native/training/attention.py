"""Causal attention on the CPU, block by block, and its gradient."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from multiturn.models.native.training.library import ATTENTION, ATTENTION_GRADIENT

__all__ = ["causal_attention"]


def causal_attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B T K H"],
    value: Float[Array, "B T K H"],
    segments: Int[Array, "B T"] | None = None,
) -> Float[Array, "B T N H"]:
    """`models.attention.attend` under a causal mask, and within `segments` if they are given.

    The scores are float32, and exist for one block at a time. Needs `load_training_kernels`.
    """
    documents = jnp.zeros((0,), jnp.int32) if segments is None else segments
    out: Array = _attention(query, key, value, documents)
    return out


@jax.custom_vjp
def _attention(query: Array, key: Array, value: Array, documents: Array) -> Array:
    return _forward(query, key, value, documents)[0]


def _forward(query: Array, key: Array, value: Array, documents: Array) -> tuple[Array, Any]:
    batch, length, heads, _ = query.shape
    struct: Any = jax.ShapeDtypeStruct
    logsumexp_shape = struct((batch, heads, length), jnp.float32)
    call: Any = jax.ffi.ffi_call(ATTENTION, (_like(query), logsumexp_shape))
    out, logsumexp = call(query, key, value, documents)
    return out, (query, key, value, documents, out, logsumexp)


def _backward(saved: Any, d_out: Array) -> tuple[Any, ...]:
    query, key, value, documents, _, _ = saved
    call: Any = jax.ffi.ffi_call(ATTENTION_GRADIENT, (_like(query), _like(key), _like(value)))
    no_gradient = np.zeros(documents.shape, jax.dtypes.float0)
    return (*call(*saved, d_out), no_gradient)


def _like(array: Array) -> Any:
    struct: Any = jax.ShapeDtypeStruct
    return struct(array.shape, array.dtype)


_attention.defvjp(_forward, _backward)
