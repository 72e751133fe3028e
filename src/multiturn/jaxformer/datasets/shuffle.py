"""The shuffle of a run: from the global sample index to the index of a sequence.

Sample g of a run is at position ``g % count`` of epoch ``g // count``; each epoch reads every
sequence once, in its own order. The permutation is a Feistel network with cycle walking (Black
and Rogaway, CT-RSA 2002). Any position is computed independently, so a corpus of a billion
sequences is shuffled without memory or state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["IndexShuffle", "permute_indices"]

_ROUNDS = 6


def permute_indices(positions: Any, count: int, key: tuple[int, int]) -> Any:
    """The image of each position under the permutation of ``range(count)`` with this key.

    Args:
        positions: integers from 0 to below `count`.
        count: size of the permutation.
        key: a seed and the number of the epoch.

    Example:
        >>> sorted(permute_indices(np.arange(5), 5, (0, 0)).tolist())
        [0, 1, 2, 3, 4]
    """
    values = np.asarray(positions, np.uint64)
    half = max((max(count - 1, 1).bit_length() + 1) // 2, 1)
    low = np.uint64((1 << half) - 1)
    # PCG64 seeded through SeedSequence is stable across numpy versions.
    keys = np.random.PCG64(np.random.SeedSequence(key)).random_raw(_ROUNDS)
    walked = _feistel(values, np.uint64(half), low, keys)
    outside = walked >= count
    while outside.any():
        walked[outside] = _feistel(walked[outside], np.uint64(half), low, keys)
        outside = walked >= count
    return walked.astype(np.int64)


def _feistel(values: Any, half: Any, low: Any, keys: Any) -> Any:
    left, right = values >> half, values & low
    for key in keys:
        left, right = right, left ^ (_mix(right, key) & low)
    return (left << half) | right


def _mix(values: Any, key: Any) -> Any:
    """The 64-bit finalizer of MurmurHash3; products wrap around."""
    with np.errstate(over="ignore"):
        x = values + np.uint64(key)
        x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        return x ^ (x >> np.uint64(33))


@dataclass(frozen=True, slots=True)
class IndexShuffle:
    """The sequences of each batch of a run.

    Attributes:
        count: number of sequences in the dataset.
        batch: sequences in a global batch.
        seed: of the shuffle.
        skip: batches to leave out, as (first, last) numbers.
    """

    count: int
    batch: int
    seed: int
    skip: tuple[tuple[int, int], ...] = ()

    def next_batch(self, batch: int) -> int:
        """`batch`, or the first batch after it that is not skipped."""
        for first, last in sorted(self.skip):
            if first <= batch <= last:
                batch = last + 1
        return batch

    def sequences(self, batch: int, rows: Sequence[int] | range | None = None) -> list[int]:
        """The indexes of the sequences in a batch, or in some of its rows."""
        rows = range(self.batch) if rows is None else rows
        samples = np.asarray(rows, np.int64) + batch * self.batch
        epochs, positions = np.divmod(samples, self.count)
        found = np.empty_like(positions)
        for epoch in np.unique(epochs):
            rows_of = epochs == epoch
            found[rows_of] = permute_indices(
                positions[rows_of], self.count, (self.seed, int(epoch))
            )
        return [int(index) for index in found]
