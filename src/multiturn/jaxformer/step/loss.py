"""Next-token loss over a large vocabulary, without the logits ever standing whole.

    loss = -log p(target) + z * logZ^2

The second term (z-loss, PaLM, arXiv 2204.02311) keeps the softmax's normalizer Z near 1.

For 51,200 entries the logits of one sequence of 2,048 tokens take 400 MiB in float32, as
their gradient does. So the tokens are taken a slice at a time, and each slice's gradient is
made at once, while its logits are at hand: nothing is kept for the backward pass but the
gradients themselves, and no product is computed twice.
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from multiturn.models.native.training.matmul import matmul
from multiturn.models.parameters import Parameters

__all__ = ["next_token_loss", "num_chunks", "token_losses"]


def next_token_loss(
    parameters: Parameters,
    hidden: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    weights: Float[Array, "B T"],
    *,
    z_loss: float = 0.0,
    slices: int = 1,
    native: bool = False,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The weighted sums over all tokens, in float32; the caller divides by the weights' sum.

    Args:
        parameters: of the model; its head, or its embedding where tied, is read.
        hidden: the normed states of `hidden_states`.
        targets: the token that follows each.
        weights: how much each counts; 0 leaves it out.
        z_loss: the factor of logZ^2.
        slices: in how many parts the tokens are taken; must divide T.
        native: compute products by `models.native.training`.

    Returns:
        The loss with its z-term, to differentiate; and the cross-entropy alone, to report,
        through which no gradient flows.
    """
    head, bias = _head(parameters)
    total, entropy = _chunked_loss(hidden, head, bias, targets, weights, z_loss, slices, native)
    return total, jax.lax.stop_gradient(entropy)


def token_losses(
    parameters: Parameters,
    hidden: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    *,
    slices: int = 1,
    native: bool = False,
) -> Float[Array, "B T"]:
    """The cross-entropy of each target, in float32, for evaluation."""
    head, bias = _head(parameters)

    def one(part: Any) -> Array:
        x, target = part
        return _chunk_cross_entropy(x, head, bias, target, native)[2]

    found = jax.lax.map(one, _parts((hidden, targets), slices))
    return jnp.moveaxis(found, 0, 2).reshape(targets.shape)


def num_chunks(rows: int, length: int, vocab: int, *, most_bytes: int = 2**27) -> int:
    """The fewest slices, a divisor of `length`, whose float32 logits take `most_bytes` at most.

    Example:
        >>> slices_for(1, 2048, 51200)
        4
    """
    wanted = math.ceil(rows * length * vocab * 4 / most_bytes)
    return next(n for n in range(1, length + 1) if length % n == 0 and (n >= wanted or n == length))


def _head(parameters: Parameters) -> tuple[Array, Array]:
    """The output head's matrix, and its bias, a scalar 0 where it has none."""
    head = parameters.embedding.T if parameters.head is None else parameters.head
    bias = parameters.head_bias
    return head, jnp.zeros((), jnp.float32) if bias is None else bias


@partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def _chunked_loss(
    hidden: Array,
    head: Array,
    bias: Array,
    targets: Array,
    weights: Array,
    z_loss: float,
    slices: int,
    native: bool,
) -> tuple[Array, Array]:
    def body(sums: tuple[Array, Array], part: Any) -> tuple[tuple[Array, Array], None]:
        x, target, weight = part
        _, log_z, entropy = _chunk_cross_entropy(x, head, bias, target, native)
        total = jnp.sum(weight * (entropy + z_loss * jnp.square(log_z)))
        return (sums[0] + total, sums[1] + jnp.sum(weight * entropy)), None

    zero = jnp.zeros((), jnp.float32)
    sums, _ = jax.lax.scan(body, (zero, zero), _parts((hidden, targets, weights), slices))
    return sums


def _forward(
    hidden: Array,
    head: Array,
    bias: Array,
    targets: Array,
    weights: Array,
    z_loss: float,
    slices: int,
    native: bool,
) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    """As `_chunked_loss`, with the gradients of its first result."""

    def body(carried: Any, part: Any) -> tuple[Any, Array]:
        total, plain, d_head, d_bias = carried
        x, target, weight = part
        logits, log_z, entropy = _chunk_cross_entropy(x, head, bias, target, native)
        total += jnp.sum(weight * (entropy + z_loss * jnp.square(log_z)))
        plain += jnp.sum(weight * entropy)
        # d entropy / d logits = p - onehot;  d logZ^2 / d logits = 2 logZ p.
        scale = (weight * (1 + 2 * z_loss * log_z))[..., None]
        hit = jax.nn.one_hot(target, logits.shape[-1], dtype=jnp.float32)
        d_logits = scale * jnp.exp(logits - log_z[..., None]) - weight[..., None] * hit
        d_bias += jnp.sum(d_logits, axis=(0, 1)) if bias.ndim else 0.0
        narrow = d_logits.astype(x.dtype)
        d_head_here, d_x = _head_gradients(x, head, narrow, native)
        return (total, plain, d_head + d_head_here, d_bias), d_x

    zero = jnp.zeros((), jnp.float32)
    start = (zero, zero, jnp.zeros(head.shape, jnp.float32), jnp.zeros(bias.shape, jnp.float32))
    parts = _parts((hidden, targets, weights), slices)
    (total, plain, d_head, d_bias), d_parts = jax.lax.scan(body, start, parts)
    d_hidden = jnp.moveaxis(d_parts, 0, 2).reshape(hidden.shape)
    return (total, plain), (d_hidden, d_head.astype(head.dtype), d_bias.astype(bias.dtype))


def _backward(
    z_loss: float,
    slices: int,
    native: bool,
    gradients: tuple[Array, ...],
    outer: tuple[Array, Array],
) -> tuple[Any, ...]:
    del z_loss, slices, native
    d_hidden, d_head, d_bias = gradients
    scale = outer[0]
    return (
        d_hidden * scale.astype(d_hidden.dtype),
        d_head * scale.astype(d_head.dtype),
        d_bias * scale.astype(d_bias.dtype),
        None,
        None,
    )


_chunked_loss.defvjp(_forward, _backward)


def _chunk_cross_entropy(
    x: Array, head: Array, bias: Array, target: Array, native: bool
) -> tuple[Array, Array, Array]:
    """The float32 logits of one slice, their log-normalizer, and the cross-entropy."""
    if native:
        logits = matmul(_rows(x), head, dtype=jnp.float32).reshape(*x.shape[:-1], -1)
    else:
        logits = jnp.einsum(
            "btd,dv->btv", x, head, precision=_precision(x), preferred_element_type=jnp.float32
        )
    logits = logits + bias.astype(jnp.float32)
    log_z = jax.nn.logsumexp(logits, axis=-1)
    picked = jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
    return logits, log_z, log_z - picked


def _head_gradients(x: Array, head: Array, d_logits: Array, native: bool) -> tuple[Array, Array]:
    """Of the head, in float32, and of the states, in their type."""
    if native:
        d_rows = _rows(d_logits)
        d_head = matmul(_rows(x), d_rows, transpose_a=True, dtype=jnp.float32)
        return d_head, matmul(d_rows, head, transpose_b=True).reshape(x.shape)
    precision = _precision(x)
    d_head = jnp.einsum(
        "btd,btv->dv", x, d_logits, precision=precision, preferred_element_type=jnp.float32
    )
    return d_head, jnp.einsum("btv,dv->btd", d_logits, head, precision=precision)


def _rows(array: Array) -> Array:
    """[B, T, N] as [B T, N]."""
    return array.reshape(-1, array.shape[-1])


def _parts(arrays: tuple[Array, ...], slices: int) -> tuple[Array, ...]:
    """Each array's tokens dealt out to slices, the slices in front.

    Token t goes to slice t mod `slices`, so that a sequence split over devices gives every
    device its share of every slice.
    """

    def dealt(array: Array) -> Array:
        batch, length, *rest = array.shape
        return jnp.moveaxis(array.reshape(batch, length // slices, slices, *rest), 2, 0)

    return tuple(dealt(array) for array in arrays)


def _precision(x: Array) -> jax.lax.Precision:
    # Accelerators round float32 products to fewer bits unless told not to.
    return jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else jax.lax.Precision.DEFAULT
