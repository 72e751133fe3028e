"""The order of a run: from the global sample index to the number of a sequence.

Sample g of a run is in pass ``g // count`` at place ``g % count``; each pass reads every
sequence once, in an order of its own. The order is a Feistel network over the numbers
(Black and Rogaway's cycle walking, CT-RSA 2002): any place of it is computed by itself, so
that a corpus of a billion sequences is shuffled with no memory and no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["IndexShuffle", "permute_indices"]

_ROUNDS = 6
_MASK32 = np.uint64(0xFFFFFFFF)


def permute_indices(places: Any, count: int, key: tuple[int, int]) -> Any:
    """Where each of `places` goes in a permutation of ``range(count)`` that `key` names.

    Args:
        places: whole numbers from 0 to below `count`.
        count: how many there are.
        key: a seed and the number of the pass.

    Example:
        >>> sorted(shuffled(np.arange(5), 5, (0, 0)).tolist())
        [0, 1, 2, 3, 4]
    """
    values = np.asarray(places, np.uint64)
    half = max((max(count - 1, 1).bit_length() + 1) // 2, 1)
    low = np.uint64((1 << half) - 1)
    # PCG64 seeded through SeedSequence is stable between versions of numpy.
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
        left, right = right, left ^ (_mixed(right, key) & low)
    return (left << half) | right


def _mixed(values: Any, key: Any) -> Any:
    """The finalizer of MurmurHash3 on 64 bits; products wrap around."""
    with np.errstate(over="ignore"):
        x = values + np.uint64(key)
        x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        return x ^ (x >> np.uint64(33))


@dataclass(frozen=True, slots=True)
class IndexShuffle:
    """Which sequences each batch of a run has.

    Attributes:
        count: of different sequences.
        batch: sequences in a global batch.
        seed: of the shuffles.
        skip: batches left out, as (first, last) numbers.
    """

    count: int
    batch: int
    seed: int
    skip: tuple[tuple[int, int], ...] = ()

    def after(self, batch: int) -> int:
        """The first batch from `batch` on that is not skipped."""
        for first, last in sorted(self.skip):
            if first <= batch <= last:
                batch = last + 1
        return batch

    def sequences(self, batch: int, rows: Sequence[int] | range | None = None) -> list[int]:
        """The numbers of the sequences in a batch, or in some rows of it."""
        rows = range(self.batch) if rows is None else rows
        samples = np.asarray(rows, np.int64) + batch * self.batch
        passes, places = np.divmod(samples, self.count)
        found = np.empty_like(places)
        for number in np.unique(passes):
            here = passes == number
            found[here] = permute_indices(places[here], self.count, (self.seed, int(number)))
        return [int(index) for index in found]
