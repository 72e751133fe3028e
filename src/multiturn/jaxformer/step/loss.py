"""Chunked cross-entropy: the next-token loss without materializing all logits.

    loss = -log p(target) + z * logZ^2

The second term (z-loss, PaLM, arXiv 2204.02311) keeps the softmax's normalizer Z near 1.

With 51,200 vocabulary entries the logits of one sequence of 2,048 tokens take 400 MiB in
float32, and so does their gradient. The tokens are therefore processed in chunks. The forward
pass computes the gradient of each chunk while its logits exist, so the backward pass needs only
the gradients, and no product is computed twice.
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

from multiturn.models.native.training.cross_entropy import cross_entropy
from multiturn.models.native.training.matmul import matmul
from multiturn.models.parameters import Parameters

__all__ = ["next_token_loss", "num_chunks", "token_losses"]


def next_token_loss(
    parameters: Parameters,
    hidden: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    loss_mask: Float[Array, "B T"],
    *,
    z_loss: float = 0.0,
    chunks: int = 1,
    native: bool = False,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The masked sums over all tokens, in float32; the caller divides by the sum of `loss_mask`.

    Args:
        parameters: of the model; its head, or its embedding where tied, is read.
        hidden: the normalized states of `hidden_states`.
        targets: the token that follows each.
        loss_mask: how much each target counts; 0 leaves it out.
        z_loss: the factor of logZ^2.
        chunks: in how many parts the tokens are processed; must divide T.
        native: compute products by `models.native.training`.

    Returns:
        The loss with the z-loss, to differentiate; and the cross-entropy alone, to report,
        without a gradient.
    """
    head, bias = _head(parameters)
    total, entropy = _chunked_loss(hidden, head, bias, targets, loss_mask, z_loss, chunks, native)
    return total, jax.lax.stop_gradient(entropy)


def token_losses(
    parameters: Parameters,
    hidden: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    *,
    chunks: int = 1,
    native: bool = False,
) -> Float[Array, "B T"]:
    """The cross-entropy of each target, in float32, for evaluation."""
    head, bias = _head(parameters)

    def one(part: Any) -> Array:
        x, target = part
        return _chunk_cross_entropy(x, head, bias, target, native)[2]

    found = jax.lax.map(one, _split_tokens((hidden, targets), chunks))
    return jnp.moveaxis(found, 0, 2).reshape(targets.shape)


def num_chunks(rows: int, length: int, vocab: int, *, max_bytes: int = 2**27) -> int:
    """The fewest chunks, dividing `length`, whose float32 logits take at most `max_bytes`.

    Example:
        >>> num_chunks(1, 2048, 51200)
        4
    """
    wanted = math.ceil(rows * length * vocab * 4 / max_bytes)
    return next(n for n in range(1, length + 1) if length % n == 0 and (n >= wanted or n == length))


def _head(parameters: Parameters) -> tuple[Array, Array]:
    """The output head's matrix and bias; the bias is a scalar 0 where the model has none."""
    head = parameters.embedding.T if parameters.head is None else parameters.head
    bias = parameters.head_bias
    return head, jnp.zeros((), jnp.float32) if bias is None else bias


@partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def _chunked_loss(
    hidden: Array,
    head: Array,
    bias: Array,
    targets: Array,
    loss_mask: Array,
    z_loss: float,
    chunks: int,
    native: bool,
) -> tuple[Array, Array]:
    def body(sums: tuple[Array, Array], part: Any) -> tuple[tuple[Array, Array], None]:
        x, target, weight = part
        _, log_z, entropy = _chunk_cross_entropy(x, head, bias, target, native)
        total = jnp.sum(weight * (entropy + z_loss * jnp.square(log_z)))
        return (sums[0] + total, sums[1] + jnp.sum(weight * entropy)), None

    zero = jnp.zeros((), jnp.float32)
    sums, _ = jax.lax.scan(body, (zero, zero), _split_tokens((hidden, targets, loss_mask), chunks))
    return sums


def _forward(
    hidden: Array,
    head: Array,
    bias: Array,
    targets: Array,
    loss_mask: Array,
    z_loss: float,
    chunks: int,
    native: bool,
) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    """`_chunked_loss`, with the gradients of its first result."""

    def body(carried: Any, part: Any) -> tuple[Any, Array]:
        total, plain, d_head, d_bias = carried
        x, target, weight = part
        of_chunk = _native_logit_gradients if native else _logit_gradients
        entropy, log_z, d_logits, d_bias_chunk = of_chunk(x, head, bias, target, weight, z_loss)
        total += jnp.sum(weight * (entropy + z_loss * jnp.square(log_z)))
        plain += jnp.sum(weight * entropy)
        d_head_chunk, d_x = _head_gradients(x, head, d_logits, native)
        return (total, plain, d_head + d_head_chunk, d_bias + d_bias_chunk), d_x

    zero = jnp.zeros((), jnp.float32)
    start = (zero, zero, jnp.zeros(head.shape, jnp.float32), jnp.zeros(bias.shape, jnp.float32))
    parts = _split_tokens((hidden, targets, loss_mask), chunks)
    (total, plain, d_head, d_bias), d_split_tokens = jax.lax.scan(body, start, parts)
    d_hidden = jnp.moveaxis(d_split_tokens, 0, 2).reshape(hidden.shape)
    return (total, plain), (d_hidden, d_head.astype(head.dtype), d_bias.astype(bias.dtype))


def _backward(
    z_loss: float,
    chunks: int,
    native: bool,
    gradients: tuple[Array, ...],
    outer: tuple[Array, Array],
) -> tuple[Any, ...]:
    del z_loss, chunks, native
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
    """The float32 logits of one chunk, their logsumexp, and the cross-entropy."""
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


def _logit_gradients(
    x: Array, head: Array, bias: Array, target: Array, weight: Array, z_loss: float
) -> tuple[Array, Array, Array, Array]:
    """The cross-entropy and logZ of a chunk, and the gradients of its logits and of the bias."""
    logits, log_z, entropy = _chunk_cross_entropy(x, head, bias, target, native=False)
    # d entropy / d logits = p - onehot;  d logZ^2 / d logits = 2 logZ p.
    scale = (weight * (1 + 2 * z_loss * log_z))[..., None]
    hit = jax.nn.one_hot(target, logits.shape[-1], dtype=jnp.float32)
    d_logits = scale * jnp.exp(logits - log_z[..., None]) - weight[..., None] * hit
    d_bias = jnp.sum(d_logits, axis=(0, 1)) if bias.ndim else jnp.zeros((), jnp.float32)
    return entropy, log_z, d_logits.astype(x.dtype), d_bias


def _native_logit_gradients(
    x: Array, head: Array, bias: Array, target: Array, weight: Array, z_loss: float
) -> tuple[Array, Array, Array, Array]:
    """The same with native kernels."""
    logits = matmul(_rows(x), head, dtype=jnp.float32)
    entropy, log_z, d_logits, d_bias = cross_entropy(
        logits, bias if bias.ndim else None, target.ravel(), weight.ravel(), z_loss=z_loss,
        dtype=x.dtype,
    )  # fmt: skip
    return (
        entropy.reshape(target.shape),
        log_z.reshape(target.shape),
        d_logits.reshape(*target.shape, -1),
        d_bias if bias.ndim else jnp.zeros((), jnp.float32),
    )


def _head_gradients(x: Array, head: Array, d_logits: Array, native: bool) -> tuple[Array, Array]:
    """The gradients of the head, in float32, and of the states, in their dtype."""
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
    """Reshapes [B, T, N] to [B T, N]."""
    return array.reshape(-1, array.shape[-1])


def _split_tokens(arrays: tuple[Array, ...], chunks: int) -> tuple[Array, ...]:
    """Arrays split into chunks of tokens, the chunk axis first.

    Token t goes to chunk t mod `chunks`: with a sequence sharded over devices, every device has
    a share of every chunk.
    """

    def split(array: Array) -> Array:
        batch, length, *rest = array.shape
        return jnp.moveaxis(array.reshape(batch, length // chunks, chunks, *rest), 2, 0)

    return tuple(split(array) for array in arrays)


def _precision(x: Array) -> jax.lax.Precision:
    # By default, accelerators compute float32 products with fewer bits.
    return jax.lax.Precision.HIGHEST if x.dtype == jnp.float32 else jax.lax.Precision.DEFAULT
