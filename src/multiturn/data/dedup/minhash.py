"""MinHash: how alike two texts are, from a few numbers of each.

The similarity of two texts is the share of their runs of tokens that both have (Jaccard). Each
of K random functions on the runs has its least value at the same run in both texts with just
that probability (Broder 1997). K values, cut into B bands of R, make two texts a pair when all
values of some band agree: with probability ``1 - (1 - s^R)^B`` at similarity s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.data.dedup.shingles import shingles_of, tokens_of
from multiturn.data.hashing import mix64

__all__ = ["MinHash"]

Numbers = np.ndarray[Any, Any]

_RUNS_AT_ONCE = 2048
"""Times the functions, four bytes each: what is worked on stays in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinHash:
    """The settings of the search for near-duplicates.

    Attributes:
        run: tokens in a run.
        bands: parts of a signature; more find more pairs.
        rows: values in a band; more find fewer pairs.
        least_tokens: shorter texts are near to none: too many are alike by chance.
        seed: of the functions.
    """

    run: int = 5
    bands: int = 14
    rows: int = 8
    least_tokens: int = 10
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("run", "bands", "rows", "least_tokens"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"MinHash.{name} is too small", got=getattr(self, name), allowed="1 or more"
                )

    def chance(self, similarity: float) -> float:
        """That two texts of this similarity are found.

        Example:
            >>> settings = MinHash()
            >>> [round(settings.chance(s), 3) for s in (0.5, 0.7, 0.8, 0.9)]
            [0.053, 0.565, 0.924, 1.0]
        """
        return float(1 - (1 - similarity**self.rows) ** self.bands)

    def runs(self, content: bytes) -> Numbers:
        """The different runs of a text's tokens as hashes, uint64; empty for a short text."""
        tokens = tokens_of(content).hashes
        if len(tokens) < max(self.least_tokens, self.run):
            return np.empty(0, np.uint64)
        return shingles_of(tokens, self.run)

    def bands_of(self, content: bytes) -> Numbers:
        """A hash for each band of the text's signature, uint64 [bands]; [0] for a short text."""
        runs = self.runs(content)
        if not len(runs):
            return np.empty(0, np.uint64)
        factors, offsets, salts = _functions(self.bands * self.rows, self.bands, self.seed)
        values = (runs >> np.uint64(32)).astype(np.uint32)
        least = np.full(len(factors), np.iinfo(np.uint32).max, np.uint32)
        for first in range(0, len(values), _RUNS_AT_ONCE):
            some = values[None, first : first + _RUNS_AT_ONCE] * factors[:, None]
            some += offsets[:, None]
            np.minimum(least, some.min(axis=1), out=least)
        found = salts.copy()
        with np.errstate(over="ignore"):
            for column in least.reshape(self.bands, self.rows).T:
                found = mix64(found + column)
        return found


@lru_cache(maxsize=4)
def _functions(count: int, bands: int, seed: int) -> tuple[Numbers, Numbers, Numbers]:
    """Factors and offsets modulo 2^32, and a number for each band so that no two agree."""
    drawn = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(2 * count + bands)
    factors = (drawn[:count] >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    offsets = (drawn[count : 2 * count] >> np.uint64(32)).astype(np.uint32)
    return factors, offsets, np.asarray(drawn[2 * count :], np.uint64)
