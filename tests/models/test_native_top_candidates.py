"""The native ranking of logits: the same tokens are chosen by it as by XLA's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.models.arrays import initialize
from multiturn.models.config import codegen_config
from multiturn.models.native import decoder as native
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import NativeDecoder
from multiturn.models.parameters import parameter_specs
from multiturn.models.sampling import log_probabilities, sample_batch
from multiturn.models.sampling import top_candidates as top_candidates_by_xla

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

ROWS = 64
TOP_CANDIDATES = jax.jit(native.top_candidates)
RANK_BY_XLA = jax.jit(top_candidates_by_xla)
SAMPLE = jax.jit(sample_batch)


@pytest.fixture(scope="module")
def decoders(module_home: Path) -> Iterator[list[NativeDecoder]]:
    """Of one thread and of three: nothing may depend on that."""
    config = codegen_config(
        layers=1, heads=1, head_dim=16, rotary_size=8, vocab_size=64, max_seq_len=64
    )
    parameters = initialize(parameter_specs(config), seed=0)
    made = [NativeDecoder.pack(parameters, config, threads=count) for count in (1, 3)]
    yield made
    for decoder in made:
        decoder.close()


def logits_of_kind(kind: str, size: int, random: np.random.Generator) -> np.ndarray:
    """Rows as models write them, and as they never do."""
    wide = random.normal(size=(ROWS, size)).astype(np.float32)
    if kind == "peaked":
        return 4 * wide
    if kind == "tied":
        return np.round(4 * wide)
    if kind == "equal":
        return np.zeros_like(wide)
    if kind == "masked":
        wide[random.random(wide.shape) < 0.99] = -np.inf
        wide[:, 3] = 0.0
        return 3 * wide
    raise AssertionError(kind)


@pytest.mark.parametrize("size", [1, 50, 1000, 20_003])
@pytest.mark.parametrize("kind", ["peaked", "tied", "equal", "masked"])
def test_chooses_as_xla_does(decoders: list[NativeDecoder], kind: str, size: int) -> None:
    random = np.random.default_rng(size)
    logits = jnp.asarray(logits_of_kind(kind, max(size, 4), random)[:, :size])
    if size == 1:
        logits = jnp.zeros_like(logits)
    temperature = jnp.asarray(random.choice([0.0, 0.2, 0.8, 1.5], ROWS), jnp.float32)
    top_p = jnp.asarray(random.choice([0.3, 0.95, 1.0], ROWS), jnp.float32)
    top_k = jnp.asarray(random.choice([0, 1, 40, 300], ROWS), jnp.int32)
    filtered = (temperature > 0) & ((top_p < 1) | (top_k > 0))
    scale = 1 / jnp.maximum(temperature, 1e-6)
    want_logprobs = jnp.arange(ROWS) % 2 == 0
    results = [
        TOP_CANDIDATES(one.handle, logits, scale, filtered, want_logprobs) for one in decoders
    ]
    jax.tree.map(np.testing.assert_array_equal, *results)
    candidates, total = results[0]

    ordered = RANK_BY_XLA(logits, scale)
    wanted = np.asarray(filtered)
    np.testing.assert_array_equal(candidates.values[wanted], ordered.values[wanted])
    np.testing.assert_array_equal(candidates.values[:, 0], logits.max(1))
    np.testing.assert_array_equal(candidates.ids[:, 0], logits.argmax(1))
    np.testing.assert_allclose(
        candidates.logsumexp[wanted], ordered.logsumexp[wanted], rtol=1e-6, atol=2e-5
    )
    for draw in range(4):
        uniforms = jax.random.uniform(jax.random.key(draw), (ROWS,))
        plain = SAMPLE(logits, uniforms, temperature, top_p, top_k)
        token = SAMPLE(logits, uniforms, temperature, top_p, top_k, candidates)
        np.testing.assert_array_equal(token, plain)
    logprobs = np.take_along_axis(np.asarray(logits), np.asarray(token)[:, None], 1)[:, 0] - total
    odd = np.asarray(want_logprobs)
    np.testing.assert_allclose(logprobs[odd], log_probabilities(logits, token)[odd], atol=2e-5)
    assert not np.asarray(total)[~odd].any()


@pytest.mark.parametrize("draws", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_more_candidates_spare_the_sort_and_draw_the_same(
    decoders: list[NativeDecoder], draws: int
) -> None:
    """Wide nuclei: beyond the first candidates in every row, beyond the second in some."""
    random = np.random.default_rng(3)
    logits = jnp.asarray(random.normal(size=(ROWS, 20_003)).astype(np.float32))
    logits *= jnp.where(jnp.arange(ROWS) % 2, 3.0, 1.0)[:, None]
    ones = jnp.ones(ROWS, jnp.float32)
    yes, off = jnp.ones(ROWS, bool), jnp.zeros(ROWS, jnp.int32)

    @jax.jit
    def choose(uniforms: Any, top_p: Any) -> Any:
        handle = decoders[0].handle
        candidates, _ = native.top_candidates(handle, logits, ones, yes, ~yes)

        def more(row: Any) -> Any:
            one = logits[row][None]
            return native.top_candidates(handle, one, ones[:1], yes[:1], ~yes[:1], 2048)[0]

        return sample_batch(logits, uniforms, ones, top_p, off, candidates, more)

    differ = 0
    for draw in range(draws):
        uniforms = jax.random.uniform(jax.random.key(draw), (ROWS,))
        top_p = jnp.asarray(random.uniform(0.3, 0.9, ROWS), jnp.float32)
        wanted = SAMPLE(logits, uniforms, ones, top_p, off)
        differ += int((choose(uniforms, top_p) != wanted).sum())
    assert differ <= 1  # of up to 1,280: sums in another order may move a draw to the next token


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_do_no_harm(
    decoders: list[NativeDecoder], strange: float
) -> None:
    """The choice means nothing then, but is a token, the same every time."""
    logits = np.zeros((ROWS, 20_003), np.float32)
    logits[::2] = strange
    logits[1::2, ::3] = strange
    yes: Any = jnp.ones(ROWS, bool)
    found = [
        TOP_CANDIDATES(one.handle, jnp.asarray(logits), jnp.ones(ROWS), yes, yes)
        for one in decoders
    ]
    jax.tree.map(np.testing.assert_array_equal, *found)
    ids = np.asarray(found[0][0].ids)
    assert ((ids >= 0) & (ids < logits.shape[1])).all()


@pytest.mark.slow
def test_a_hundred_thousand_draws(decoders: list[NativeDecoder]) -> None:
    """Totals differ by rounding, so a border of the nucleus may move: hardly ever."""
    random = np.random.default_rng(5)
    differ = draws = 0
    for handle in range(1600):
        if handle % 100 == 0:
            kind = ("peaked", "tied", "masked")[handle // 100 % 3]
            logits = jnp.asarray(logits_of_kind(kind, 20_003, random))
        temperature = jnp.full(ROWS, random.choice([0.2, 0.8, 1.0]), jnp.float32)
        top_p = jnp.asarray(random.uniform(0.2, 0.99, ROWS), jnp.float32)
        off = jnp.zeros(ROWS, jnp.int32)
        uniforms = jnp.asarray(random.random(ROWS), jnp.float32) * (1 - 2**-24)
        on = temperature > 0
        candidates, _ = TOP_CANDIDATES(decoders[0].handle, logits, 1 / temperature, on, ~on)
        token = SAMPLE(logits, uniforms, temperature, top_p, off, candidates)
        differ += int((token != SAMPLE(logits, uniforms, temperature, top_p, off)).sum())
        draws += ROWS
    print(f"{differ} of {draws} draws differ")
    assert draws > 100_000
    assert differ <= 1
