"""The decoder against transformers, through golden files (see bench/parity.py)."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.models.cache import empty_cache
from multiturn.models.decoder import forward, forward_with_cache, hidden_states, unembed
from multiturn.models.generate import generate_reference

pytestmark = pytest.mark.real

TOLERANCE = 2e-4

run = jax.jit(forward, static_argnums=2, static_argnames="kernel")
grow = jax.jit(forward_with_cache, static_argnums=4)


def test_logits_agree_with_the_reference(golden) -> None:
    logits = run(golden.parameters, jnp.array([golden.prompt]), golden.config)[0]
    assert np.abs(golden.logits).max() > 1, "logits this small would agree whatever is done"
    np.testing.assert_allclose(logits, golden.logits, atol=TOLERANCE, rtol=0)


def test_greedy_tokens_agree_over_200_steps(golden) -> None:
    assert len(golden.greedy) == 200
    assert len(set(golden.greedy)) > 5
    tokens = generate_reference(golden.parameters, golden.config, golden.prompt, max_tokens=200)
    assert tokens == golden.greedy


@pytest.mark.parametrize("kernel", ["plain", "fused"])
def test_both_kernels_agree_with_the_reference(family, kernel: str) -> None:
    logits = run(family.parameters, jnp.array([family.prompt]), family.config, kernel=kernel)[0]
    np.testing.assert_allclose(logits, family.logits, atol=TOLERANCE, rtol=0)


def test_right_padding_changes_nothing_before_it(family) -> None:
    padded = jnp.array([family.prompt + [0] * 9])
    logits = run(family.parameters, padded, family.config)[0, : len(family.prompt)]
    np.testing.assert_allclose(logits, family.logits, atol=TOLERANCE, rtol=0)


def test_the_cache_gives_what_whole_sequences_give(family) -> None:
    """Rows of different lengths, read in uneven pieces, one of them resting."""
    prompt = family.prompt
    cache = empty_cache(family.config, 3, 40)
    pieces = [[prompt[:7], prompt[:2], []], [prompt[7:8], prompt[2:9], prompt[:4]]]
    for piece in pieces:
        tokens = np.zeros((3, 8), np.int32)
        for row, ids in enumerate(piece):
            tokens[row, : len(ids)] = ids
        counts = jnp.array([len(ids) for ids in piece])
        hidden, cache = grow(family.parameters, tokens, counts, cache, family.config)
    assert cache.lengths.tolist() == [8, 9, 4]
    logits = unembed(family.parameters, hidden)
    last = [logits[row, len(ids) - 1] for row, ids in enumerate(pieces[-1])]
    expected = [family.logits[7], family.logits[8], family.logits[3]]
    np.testing.assert_allclose(last, expected, atol=TOLERANCE, rtol=0)


def test_a_rewound_row_forgets(family) -> None:
    prompt = jnp.array([family.prompt])
    other = (prompt + 1) % family.config.vocab_size
    counts = jnp.array([len(family.prompt)])
    cache = empty_cache(family.config, 1, 64)
    _, cache = grow(family.parameters, prompt, counts, cache, family.config)
    _, cache = grow(family.parameters, other, counts, cache, family.config)
    cache = replace(cache, lengths=jnp.array([10]))
    hidden, _ = grow(family.parameters, prompt[:, 10:], counts - 10, cache, family.config)
    logits = unembed(family.parameters, hidden)[0]
    np.testing.assert_allclose(logits, family.logits[10:], atol=TOLERANCE, rtol=0)


def test_what_does_not_fit_the_cache_is_dropped_and_harms_nothing(family) -> None:
    cache = empty_cache(family.config, 1, 10)
    tokens = jnp.array([family.prompt[:16]])
    hidden, _ = grow(family.parameters, tokens, jnp.array([10]), cache, family.config)
    logits = unembed(family.parameters, hidden)[0, :10]
    np.testing.assert_allclose(logits, family.logits[:10], atol=TOLERANCE, rtol=0)


def test_half_precision_is_near(family) -> None:
    half = jax.tree.map(lambda array: array.astype(jnp.bfloat16), family.parameters)
    logits = run(half, jnp.array([family.prompt]), family.config)[0]
    assert logits.dtype == jnp.float32
    spread = np.abs(family.logits).max()
    assert np.abs(logits - family.logits).max() < 0.08 * spread


@pytest.mark.slow
def test_rematerialized_gradients_are_the_same(family) -> None:
    tokens = jnp.array([family.prompt])

    def loss(parameters, rematerialize):
        hidden = hidden_states(parameters, tokens, family.config, rematerialize=rematerialize)
        return jnp.mean(jnp.square(unembed(parameters, hidden)))

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    plain, again = gradient(family.parameters, False), gradient(family.parameters, True)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(again), strict=True):
        scale = float(jnp.abs(one).max()) + 1e-6
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-4)
