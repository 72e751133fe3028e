"""The cross-entropy of logits and its gradient, on the CPU, in one pass over the logits."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from multiturn.models.native.training.library import CROSS_ENTROPY

__all__ = ["cross_entropy"]


def cross_entropy(
    logits: Float[Array, "M V"],
    bias: Float[Array, " V"] | None,
    targets: Int[Array, " M"],
    weights: Float[Array, " M"],
    *,
    z_loss: float,
    dtype: DTypeLike,
) -> tuple[Float[Array, " M"], Float[Array, " M"], Float[Array, "M V"], Float[Array, " V"]]:
    """The loss ``sum of weights * (logZ - logits[target] + z_loss * logZ**2)`` and its gradient.

    Not differentiable: it is its own gradient. Needs `load_training_kernels`.

    Args:
        logits: float32, without the bias.
        bias: is added to the logits; None for none.
        targets: the column of each row that counts. Another number has no entropy: NaN.
        weights: of the rows.
        z_loss: the factor of logZ^2.
        dtype: of the gradient of the logits, float32 or bfloat16.

    Returns:
        The cross-entropy and logZ of each row, and the gradients of the loss with respect to the
        logits, and to the bias in float32; without a bias the last is empty.
    """
    struct: Any = jax.ShapeDtypeStruct
    wide = jnp.zeros((0,), jnp.float32) if bias is None else bias.astype(jnp.float32)
    of_rows = struct(targets.shape, jnp.float32)
    call: Any = jax.ffi.ffi_call(
        CROSS_ENTROPY,
        (of_rows, of_rows, struct(logits.shape, dtype), struct(wide.shape, jnp.float32)),
    )
    found: tuple[Array, Array, Array, Array] = call(
        logits, wide, targets, weights, z_loss=np.float32(z_loss)
    )
    return found
