"""Hashes as reproducible random numbers: they depend on their arguments alone."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["mix64", "seeded_hash"]

Numbers = np.ndarray[Any, Any]

_STEP = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, which spreads neighbouring seeds."""


def mix64(values: Numbers) -> Numbers:
    """The finalizer of MurmurHash3: each bit of the result depends on all bits of the value."""
    with np.errstate(over="ignore"):
        x: Numbers = values ^ (values >> np.uint64(33))
        x = x * np.uint64(0xFF51AFD7ED558CCD)
        x ^= x >> np.uint64(33)
        x *= np.uint64(0xC4CEB9FE1A85EC53)
        x ^= x >> np.uint64(33)
        return x


def seeded_hash(seed: int, number: int) -> int:
    """A 64-bit hash of a seed and a number, to be used as a random number."""
    start = np.array([seed & (1 << 64) - 1], np.uint64)
    with np.errstate(over="ignore"):
        return int(mix64(mix64(start + np.uint64(_STEP)) + np.uint64(number))[0])
