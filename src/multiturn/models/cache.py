"""The KV cache: keys and values of earlier tokens, each row with its own length."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from multiturn.models.config import DecoderConfig

__all__ = ["KVCache", "empty_cache"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KVCache:
    """Keys and values by position; positions from `lengths` on are unused.

    Lowering a length rewinds the row: later tokens overwrite what was there.
    """

    keys: Float[Array, "L B S K H"]
    """Shape (layers, batch, capacity, key-value heads, head dim)."""
    values: Float[Array, "L B S K H"]
    """The same shape."""
    lengths: Int[Array, " B"]
    """Number of tokens in each row."""

    @property
    def capacity(self) -> int:
        """How many tokens a row has room for."""
        return self.keys.shape[2]


def empty_cache(
    config: DecoderConfig, batch: int, capacity: int, dtype: DTypeLike = jnp.float32
) -> KVCache:
    """A cache of `batch` rows without tokens."""
    shape = (config.layers, batch, capacity, config.kv_heads, config.head_dim)
    return KVCache(
        keys=jnp.zeros(shape, dtype),
        values=jnp.zeros(shape, dtype),
        lengths=jnp.zeros((batch,), jnp.int32),
    )
