"""The naive generator and the choice of tokens."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.core.errors import ContextOverflowError, InputError
from multiturn.models.generate import generate_naively
from multiturn.models.sampling import choose, keep_likely, sampling_key

LOGITS = jnp.log(jnp.array([0.1, 0.4, 0.05, 0.3, 0.15]))


@pytest.mark.parametrize(
    ("top_p", "top_k", "kept"),
    [
        (1.0, 0, {0, 1, 2, 3, 4}),
        (1.0, 2, {1, 3}),
        (1.0, 9, {0, 1, 2, 3, 4}),
        (0.39, 0, {1}),
        (0.41, 0, {1, 3}),
        (0.71, 0, {1, 3, 4}),
        (0.01, 0, {1}),
        (0.9, 2, {1, 3}),
        (0.5, 2, {1}),
    ],
)
def test_what_is_kept(top_p: float, top_k: int, kept: set[int]) -> None:
    """The last two: the nucleus is taken of what top-k left, where token 1 has 4/7."""
    left = keep_likely(LOGITS, top_p, top_k)
    assert {int(i) for i in jnp.flatnonzero(jnp.isfinite(left))} == kept
    np.testing.assert_array_equal(left[jnp.array(sorted(kept))], LOGITS[jnp.array(sorted(kept))])


def test_equally_likely_tokens_rank_by_id() -> None:
    left = keep_likely(jnp.zeros(5), 1.0, 2)
    assert jnp.flatnonzero(jnp.isfinite(left)).tolist() == [0, 1]


def test_samples_have_the_right_frequencies() -> None:
    keys = jax.vmap(lambda position: sampling_key(3, position))(jnp.arange(20_000))
    drawn = jax.vmap(lambda key: choose(LOGITS, key, 1.0))(keys)
    frequencies = np.bincount(drawn, minlength=5) / 20_000
    np.testing.assert_allclose(frequencies, jnp.exp(LOGITS), atol=0.02)


def test_temperature_sharpens() -> None:
    keys = jax.vmap(lambda position: sampling_key(3, position))(jnp.arange(20_000))
    drawn = jax.vmap(lambda key: choose(LOGITS, key, 0.5))(keys)
    expected = np.exp(2 * LOGITS) / np.exp(2 * LOGITS).sum()
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 20_000, expected, atol=0.02)


def test_temperature_zero_is_greedy() -> None:
    assert int(choose(LOGITS, sampling_key(0, 0), 0.0)) == 1


def test_sampling_is_of_the_seed(family) -> None:
    def sample(seed: int) -> list[int]:
        return generate_naively(
            family.parameters, family.config, [1, 2, 3], max_tokens=12, temperature=1.0, seed=seed
        )

    assert sample(1) == sample(1)
    assert len({tuple(sample(seed)) for seed in range(4)}) == 4


def test_top_k_of_one_is_greedy(family) -> None:
    greedy = generate_naively(family.parameters, family.config, [5], max_tokens=8)
    forced = generate_naively(
        family.parameters, family.config, [5], max_tokens=8, temperature=1.0, top_k=1, seed=9
    )
    assert greedy == forced


@pytest.mark.parametrize("prompt", [[], [-1], [128]])
def test_bad_prompts_are_refused(family, prompt: list[int]) -> None:
    with pytest.raises(InputError):
        generate_naively(family.parameters, family.config, prompt, max_tokens=1)


def test_a_prompt_over_the_context_is_refused(family) -> None:
    with pytest.raises(ContextOverflowError, match="256"):
        generate_naively(family.parameters, family.config, [1] * 250, max_tokens=7)
