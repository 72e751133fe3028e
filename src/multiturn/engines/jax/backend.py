"""What computes the model: the `Backend` protocol, and its implementation by XLA.

The scheduler decides which tokens are computed, and when; a backend only computes. It is a set
of pure functions over JAX arrays, called inside the engine's own `jax.jit`.
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from multiturn.models.attention import Kernel
from multiturn.models.cache import KVCache, empty_cache
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import forward_with_cache, unembed
from multiturn.models.parameters import Parameters

__all__ = ["Backend", "XlaBackend"]


class Backend(Protocol):
    """What computes a model.

    Implementations are hashable (a frozen dataclass without arrays is), because a backend is a
    static argument of compiled functions. The weights are passed beside it, as any pytree of
    arrays that its methods understand.

    The numbers of a token may depend, in their last bits, on the number of tokens and of rows that
    are computed with it, but not on the place where a text is cut into chunks of one size, nor on
    the capacity. So the engine prefills in chunks of one size, one prompt in each call, and
    prefills decoded tokens again before another request reuses them.

    Attributes:
        prefill_chunk_size: the number T of tokens in a prefill chunk; a shorter one is padded.
        decode_batch_sizes: the numbers of rows for decoding, ascending.
    """

    @property
    def prefill_chunk_size(self) -> int: ...

    @property
    def decode_batch_sizes(self) -> tuple[int, ...]: ...

    def empty_cache(self, rows: int, capacity: int) -> KVCache:
        """A cache of `rows` rows, each with room for `capacity` tokens."""
        ...

    def forward_with_cache(
        self,
        weights: Any,
        tokens: Int[Array, "B T"],
        counts: Int[Array, " B"],
        cache: KVCache,
    ) -> tuple[Float[Array, "B T D"], KVCache]:
        """`models.decoder.forward_with_cache`.

        B is one and T is `prefill_chunk_size`, or B is one of `decode_batch_sizes` and T is one.
        A row with count 0 does not change; its hidden state means nothing, but is finite.
        Lengths never exceed the capacity. The cache is donated.
        """
        ...

    def unembed(self, weights: Any, hidden: Float[Array, "B D"]) -> Float[Array, "B V"]:
        """The float32 logits of normalized states."""
        ...


@dataclass(frozen=True)
class XlaBackend:
    """`models.decoder` as XLA compiles it, on one device or several.

    Args:
        config: of the model.
        dtype: of the keys and values.
        kernel: of the attention.
        mesh: where the weights are sharded by `models.sharding.TENSOR_PARALLEL`; the cache is
            then sharded by heads in the same way.
        prefill_chunk_size: see `Backend`.
        decode_batch_sizes: see `Backend`.
    """

    config: DecoderConfig
    dtype: DTypeLike = jnp.float32
    kernel: Kernel = "auto"
    mesh: Mesh | None = None
    prefill_chunk_size: int = 32
    decode_batch_sizes: tuple[int, ...] = (1, 4, 16, 64)

    def empty_cache(self, rows: int, capacity: int) -> KVCache:
        """Zeros, on the devices that will use them."""
        cache = empty_cache(self.config, rows, capacity, self.dtype)
        if self.mesh is None:
            return cache
        specification: Any = PartitionSpec
        constrain: Any = jax.lax.with_sharding_constraint
        heads = NamedSharding(self.mesh, specification(None, None, None, "model"))
        replicated = NamedSharding(self.mesh, specification())
        shardings = KVCache(keys=heads, values=heads, lengths=replicated)  # type: ignore[arg-type]
        sharded: KVCache = constrain(cache, shardings)
        return sharded

    def forward_with_cache(
        self, weights: Parameters, tokens: Array, counts: Array, cache: KVCache
    ) -> tuple[Array, KVCache]:
        """See `models.decoder.forward_with_cache`."""
        return forward_with_cache(weights, tokens, counts, cache, self.config, kernel=self.kernel)

    def unembed(self, weights: Parameters, hidden: Array) -> Array:
        """See `models.decoder.unembed`."""
        return unembed(weights, hidden)
