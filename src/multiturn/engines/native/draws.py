"""The random number of each token: a function of its request's seed and its position alone.

The same numbers as `jax.random.uniform(jax.random.fold_in(jax.random.key(seed), position))`, so
that samples are comparable between engines. The generator is Threefry-2x32 with 20 rounds (Salmon
et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["uniform_draws"]

Words = np.ndarray[Any, np.dtype[np.uint32]]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def uniform_draws(seed: int, positions: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """One number in [0, 1) for each position.

    Args:
        seed: below 2**32.
        positions: of the tokens, from 0; an integer or an array of them.
    """
    where = np.atleast_1d(np.asarray(positions, np.uint32))
    zero, key = np.zeros_like(where), np.full_like(where, seed)
    first, second = _threefry((zero, key), (zero, where))
    one, other = _threefry((first, second), (zero, zero))
    # 23 random bits are the fraction of a number in [1, 2).
    bits = ((one ^ other) >> np.uint32(9)) | np.uint32(0x3F800000)
    return bits.view(np.float32) - np.float32(1)


def _threefry(key: tuple[Words, Words], counter: tuple[Words, Words]) -> tuple[Words, Words]:
    keys = (*key, key[0] ^ key[1] ^ _PARITY)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = (y << np.uint32(rotation)) | (y >> np.uint32(32 - rotation))
            y = y ^ x
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y
