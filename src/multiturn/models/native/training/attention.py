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
    """`models.attention.attend` under a causal mask, and inside documents where given.

    The scores never stand whole, and are float32. Needs `load_training_kernels`.
    """
    documents = jnp.zeros((0,), jnp.int32) if segments is None else segments
    mixed: Array = _attention(query, key, value, documents)
    return mixed


@jax.custom_vjp
def _attention(query: Array, key: Array, value: Array, documents: Array) -> Array:
    return _forward(query, key, value, documents)[0]


def _forward(query: Array, key: Array, value: Array, documents: Array) -> tuple[Array, Any]:
    batch, length, heads, _ = query.shape
    made = (_like(query), _shaped((batch, heads, length), jnp.float32))
    call: Any = jax.ffi.ffi_call(ATTENTION, made)
    mixed, normalizer = call(query, key, value, documents)
    return mixed, (query, key, value, documents, mixed, normalizer)


def _backward(kept: Any, change: Array) -> tuple[Any, ...]:
    query, key, value, documents, _, _ = kept
    call: Any = jax.ffi.ffi_call(ATTENTION_GRADIENT, (_like(query), _like(key), _like(value)))
    nothing = np.zeros(documents.shape, jax.dtypes.float0)
    return (*call(*kept, change), nothing)


def _like(array: Array) -> Any:
    return _shaped(array.shape, array.dtype)


def _shaped(shape: tuple[int, ...], dtype: Any) -> Any:
    make: Any = jax.ShapeDtypeStruct
    return make(shape, dtype)


_attention.defvjp(_forward, _backward)
