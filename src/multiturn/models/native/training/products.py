"""The product of two matrices on the CPU, and its gradients, which are products as well."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from multiturn.models.native.training.library import PRODUCT

__all__ = ["einsum", "multiply", "product"]


def product(
    a: Float[Array, "I J"],
    b: Float[Array, "P Q"],
    *,
    a_turned: bool = False,
    b_turned: bool = False,
    dtype: DTypeLike | None = None,
) -> Float[Array, "M N"]:
    """``a b``, either of them transposed where it is turned, summed in float32.

    Not differentiable; see `multiply`. Needs `load_training_kernels`.

    Args:
        a: [M, K], or [K, M] if turned; float32 or bfloat16.
        b: [K, N], or [N, K] if turned; of the same type.
        a_turned: whether `a` is transposed.
        b_turned: whether `b` is transposed.
        dtype: of the result; as `a` if None.
    """
    rows, columns = a.shape[a_turned], b.shape[not b_turned]
    shaped: Any = jax.ShapeDtypeStruct
    made = shaped((rows, columns), a.dtype if dtype is None else dtype)
    call: Any = jax.ffi.ffi_call(PRODUCT, made)
    result: Array = call(a, b, a_turned=np.bool_(a_turned), b_turned=np.bool_(b_turned))
    return result


@jax.custom_vjp
def multiply(a: Float[Array, "M K"], b: Float[Array, "K N"]) -> Float[Array, "M N"]:
    """``a b`` in their type, to be differentiated. Needs `load_training_kernels`."""
    return product(a, b)


def _forward(a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(a, b), (a, b)


def _backward(kept: tuple[Array, Array], change: Array) -> tuple[Array, Array]:
    a, b = kept
    return product(change, b, b_turned=True), product(a, change, a_turned=True)


multiply.defvjp(_forward, _backward)


def einsum(layout: str, x: Array, weight: Array, *, precision: Any = None) -> Array:
    """`jnp.einsum` of states with a matrix, by `multiply`.

    Args:
        layout: as ``btd,dnh->btnh``: the axes that both have end those of `x`, begin those of
            `weight`, and are gone in the result.
        x: the states.
        weight: of the same type.
        precision: of no meaning here; sums are float32.
    """
    del precision
    states, matrix, out = layout.replace("->", ",").split(",")
    shared = sum(axis in states for axis in matrix)
    kept = len(states) - shared
    if states[kept:] != matrix[:shared] or out != states[:kept] + matrix[shared:]:
        raise ValueError(f"no product of states with a matrix: {layout}")
    inputs = math.prod(weight.shape[:shared])
    flat = multiply(x.reshape(-1, inputs), weight.reshape(inputs, -1))
    return flat.reshape(*x.shape[:kept], *weight.shape[shared:])
