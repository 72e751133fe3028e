"""What a block computes between its products, on the CPU: one pass over memory each way.

Computed in float32 and rounded once, where XLA rounds bfloat16 after every operation. All need
`load_training_kernels`.
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from multiturn.models.native.training.library import (
    GELU,
    GELU_GRADIENT,
    NORM,
    NORM_GRADIENT,
    ROPE,
    SILU_PRODUCT,
    SILU_PRODUCT_GRADIENT,
)

__all__ = ["gelu", "norm", "rope", "silu_product"]


def gelu(x: Float[Array, "... D"], bias: Float[Array, " D"] | None = None) -> Float[Array, "... D"]:
    """GELU in its tanh form, of ``x + bias``."""
    out: Array = _gelu(x, _or_empty(bias))
    return out


@jax.custom_vjp
def _gelu(x: Array, bias: Array) -> Array:
    return _gelu_forward(x, bias)[0]


def _gelu_forward(x: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return _call(GELU, _like(x))(x, _wide(bias)), (x, bias)


def _gelu_backward(saved: tuple[Array, Array], d_y: Array) -> tuple[Array, Array]:
    x, bias = saved
    d_x, d_bias = _call(GELU_GRADIENT, (_like(x), _sums(bias)))(x, _wide(bias), d_y)
    return d_x, d_bias.astype(bias.dtype)


_gelu.defvjp(_gelu_forward, _gelu_backward)


@jax.custom_vjp
def silu_product(gate: Float[Array, "... D"], up: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """``silu(gate) * up``."""
    return _silu_forward(gate, up)[0]


def _silu_forward(gate: Array, up: Array) -> tuple[Array, tuple[Array, Array]]:
    return _call(SILU_PRODUCT, _like(gate))(gate, up), (gate, up)


def _silu_backward(saved: tuple[Array, Array], d_y: Array) -> tuple[Array, Array]:
    found: tuple[Array, Array] = _call(SILU_PRODUCT_GRADIENT, (_like(saved[0]), _like(saved[1])))(
        *saved, d_y
    )
    return found


silu_product.defvjp(_silu_forward, _silu_backward)


def norm(
    x: Float[Array, "... D"],
    scale: Float[Array, " D"],
    bias: Float[Array, " D"] | None = None,
    *,
    center: bool,
    epsilon: float,
) -> Float[Array, "... D"]:
    """LayerNorm over the last axis, or RMSNorm, which does not centre.

    Args:
        x: float32 or bfloat16.
        scale: of each column.
        bias: of each column; None for none.
        center: subtract the mean of each row first.
        epsilon: added to the variance.
    """
    out: Array = _norm(x, scale, _or_empty(bias), center, epsilon)
    return out


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _norm(x: Array, scale: Array, bias: Array, center: bool, epsilon: float) -> Array:
    return _norm_forward(x, scale, bias, center, epsilon)[0]


def _norm_forward(
    x: Array, scale: Array, bias: Array, center: bool, epsilon: float
) -> tuple[Array, tuple[Array, ...]]:
    of_rows = _shape(x.shape[:-1], jnp.float32)
    call = _call(NORM, (_like(x), of_rows, of_rows))
    y, means, inverses = call(
        x, _wide(scale), _wide(bias), center=np.bool_(center), epsilon=np.float32(epsilon)
    )
    return y, (x, scale, bias, means, inverses)


def _norm_backward(
    center: bool, epsilon: float, saved: tuple[Array, ...], d_y: Array
) -> tuple[Array, Array, Array]:
    del epsilon
    x, scale, bias, means, inverses = saved
    call = _call(NORM_GRADIENT, (_like(x), _sums(scale), _sums(bias)))
    d_x, d_scale, d_bias = call(x, _wide(scale), means, inverses, d_y, center=np.bool_(center))
    return d_x, d_scale.astype(scale.dtype), d_bias.astype(bias.dtype)


_norm.defvjp(_norm_forward, _norm_backward)


def rope(
    x: Float[Array, "B T N H"],
    cos: Float[Array, "T R/2"],
    sin: Float[Array, "T R/2"],
    *,
    interleaved: bool,
) -> Float[Array, "B T N H"]:
    """`models.rotary.apply_rope` for sequences that all begin at the same position.

    Args:
        x: float32 or bfloat16.
        cos: of each position and pair; without a gradient.
        sin: likewise.
        interleaved: pairs are neighbours; otherwise dimension i and i + R/2.
    """
    out: Array = _rope(x, cos, sin, interleaved)
    return out


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _rope(x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
    return _rotated(x, cos, sin, interleaved, backwards=False)


def _rotated(x: Array, cos: Array, sin: Array, interleaved: bool, *, backwards: bool) -> Array:
    y: Array = _call(ROPE, _like(x))(
        x, cos, sin, interleaved=np.bool_(interleaved), backwards=np.bool_(backwards)
    )
    return y


def _rope_forward(
    x: Array, cos: Array, sin: Array, interleaved: bool
) -> tuple[Array, tuple[Array, Array]]:
    return _rope(x, cos, sin, interleaved), (cos, sin)


def _rope_backward(
    interleaved: bool, saved: tuple[Array, Array], d_y: Array
) -> tuple[Array, None, None]:
    return _rotated(d_y, *saved, interleaved, backwards=True), None, None


_rope.defvjp(_rope_forward, _rope_backward)


def _call(name: str, results: Any) -> Any:
    return jax.ffi.ffi_call(name, results)


def _like(array: Array) -> Any:
    return _shape(array.shape, array.dtype)


def _sums(array: Array) -> Any:
    """The gradient of a vector, in float32."""
    return _shape(array.shape, jnp.float32)


def _shape(shape: tuple[int, ...], dtype: Any) -> Any:
    struct: Any = jax.ShapeDtypeStruct
    return struct(shape, dtype)


def _wide(vector: Array) -> Array:
    return vector.astype(jnp.float32)


def _or_empty(bias: Array | None) -> Array:
    """A vector without numbers stands for no bias."""
    return jnp.zeros((0,), jnp.float32) if bias is None else bias
