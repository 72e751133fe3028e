"""The decoder's native CPU kernels as a `Backend`."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from multiturn.engines.jax.sampling import SamplingParams
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
"""For a row whose nucleus does not lie within the first `sampling.CANDIDATES` tokens."""


@dataclass(frozen=True)
class NativeBackend:
    """`models.native`: all layers in one call. The weights are the decoder's number.

    Idle rows cost nothing and sums have one order in any batch, so it is batch-invariant and
    needs few sizes.

    Args:
        config: of the model.
        precision: of the packed weights.
        prefill_chunk_sizes: see `Backend`.
        prefill_batch_sizes: see `Backend`.
        decode_batch_sizes: see `Backend`.
    """

    config: DecoderConfig
    precision: Precision
    prefill_chunk_sizes: tuple[int, ...] = (8, 64, 256)
    prefill_batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16)
    decode_batch_sizes: tuple[int, ...] = (1, 8, 64)
    token_axis: int = 3
    batch_invariant: bool = True

    def empty_cache(self, rows: int, capacity: int) -> KVCache:
        """Zeros in the native layout."""
        return empty_cache(self.config, rows, capacity, self.precision)

    def forward_with_cache(
        self, weights: Array, tokens: Array, counts: Array, cache: KVCache
    ) -> tuple[Array, KVCache]:
        """See `models.native.decoder.forward_with_cache`."""
        return forward_with_cache(weights, tokens, counts, cache, self.config)

    def prefill(
        self, weights: Array, tokens: Array, counts: Array, caches: tuple[KVCache, ...]
    ) -> tuple[KVCache, ...]:
        """See `models.native.decoder.prefill_each`."""
        return prefill_each(weights, tokens, counts, caches)

    def workspace(self, rows: int) -> Array:
        """Memory for the logits."""
        return jnp.zeros((rows, self.config.vocab_size), jnp.float32)

    def unembed(
        self, weights: Array, hidden: Array, workspace: Array | None = None
    ) -> tuple[Array, Array | None]:
        """See `models.native.decoder.unembed`."""
        logits = unembed(weights, hidden, self.config, workspace)
        return logits, logits

    def sample(
        self, weights: Array, logits: Array, uniforms: Array, params: SamplingParams
    ) -> tuple[Array, Array]:
        """See `Backend`. Native code scans all logits; XLA draws among the few candidates."""
        sampled = params.temperature > 0
        filtered = sampled & ((params.top_p < 1) | (params.top_k > 0))
        scale = 1 / jnp.maximum(params.temperature, 1e-6)
        candidates, logsumexp = top_candidates(
            weights, logits, scale, filtered, params.want_logprobs
        )

        def more_candidates(row: Array) -> TopCandidates:
            yes = jnp.ones(1, bool)
            one = logits[row][None]
            more, _ = top_candidates(weights, one, scale[row][None], yes, ~yes, _MORE_CANDIDATES)
            return more

        token = sample_batch(
            logits,
            uniforms,
            params.temperature,
            params.top_p,
            params.top_k,
            candidates,
            more_candidates,
        )
        return token, jnp.take_along_axis(logits, token[:, None], axis=1)[:, 0] - logsumexp
