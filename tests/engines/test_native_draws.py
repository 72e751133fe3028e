"""The random numbers of tokens: those of JAX, so that samples are comparable between engines."""

from __future__ import annotations

import numpy as np
import pytest

from multiturn.engines.native.draws import uniform_draws

KNOWN = [
    (0, 0, 0.3767422437667847),
    (0, 1, 0.5938860177993774),
    (7, 100, 0.0),
    (2**31 - 1, 32_767, 0.0),
]


@pytest.mark.parametrize("seed", [0, 1, 7, 12_345, 2**31 - 1])
def test_they_are_those_of_jax(seed: int) -> None:
    sampling = pytest.importorskip("multiturn.engines.jax.sampling")
    positions = np.array([*range(300), 32_767, 131_071])
    wanted = np.asarray(sampling.uniform_draws(np.full(len(positions), seed), positions))
    np.testing.assert_array_equal(uniform_draws(seed, positions), wanted)


def test_they_are_uniform_and_independent() -> None:
    draws = np.array([uniform_draws(seed, np.arange(400)) for seed in range(100)])
    assert draws.min() >= 0
    assert draws.max() < 1
    counts, _ = np.histogram(draws, 50, (0, 1))
    assert ((counts - 800) ** 2 / 800).sum() < 95  # chi-square, 49 degrees, p = 1e-4
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]) < 0.02
