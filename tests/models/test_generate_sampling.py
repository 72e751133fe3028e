"""The reference generator and sampling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.core.errors import ContextOverflowError, InputError
from multiturn.models import sampling
from multiturn.models.generate import generate_reference
from multiturn.models.sampling import log_probabilities, sample, sample_batch, sampling_key

pytestmark = pytest.mark.real

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
    uniforms = jnp.linspace(0, 1, 400, endpoint=False)
    assert set(rows_of(LOGITS, uniforms, 1.0, top_p, top_k).tolist()) == kept


def test_equally_likely_tokens_rank_by_id() -> None:
    uniforms = jnp.linspace(0, 1, 50, endpoint=False)
    assert set(rows_of(jnp.zeros(5), uniforms, 1.0, 1.0, 2).tolist()) == {0, 1}


def rows_of(logits, uniforms, temperature, top_p, top_k):
    """One draw from the same logits for each uniform number."""
    rows = len(uniforms)
    return np.asarray(
        DRAW(
            jnp.broadcast_to(logits, (rows, len(logits))),
            uniforms,
            jnp.full(rows, temperature, jnp.float32),
            jnp.full(rows, top_p, jnp.float32),
            jnp.full(rows, top_k, jnp.int32),
        )
    )


def reference(logits, uniform, temperature, top_p, top_k):
    """The definition in float64, and how near the draw was to another token."""
    wide = np.asarray(logits, np.float64)
    if temperature == 0:
        return int(wide.argmax()), np.inf
    order = np.arange(len(wide))
    if top_p < 1 or top_k > 0:
        order = np.argsort(-wide, kind="stable")
    weights = np.exp((wide[order] - wide.max()) / temperature)
    edge = np.inf
    if top_k > 0:
        weights[top_k:] = 0
    if top_p < 1:
        share = weights / weights.sum()
        before = np.cumsum(share) - share
        edge = np.abs(before[1:] - top_p).min()
        weights[1:][before[1:] >= top_p] = 0
    summed = np.cumsum(weights) / weights.sum()
    edge = min(edge, np.abs(summed - uniform).min())
    return int(order[np.searchsorted(summed, uniform, side="right")]), edge


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    spread=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
    size=st.sampled_from([7, 300, 20_011]),
    coarse=st.booleans(),
)
def test_draws_are_those_of_the_definition(
    seed: int, spread: float, size: int, coarse: bool
) -> None:
    """Rows with all kinds of options side by side, equal logits and wide nuclei among them."""
    random = np.random.default_rng(seed)
    rows = 12
    logits = (random.normal(size=(rows, size)) * spread).astype(np.float32)
    if coarse:
        logits = np.round(logits)
    uniforms = random.random(rows).astype(np.float32)
    temperature = random.choice([0.0, 0.2, 0.8, 1.0, 1.5], rows).astype(np.float32)
    top_p = random.choice([0.1, 0.5, 0.95, 1.0], rows).astype(np.float32)
    top_k = random.choice([0, 0, 1, 40, 127, 128, 129, 5000], rows).astype(np.int32)
    drawn = DRAW(logits, uniforms, temperature, top_p, top_k)
    for row in range(rows):
        expected, edge = reference(
            logits[row], uniforms[row], temperature[row], top_p[row], top_k[row]
        )
        # Where the number falls between two tokens, rounding may decide; nowhere else.
        assert drawn[row] == expected or edge < 1e-5, (row, edge)


DRAW = jax.jit(sample_batch)


def test_most_rows_need_no_sorting_and_some_do() -> None:
    """Both ways are walked by the test above; here they are compared separately."""
    size = 20_011
    peaked = jnp.zeros(size).at[:3].set(20.0)
    logits = jnp.stack([peaked, jnp.zeros(size)])
    half, one = jnp.full(2, 0.5), jnp.ones(2)
    _, sure = sampling._draw_from_candidates(
        sampling.top_candidates(logits, one), half, one, 0.9 * one, jnp.zeros(2, int)
    )
    assert sure.tolist() == [True, False]


def test_log_probabilities_are_of_the_model_itself() -> None:
    logits = jnp.stack([LOGITS, LOGITS * 2])
    found = log_probabilities(logits, jnp.array([3, 1]))
    expected = [np.log(0.3), np.log(0.16 / np.sum(np.exp(2 * np.asarray(LOGITS))))]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_samples_have_the_right_frequencies() -> None:
    keys = jax.vmap(lambda position: sampling_key(3, position))(jnp.arange(4_000))
    drawn = rows_of(LOGITS, jax.vmap(jax.random.uniform)(keys), 1.0, 1.0, 0)
    frequencies = np.bincount(drawn, minlength=5) / 4_000
    np.testing.assert_allclose(frequencies, jnp.exp(LOGITS), atol=0.03)


def test_temperature_sharpens() -> None:
    keys = jax.vmap(lambda position: sampling_key(3, position))(jnp.arange(4_000))
    drawn = rows_of(LOGITS, jax.vmap(jax.random.uniform)(keys), 0.5, 1.0, 0)
    expected = np.exp(2 * LOGITS) / np.exp(2 * LOGITS).sum()
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 4_000, expected, atol=0.03)


def test_temperature_zero_is_greedy() -> None:
    assert int(sample(LOGITS, sampling_key(0, 0), 0.0)) == 1


def test_sampling_is_of_the_seed(family) -> None:
    def sample(seed: int) -> list[int]:
        return generate_reference(
            family.parameters, family.config, [1, 2, 3], max_tokens=12, temperature=1.0, seed=seed
        )

    assert sample(1) == sample(1)
    assert len({tuple(sample(seed)) for seed in range(4)}) == 4


def test_top_k_of_one_is_greedy(family) -> None:
    greedy = generate_reference(family.parameters, family.config, [5], max_tokens=8)
    forced = generate_reference(
        family.parameters, family.config, [5], max_tokens=8, temperature=1.0, top_k=1, seed=9
    )
    assert greedy == forced


@pytest.mark.parametrize("prompt", [[], [-1], [128]])
def test_bad_prompts_are_refused(family, prompt: list[int]) -> None:
    with pytest.raises(InputError):
        generate_reference(family.parameters, family.config, prompt, max_tokens=1)


def test_a_prompt_over_the_context_is_refused(family) -> None:
    with pytest.raises(ContextOverflowError, match="256"):
        generate_reference(family.parameters, family.config, [1] * 250, max_tokens=7)
