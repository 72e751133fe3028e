"""The product of two matrices on the CPU; its gradients are such products as well."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from multiturn.models.native.training.library import MATMUL

__all__ = ["differentiable_matmul", "einsum", "matmul"]


def matmul(
    a: Float[Array, "I J"],
    b: Float[Array, "P Q"],
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    dtype: DTypeLike | None = None,
) -> Float[Array, "M N"]:
    """``a @ b``, summed in float32, with `a` or `b` or both transposed first.

    Not differentiable; see `differentiable_matmul`. Needs `load_training_kernels`.

    Args:
        a: [M, K], or [K, M] if transposed; float32 or bfloat16.
        b: [K, N], or [N, K] if transposed; of the same type.
        transpose_a: whether `a` is transposed.
        transpose_b: whether `b` is transposed.
        dtype: of the result; that of `a` if None.
    """
    rows, columns = a.shape[transpose_a], b.shape[not transpose_b]
    struct: Any = jax.ShapeDtypeStruct
    out = struct((rows, columns), a.dtype if dtype is None else dtype)
    call: Any = jax.ffi.ffi_call(MATMUL, out)
    result: Array = call(a, b, transpose_a=np.bool_(transpose_a), transpose_b=np.bool_(transpose_b))
    return result


@jax.custom_vjp
def differentiable_matmul(a: Float[Array, "M K"], b: Float[Array, "K N"]) -> Float[Array, "M N"]:
    """``a @ b`` in the type of both, with a gradient. Needs `load_training_kernels`."""
    return matmul(a, b)


def _forward(a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return matmul(a, b), (a, b)


def _backward(saved: tuple[Array, Array], d_out: Array) -> tuple[Array, Array]:
    a, b = saved
    return matmul(d_out, b, transpose_b=True), matmul(a, d_out, transpose_a=True)


differentiable_matmul.defvjp(_forward, _backward)


def einsum(layout: str, x: Array, weight: Array, *, precision: Any = None) -> Array:
    """`jnp.einsum` of activations with a weight matrix, by `differentiable_matmul`.

    Args:
        layout: for example ``btd,dnh->btnh``. The axes to sum over must be the last of `x` and
            the first of `weight`.
        x: the activations.
        weight: of the same type.
        precision: ignored; sums are float32.
    """
    del precision
    x_axes, weight_axes, out = layout.replace("->", ",").split(",")
    summed = sum(axis in x_axes for axis in weight_axes)
    outer = len(x_axes) - summed
    if x_axes[outer:] != weight_axes[:summed] or out != x_axes[:outer] + weight_axes[summed:]:
        raise ValueError(f"not a product of activations with a weight matrix: {layout}")
    inputs = math.prod(weight.shape[:summed])
    flat = differentiable_matmul(x.reshape(-1, inputs), weight.reshape(inputs, -1))
    return flat.reshape(*x.shape[:outer], *weight.shape[summed:])
