"""The decoder's native CPU kernels as a `Backend`."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from multiturn.engines.jax.backend import RowOptions
from multiturn.models.cache import KVCache
from multiturn.models.config import DecoderConfig
from multiturn.models.native.decoder import (
    Precision,
    empty_cache,
    forward_with_cache,
    prefill_each,
    top_candidates,
    unembed,
)
from multiturn.models.sampling import TopCandidates, sample_batch

__all__ = ["NativeBackend"]

_MORE_CANDIDATES = 2048
"""Of a row whose nucleus does not lie within the first `sampling.CANDIDATES`."""


@dataclass(frozen=True)
class NativeBackend:
    """`models.native`: the whole stack of layers as one call. The weights are the decoder's number.

    Rows at rest cost nothing, and sums have one order whatever stands beside them, so it is
    seamless and needs few sizes.

    Args:
        config: of the model.
        precision: of the packed weights.
        pieces: see `Backend`.
        together: see `Backend`.
        batches: see `Backend`.
    """

    config: DecoderConfig
    precision: Precision
    pieces: tuple[int, ...] = (8, 64, 256)
    together: tuple[int, ...] = (1, 2, 4, 8, 16)
    batches: tuple[int, ...] = (1, 8, 64)
    slot_axis: int = 3
    seamless: bool = True

    def empty(self, rows: int, capacity: int) -> KVCache:
        """Zeros in the native layout."""
        return empty_cache(self.config, rows, capacity, self.precision)

    def forward_with_cache(
        self, weights: Array, tokens: Array, counts: Array, cache: KVCache
    ) -> tuple[Array, KVCache]:
        """See `models.native.decoder.forward_with_cache`."""
        return forward_with_cache(weights, tokens, counts, cache, self.config)

    def read(
        self, weights: Array, tokens: Array, counts: Array, caches: tuple[KVCache, ...]
    ) -> tuple[KVCache, ...]:
        """See `models.native.decoder.prefill_each`."""
        return prefill_each(weights, tokens, counts, caches)

    def room(self, rows: int) -> Array:
        """The logits' own."""
        return jnp.zeros((rows, self.config.vocab_size), jnp.float32)

    def logits(
        self, weights: Array, hidden: Array, room: Array | None = None
    ) -> tuple[Array, Array | None]:
        """See `models.native.decoder.unembed`."""
        logits = unembed(weights, hidden, self.config, room)
        return logits, logits

    def choose(
        self, weights: Array, logits: Array, uniforms: Array, options: RowOptions
    ) -> tuple[Array, Array]:
        """See `Backend`. What reads all logits is native; the choice among few is XLA's."""
        sampled = options.temperature > 0
        filtered = sampled & ((options.top_p < 1) | (options.top_k > 0))
        scale = 1 / jnp.maximum(options.temperature, 1e-6)
        candidates, total = top_candidates(weights, logits, scale, filtered, options.scored)

        def more_candidates(row: Array) -> TopCandidates:
            yes = jnp.ones(1, bool)
            one = logits[row][None]
            more, _ = top_candidates(weights, one, scale[row][None], yes, ~yes, _MORE_CANDIDATES)
            return more

        token = sample_batch(
            logits,
            uniforms,
            options.temperature,
            options.top_p,
            options.top_k,
            candidates,
            more_candidates,
        )
        return token, jnp.take_along_axis(logits, token[:, None], axis=1)[:, 0] - total
