"""MinHash: the similarity of near-duplicates, from a few numbers of each text.

The similarity of two texts is the Jaccard index of their sets of shingles, which are n-grams of
tokens. Each of K random functions on shingles takes its minimum at the same shingle of both texts
with just that probability (Broder 1997). K values in B bands of R make two texts a pair when all
values of some band agree, with probability ``1 - (1 - s^R)^B`` at similarity s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from multiturn.core.errors import InputError
from multiturn.data.build.fingerprint import formerly
from multiturn.data.dedup.shingles import shingles_of, tokens_of
from multiturn.data.hashing import mix64

__all__ = ["MinHash"]

Numbers = np.ndarray[Any, Any]

_SHINGLES_AT_ONCE = 2048
"""Times the functions, four bytes each, so that the block stays in the cache."""


@formerly(shingle="run", min_tokens="least_tokens")
@dataclass(frozen=True, slots=True, kw_only=True)
class MinHash:
    """The settings of the search for near-duplicates.

    Attributes:
        shingle: tokens in a shingle.
        bands: bands in a signature; more bands find more pairs.
        rows: values in a band; more values find fewer pairs.
        min_tokens: a shorter text has no near-duplicates, because too many match by chance.
        seed: of the functions.

    Raises:
        InputError: a number is too small.
    """

    shingle: int = 5
    bands: int = 14
    rows: int = 8
    min_tokens: int = 10
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("shingle", "bands", "rows", "min_tokens"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"MinHash.{name} is too small", got=getattr(self, name), allowed="1 or more"
                )

    def probability(self, similarity: float) -> float:
        """The probability that two texts of this similarity become a pair.

        Example:
            >>> settings = MinHash()
            >>> [round(settings.probability(s), 3) for s in (0.5, 0.7, 0.8, 0.9)]
            [0.053, 0.565, 0.924, 1.0]
        """
        return float(1 - (1 - similarity**self.rows) ** self.bands)

    def shingles(self, content: bytes) -> Numbers:
        """The hashes of a text's shingles, uint64 [n]; empty for a short text."""
        tokens = tokens_of(content).hashes
        if len(tokens) < max(self.min_tokens, self.shingle):
            return np.empty(0, np.uint64)
        return shingles_of(tokens, self.shingle)

    def bands_of(self, content: bytes) -> Numbers:
        """A hash for each band of the text's signature, uint64 [bands]; [0] for a short text."""
        shingles = self.shingles(content)
        if not len(shingles):
            return np.empty(0, np.uint64)
        factors, offsets, salts = _functions(self.bands * self.rows, self.bands, self.seed)
        values = (shingles >> np.uint64(32)).astype(np.uint32)
        minima = np.full(len(factors), np.iinfo(np.uint32).max, np.uint32)
        for first in range(0, len(values), _SHINGLES_AT_ONCE):
            some = values[None, first : first + _SHINGLES_AT_ONCE] * factors[:, None]
            some += offsets[:, None]
            np.minimum(minima, some.min(axis=1), out=minima)
        found = salts.copy()
        with np.errstate(over="ignore"):
            for column in minima.reshape(self.bands, self.rows).T:
                found = mix64(found + column)
        return found


@lru_cache(maxsize=4)
def _functions(count: int, bands: int, seed: int) -> tuple[Numbers, Numbers, Numbers]:
    """Factors and offsets modulo 2^32, and a number that tells each band from the others."""
    drawn = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(2 * count + bands)
    factors = (drawn[:count] >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    offsets = (drawn[count : 2 * count] >> np.uint64(32)).astype(np.uint32)
    return factors, offsets, np.asarray(drawn[2 * count :], np.uint64)
