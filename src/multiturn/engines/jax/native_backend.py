"""The decoder's native CPU kernels as a `Backend`."""

from __future__ import annotations

from dataclasses import dataclass

from jax import Array

from multiturn.models.cache import KVCache
from multiturn.models.config import DecoderConfig
from multiturn.models.native.decoder import Precision, empty_cache, extend, logits_of

__all__ = ["NativeBackend"]


@dataclass(frozen=True)
class NativeBackend:
    """`models.native`: the whole stack of layers as one call. The weights are the decoder's number.

    Rows at rest cost nothing, and sums have one order whatever stands beside them, so it is
    seamless and needs few sizes.

    Args:
        config: of the model.
        precision: of the packed weights.
        pieces: see `Backend`.
        batches: see `Backend`.
    """

    config: DecoderConfig
    precision: Precision
    pieces: tuple[int, ...] = (8, 64, 256)
    batches: tuple[int, ...] = (1, 8, 64)
    slot_axis: int = 3
    seamless: bool = True

    def empty(self, rows: int, capacity: int) -> KVCache:
        """Zeros in the native layout."""
        return empty_cache(self.config, rows, capacity, self.precision)

    def extend(
        self, weights: Array, tokens: Array, counts: Array, cache: KVCache
    ) -> tuple[Array, KVCache]:
        """See `models.native.decoder.extend`."""
        return extend(weights, tokens, counts, cache, self.config)

    def logits(self, weights: Array, hidden: Array) -> Array:
        """See `models.native.decoder.logits_of`."""
        return logits_of(weights, hidden, self.config)
