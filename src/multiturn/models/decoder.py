"""The forward pass, as functions of parameters and tokens."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from multiturn.models.attention import Kernel, attend, causal_mask
from multiturn.models.block_operations import NATIVE_OPERATIONS, XLA_OPERATIONS, BlockOperations
from multiturn.models.cache import KVCache
from multiturn.models.config import DecoderConfig
from multiturn.models.lora import project
from multiturn.models.native.training.attention import causal_attention
from multiturn.models.parameters import Layers, Parameters
from multiturn.models.rotary import rope_frequencies

__all__ = ["forward_with_cache", "forward", "hidden_states", "unembed"]

Attend = Callable[[Array, Array, Array], tuple[Array, Any]]
"""Queries, keys and values of the new tokens -> attention output, and a carry."""


def _unconstrained(x: Array) -> Array:
    return x


def forward(
    parameters: Parameters,
    tokens: Int[Array, "B T"],
    config: DecoderConfig,
    *,
    kernel: Kernel = "auto",
) -> Float[Array, "B T V"]:
    """The logits after each token of a batch of sequences.

    Rows may be padded on the right: attention is causal, so padding does not affect earlier
    positions.

    Args:
        parameters: of the model.
        tokens: ids, shape (batch, length).
        config: of the model.
        kernel: the attention kernel; ``auto`` chooses one for the device.

    Returns:
        float32 logits, shape (batch, length, vocabulary).
    """
    hidden = hidden_states(parameters, tokens, config, kernel=kernel)
    return unembed(parameters, hidden)


def hidden_states(
    parameters: Parameters,
    tokens: Int[Array, "B T"],
    config: DecoderConfig,
    *,
    kernel: Kernel = "auto",
    segments: Int[Array, "B T"] | None = None,
    rematerialize: bool | Callable[..., Any] = False,
    unroll: bool | int = 1,
    constrain: Callable[[Array], Array] = _unconstrained,
    native: bool = False,
) -> Float[Array, "B T D"]:
    """The normed states before the output head, for full sequences.

    Args:
        parameters: of the model.
        tokens: of full sequences.
        config: of the model.
        kernel: of the attention.
        segments: the document of each token, for intra-document masking. Positions need not
            restart: RoPE depends on distances alone.
        rematerialize: save only the input of each block for the backward pass, and recompute the
            rest (gradient checkpointing); or a policy of `jax.checkpoint_policies`.
        unroll: how many blocks one iteration of the scan has; True is all.
        constrain: applies a sharding constraint to the residual stream between blocks.
        native: compute with `native.training`, whose kernels must be loaded, on one CPU device;
            `kernel` is then ignored.
    """
    batch, length = tokens.shape
    positions = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), (batch, length))
    mask = causal_mask(positions[:1], positions[:1])
    if segments is not None:
        mask = mask & (segments[:, :, None] == segments[:, None, :])
    mask = jnp.broadcast_to(mask, (batch, length, length))
    cos, sin = rope_frequencies(positions, config.rotary)
    operations = NATIVE_OPERATIONS if native else XLA_OPERATIONS

    def step(x: Array, layer: Layers) -> tuple[Array, None]:
        def full_attention(query: Array, key: Array, value: Array) -> tuple[Array, None]:
            if native:
                return causal_attention(query, key, value, segments), None
            return attend(query, key, value, mask, kernel), None

        x, _ = _block(x, layer, config, cos, sin, full_attention, operations)
        return constrain(x), None

    if rematerialize:
        step = jax.checkpoint(step, policy=rematerialize if callable(rematerialize) else None)
    x = constrain(jnp.take(parameters.embedding, tokens, axis=0))
    x, _ = jax.lax.scan(step, x, parameters.layers, unroll=unroll)
    return operations.norm(x, parameters.final_norm_scale, parameters.final_norm_bias, config)


def forward_with_cache(
    parameters: Parameters,
    tokens: Int[Array, "B T"],
    counts: Int[Array, " B"],
    cache: KVCache,
    config: DecoderConfig,
    *,
    kernel: Kernel = "auto",
) -> tuple[Float[Array, "B T D"], KVCache]:
    """Compute the next tokens of each row, after those in the cache.

    Args:
        parameters: of the model.
        tokens: the next ones of each row, padded on the right.
        counts: how many tokens of each row are real; a row with 0 does not change.
        cache: of the tokens before; donate it to update it in place.
        config: of the model.
        kernel: of the attention.

    Returns:
        The normed states for `unembed` (those of padding mean nothing), and the cache extended
        by `counts`. Tokens beyond its capacity are dropped: the caller ensures the capacity.
    """
    batch, length = tokens.shape
    positions = cache.lengths[:, None] + jnp.arange(length, dtype=jnp.int32)
    slots = jnp.arange(cache.capacity, dtype=jnp.int32)[None]
    mask = causal_mask(positions, slots)
    cos, sin = rope_frequencies(positions, config.rotary)
    rows = jnp.arange(batch)[:, None]

    def step(carry: tuple[Array, Array, Array], this: tuple[Array, Layers]) -> tuple[Any, None]:
        x, keys, values = carry
        index, layer = this

        def cached(query: Array, key: Array, value: Array) -> tuple[Array, tuple[Array, Array]]:
            # Padding writes beyond the row's new length, which is overwritten before it is used;
            # beyond the capacity it is dropped.
            target = keys.at[index, rows, positions]
            new_keys = target.set(key.astype(keys.dtype), mode="drop")
            target = values.at[index, rows, positions]
            new_values = target.set(value.astype(values.dtype), mode="drop")
            attention_out = attend(query, new_keys[index], new_values[index], mask, kernel)
            return attention_out, (new_keys, new_values)

        x, (keys, values) = _block(x, layer, config, cos, sin, cached)
        return (x, keys, values), None

    x = jnp.take(parameters.embedding, tokens, axis=0)
    (x, keys, values), _ = jax.lax.scan(
        step, (x, cache.keys, cache.values), (jnp.arange(config.layers), parameters.layers)
    )
    x = XLA_OPERATIONS.norm(x, parameters.final_norm_scale, parameters.final_norm_bias, config)
    return x, KVCache(keys=keys, values=values, lengths=cache.lengths + counts)


def unembed(parameters: Parameters, hidden: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
    """The float32 logits of normed states."""
    if parameters.head is None:
        weight, layout = parameters.embedding, "...d,vd->...v"
    else:
        weight, layout = parameters.head, "...d,dv->...v"
    logits = jnp.einsum(
        layout,
        hidden,
        weight,
        precision=_precision(hidden),
        preferred_element_type=jnp.float32,
    )
    if parameters.head_bias is not None:
        logits = logits + parameters.head_bias.astype(jnp.float32)
    return logits


def _block(
    x: Float[Array, "B T D"],
    layer: Layers,
    config: DecoderConfig,
    cos: Array,
    sin: Array,
    attention: Attend,
    operations: BlockOperations = XLA_OPERATIONS,
) -> tuple[Float[Array, "B T D"], Any]:
    """One layer, whose arrays have no leading axis."""
    einsum = operations.einsum
    normed = operations.norm(x, layer.norm_scale, layer.norm_bias, config)
    query = _project("btd,dnh->btnh", normed, layer.query, layer.query_bias, einsum)
    key = _project("btd,dkh->btkh", normed, layer.key, layer.key_bias, einsum)
    value = _project("btd,dkh->btkh", normed, layer.value, layer.value_bias, einsum)
    query = operations.rope(query, cos, sin, config.rotary)
    key = operations.rope(key, cos, sin, config.rotary)
    heads_out, carried = attention(query, key, value)
    attention_out = _project("btnh,nhd->btd", heads_out, layer.attention_out, None, einsum)
    if config.parallel_residual:
        return attention_out + _feed_forward(normed, layer, operations) + x, carried
    x = x + attention_out
    if layer.mlp_norm_scale is None:
        raise ValueError("a sequential block needs a norm before its feed-forward")
    normed = operations.norm(x, layer.mlp_norm_scale, layer.mlp_norm_bias, config)
    return x + _feed_forward(normed, layer, operations), carried


def _feed_forward(
    x: Float[Array, "B T D"], layer: Layers, operations: BlockOperations
) -> Float[Array, "B T D"]:
    einsum = operations.einsum
    if layer.gate is None:
        up = _project("btd,df->btf", x, layer.up, None, einsum)
        up = operations.gelu(up, layer.up_bias)
    else:
        up = _project("btd,df->btf", x, layer.up, layer.up_bias, einsum)
        gate = _project("btd,df->btf", x, layer.gate, None, einsum)
        up = operations.silu_product(gate, up)
    return _project("btf,fd->btd", up, layer.down, layer.down_bias, einsum)


def _project(
    layout: str, x: Array, weight: Array, bias: Array | None, einsum: Callable[..., Array]
) -> Array:
    y = project(layout, x, weight, _precision(x), einsum)
    return y if bias is None else y + bias


def _precision(x: Array) -> jax.lax.Precision:
    # Accelerators compute float32 products in fewer bits by default.
    wide = x.dtype == jnp.float32
    return jax.lax.Precision.HIGHEST if wide else jax.lax.Precision.DEFAULT
