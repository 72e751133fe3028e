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

from multiturn.engines.jax.sampling import SamplingParams, sample_with_logprobs
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

    Attributes:
        config: of the model.
        token_axis: the axis of the cache's keys and values that counts tokens. Axis 1 counts
            rows. The engine copies and extends the cache along these two axes; the others
            are the backend's own.
        prefill_chunk_sizes: the lengths T of prefill chunks, ascending. A shorter chunk is padded
            to the next of them, by `prefill` to the last. Each is one compilation for each
            capacity.
        prefill_batch_sizes: how many prompts `prefill` takes in one call, ascending from 1.
        batch_invariant: whether the numbers of a token depend, to the last bit, on the tokens
            before it alone: not on the chunk (T), the other rows, the number of rows or the
            capacity. If not, `forward_with_cache` must give the same bits for the same T at least,
            wherever a text is cut into chunks of it. The engine then prefills in chunks of the
            last size only, and prefills decoded tokens again before another request reuses them.
        decode_batch_sizes: the numbers of rows for decoding, ascending.
    """

    @property
    def config(self) -> DecoderConfig: ...

    @property
    def token_axis(self) -> int: ...

    @property
    def prefill_chunk_sizes(self) -> tuple[int, ...]: ...

    @property
    def prefill_batch_sizes(self) -> tuple[int, ...]: ...

    @property
    def decode_batch_sizes(self) -> tuple[int, ...]: ...

    @property
    def batch_invariant(self) -> bool: ...

    def empty_cache(self, rows: int, capacity: int) -> KVCache:
        """A cache of `rows` rows, each with room for `capacity` tokens (a multiple of 64)."""
        ...

    def forward_with_cache(
        self,
        weights: Any,
        tokens: Int[Array, "B T"],
        counts: Int[Array, " B"],
        cache: KVCache,
    ) -> tuple[Float[Array, "B T D"], KVCache]:
        """`models.decoder.forward_with_cache`.

        B is one (prefill), or one of `decode_batch_sizes` with T = 1. A row with count 0 does
        not change and may be skipped; its hidden state then means nothing, but is finite.
        Lengths never exceed the capacity. The cache is donated: change it in place.
        """
        ...

    def prefill(
        self,
        weights: Any,
        tokens: Int[Array, "R T"],
        counts: Int[Array, " R"],
        caches: tuple[KVCache, ...],
    ) -> tuple[KVCache, ...]:
        """`forward_with_cache` for R prompts, each with a one-row cache; returns no states.

        R is one of `prefill_batch_sizes`, T the last of `prefill_chunk_sizes`.
        """
        ...

    def workspace(self, rows: int) -> Array:
        """Memory that `unembed` reuses from step to step."""
        ...

    def unembed(
        self, weights: Any, hidden: Float[Array, "B D"], workspace: Array | None = None
    ) -> tuple[Float[Array, "B V"], Array | None]:
        """The float32 logits of normed states, and the workspace for the next call.

        The workspace is donated, and the logits may be written over it: tens of megabytes of
        fresh memory would cost a tenth of a step in page faults.
        """
        ...

    def sample(
        self,
        weights: Any,
        logits: Float[Array, "B V"],
        uniforms: Float[Array, " B"],
        params: SamplingParams,
    ) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
        """The next token of each row (see `models.sampling.sample_batch`), and its log-probability.

        A log-probability means nothing in a row that wants none.
        """
        ...


@dataclass(frozen=True)
class XlaBackend:
    """`models.decoder` as XLA compiles it, on one device or several.

    On CPU, chunks of one length give the same bits wherever a text is cut and whatever the
    capacity, but chunks of different lengths do not; so there is one length.

    Args:
        config: of the model.
        dtype: of the keys and values.
        kernel: of the attention.
        mesh: where the weights are sharded by `models.sharding.TENSOR_PARALLEL`; the cache is
            then sharded by heads in the same way.
        prefill_chunk_sizes: see `Backend`.
        prefill_batch_sizes: see `Backend`. Prompts in one call would get other bits than alone.
        decode_batch_sizes: see `Backend`.
    """

    config: DecoderConfig
    dtype: DTypeLike = jnp.float32
    kernel: Kernel = "auto"
    mesh: Mesh | None = None
    prefill_chunk_sizes: tuple[int, ...] = (32,)
    prefill_batch_sizes: tuple[int, ...] = (1,)
    decode_batch_sizes: tuple[int, ...] = (1, 4, 16, 64)
    token_axis: int = 2
    batch_invariant: bool = False

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

    def prefill(
        self, weights: Parameters, tokens: Array, counts: Array, caches: tuple[KVCache, ...]
    ) -> tuple[KVCache, ...]:
        """See `Backend`."""
        (cache,) = caches
        _, cache = self.forward_with_cache(weights, tokens, counts, cache)
        return (cache,)

    def workspace(self, rows: int) -> Array:
        """Empty: XLA allocates its own memory."""
        return jnp.zeros((rows, 0), jnp.float32)

    def unembed(
        self, weights: Parameters, hidden: Array, workspace: Array | None = None
    ) -> tuple[Array, Array | None]:
        """See `models.decoder.unembed`."""
        return unembed(weights, hidden), workspace

    def sample(
        self, weights: Parameters, logits: Array, uniforms: Array, params: SamplingParams
    ) -> tuple[Array, Array]:
        """See `Backend`."""
        del weights
        return sample_with_logprobs(logits, uniforms, params)
