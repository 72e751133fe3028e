"""Keys and values of the tokens read so far, each row with its own length."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from multiturn.models.config import DecoderConfig

__all__ = ["KVCache", "empty_cache", "rewound"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KVCache:
    """Slot s of a row holds the token at position s; slots from `lengths` on are not read.

    A row is rewound by making its length smaller: what lies beyond is written over.
    """

    keys: Float[Array, "L B S K H"]
    values: Float[Array, "L B S K H"]
    lengths: Int[Array, " B"]

    @property
    def capacity(self) -> int:
        """Most tokens a row can hold."""
        return self.keys.shape[2]


def empty_cache(
    config: DecoderConfig, batch: int, capacity: int, dtype: DTypeLike = jnp.float32
) -> KVCache:
    """A cache of `batch` rows that have read nothing."""
    shape = (config.layers, batch, capacity, config.kv_heads, config.head_dim)
    return KVCache(
        keys=jnp.zeros(shape, dtype),
        values=jnp.zeros(shape, dtype),
        lengths=jnp.zeros((batch,), jnp.int32),
    )


def rewound(cache: KVCache, lengths: Int[Array, " B"]) -> KVCache:
    """The cache with each row cut back to at most the given length."""
    return replace(cache, lengths=jnp.minimum(cache.lengths, lengths))
