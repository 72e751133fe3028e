"""The seam between the sampler and what computes the model: `Backend`.

The sampler decides which rows read which tokens, and when; a backend only computes. It is
a bundle of pure functions over JAX arrays, called inside the sampler's own `jax.jit`, so a
backend may be plain XLA (`XlaBackend` here) or kernels of its own reached by `jax.ffi`.
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
from jaxtyping import Bool, Float, Int

from multiturn.models.attention import Kernel
from multiturn.models.cache import KVCache, empty_cache
from multiturn.models.config import DecoderConfig
from multiturn.models.decoder import forward_with_cache, unembed
from multiturn.models.parameters import Parameters
from multiturn.models.sampling import log_probabilities, sample_batch

__all__ = ["Backend", "RowOptions", "XlaBackend"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowOptions:
    """How the next token of each row is chosen; see `models.sampling.sample_batch`."""

    temperature: Float[Array, " B"]
    top_p: Float[Array, " B"]
    top_k: Int[Array, " B"]
    scored: Bool[Array, " B"]
    """Whether the log-probability is asked for."""


class Backend(Protocol):
    """What computes a model.

    Implementations are hashable (a frozen dataclass without arrays is): a backend is a
    static argument of the sampler's compiled functions. The weights travel apart from it,
    as any pytree of arrays that the methods understand.

    Attributes:
        config: of the model.
        slot_axis: which axis of the cache's keys and values counts the slots (tokens).
            Axis 1 counts the rows. The sampler copies rows and lengthens them by these two
            axes alone; the other axes are the backend's own business.
        pieces: the lengths T that texts are read in, ascending; a piece that is shorter
            is padded to the next of them, or to the last by `read`. Each is one compilation
            for each capacity.
        together: of how many prompts `read` takes a piece at once, ascending from 1.
        seamless: a token's numbers depend, to the last bit, on the tokens before it alone:
            not on how many are read with it (T), on the other rows, on the number of
            rows or on the capacity. If not, `forward_with_cache` must at least give the same
            bits for the same T, wherever a text is cut into pieces of it; the sampler then reads
            prompts in pieces of the last of `pieces` only, and what was decoded token by
            token is read again before another request builds on it.
        batches: the numbers of rows that decoding uses, ascending.
    """

    @property
    def config(self) -> DecoderConfig: ...

    @property
    def slot_axis(self) -> int: ...

    @property
    def pieces(self) -> tuple[int, ...]: ...

    @property
    def batches(self) -> tuple[int, ...]: ...

    @property
    def together(self) -> tuple[int, ...]: ...

    @property
    def seamless(self) -> bool: ...

    def empty(self, rows: int, capacity: int) -> KVCache:
        """A cache of `rows` rows with room for `capacity` tokens each (a multiple of 64)."""
        ...

    def forward_with_cache(
        self,
        weights: Any,
        tokens: Int[Array, "B T"],
        counts: Int[Array, " B"],
        cache: KVCache,
    ) -> tuple[Float[Array, "B T D"], KVCache]:
        """Read more tokens of each row: the meaning of `models.decoder.forward_with_cache`.

        B is one (a text) or one of `batches` with T = 1 (decoding). A row with count 0
        stays as it is and may be skipped; its hidden state then means nothing, but is finite.
        Lengths never exceed the capacity. The cache is donated: change it in place.
        """
        ...

    def read(
        self,
        weights: Any,
        tokens: Int[Array, "R T"],
        counts: Int[Array, " R"],
        caches: tuple[KVCache, ...],
    ) -> tuple[KVCache, ...]:
        """`forward_with_cache` for R prompts, each with a one-row cache; returns no states.

        R is one of `together`, T the last of `pieces`.
        """
        ...

    def room(self, rows: int) -> Array:
        """Memory that `logits` may use, kept from step to step: see there."""
        ...

    def logits(
        self, weights: Any, hidden: Float[Array, "B D"], room: Array | None = None
    ) -> tuple[Float[Array, "B V"], Array | None]:
        """The output head on normed states, in float32; and the room for the next time.

        Where the logits are tens of megabytes, fresh memory in each step costs a tenth of its
        time, a fault for each page. The room is donated: the logits may be written over it.
        """
        ...

    def choose(
        self,
        weights: Any,
        logits: Float[Array, "B V"],
        uniforms: Float[Array, " B"],
        options: RowOptions,
    ) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
        """The next token of each row: the meaning of `models.sampling.sample_batch`.

        And its log-probability, which means nothing where the options do not ask for it.
        """
        ...


@dataclass(frozen=True)
class XlaBackend:
    """`models.decoder` as XLA compiles it, on any device or several.

    Measured on the CPU: pieces of one length give the same bits wherever a text is cut and
    whatever the capacity, but pieces of different lengths do not. So there is one length.

    Args:
        config: of the model.
        dtype: of the keys and values.
        kernel: of the attention.
        mesh: where the weights are split by `models.sharding.TENSOR_PARALLEL`; the cache is
            then split by heads as they are.
        pieces: see `Backend`.
        together: see `Backend`. Prompts read side by side would have other bits than alone.
        batches: see `Backend`.
    """

    config: DecoderConfig
    dtype: DTypeLike = jnp.float32
    kernel: Kernel = "auto"
    mesh: Mesh | None = None
    pieces: tuple[int, ...] = (32,)
    together: tuple[int, ...] = (1,)
    batches: tuple[int, ...] = (1, 4, 16, 64)
    slot_axis: int = 2
    seamless: bool = False

    def empty(self, rows: int, capacity: int) -> KVCache:
        """Zeros, on the devices that will use them."""
        cache = empty_cache(self.config, rows, capacity, self.dtype)
        if self.mesh is None:
            return cache
        specification: Any = PartitionSpec
        constrain: Any = jax.lax.with_sharding_constraint
        heads = NamedSharding(self.mesh, specification(None, None, None, "model"))
        whole = NamedSharding(self.mesh, specification())
        placed: KVCache = constrain(cache, KVCache(keys=heads, values=heads, lengths=whole))  # type: ignore[arg-type]
        return placed

    def forward_with_cache(
        self, weights: Parameters, tokens: Array, counts: Array, cache: KVCache
    ) -> tuple[Array, KVCache]:
        """See `models.decoder.forward_with_cache`."""
        return forward_with_cache(weights, tokens, counts, cache, self.config, kernel=self.kernel)

    def read(
        self, weights: Parameters, tokens: Array, counts: Array, caches: tuple[KVCache, ...]
    ) -> tuple[KVCache, ...]:
        """See `Backend`."""
        (cache,) = caches
        _, cache = self.forward_with_cache(weights, tokens, counts, cache)
        return (cache,)

    def room(self, rows: int) -> Array:
        """None is needed: XLA writes where it likes."""
        return jnp.zeros((rows, 0), jnp.float32)

    def logits(
        self, weights: Parameters, hidden: Array, room: Array | None = None
    ) -> tuple[Array, Array | None]:
        """See `models.decoder.unembed`."""
        return unembed(weights, hidden), room

    def choose(
        self, weights: Parameters, logits: Array, uniforms: Array, options: RowOptions
    ) -> tuple[Array, Array]:
        """See `Backend`."""
        del weights
        token = sample_batch(logits, uniforms, options.temperature, options.top_p, options.top_k)
        logprob: Array = jax.lax.cond(
            jnp.any(options.scored),
            lambda: log_probabilities(logits, token),
            lambda: jnp.zeros(len(token), jnp.float32),
        )
        return token, logprob
