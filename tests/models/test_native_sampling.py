"""The native sampling: the same tokens are chosen by it as by XLA's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.core.errors import InputError
from multiturn.models.config import codegen_config
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import NativeDecoder
from multiturn.models.native.library import load_library
from multiturn.models.sampling import log_probabilities, sample_batch

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

ROWS = 64
SAMPLE = jax.jit(sample_batch)


@pytest.fixture(scope="module", autouse=True)
def kept_library(module_home: Path) -> None:
    """The library is there before the first test."""
    load_library()


@cache
def decoder(vocab_size: int, threads: int = 1) -> NativeDecoder:
    """Sampling needs no weights."""
    config = codegen_config(
        layers=1, heads=1, head_dim=16, rotary_size=8, vocab_size=vocab_size, max_seq_len=64
    )
    return NativeDecoder(config, "float32", threads=threads)


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
def test_chooses_as_xla_does(kind: str, size: int) -> None:
    random = np.random.default_rng(size)
    logits = np.ascontiguousarray(logits_of_kind(kind, max(size, 4), random)[:, :size])
    if size == 1:
        logits = np.zeros_like(logits)
    temperature = random.choice([0.0, 0.2, 0.8, 1.5], ROWS).astype(np.float32)
    top_p = random.choice([0.3, 0.95, 1.0], ROWS).astype(np.float32)
    top_k = random.choice([0, 1, 40, 300], ROWS).astype(np.int32)
    want = np.arange(ROWS) % 2 == 0
    differ = 0
    for _ in range(4):
        uniforms = random.random(ROWS, np.float32)
        results = [
            decoder(size, threads).sample(
                logits,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                uniforms=uniforms,
                want_logprobs=want,
            )
            for threads in (1, 3)
        ]
        np.testing.assert_array_equal(results[0], results[1])
        tokens, logprobs = results[0]
        plain = np.asarray(SAMPLE(logits, uniforms, temperature, top_p, top_k))
        np.testing.assert_array_equal(tokens[temperature == 0], plain[temperature == 0])
        # Of equal tokens the border of a nucleus may move by one, and with it each draw.
        tolerance = 1 if kind == "equal" else 0
        differ += int((np.abs(tokens - plain) > tolerance).sum())
        expected = np.asarray(log_probabilities(jnp.asarray(logits), jnp.asarray(tokens)))
        np.testing.assert_allclose(logprobs[want], expected[want], atol=2e-5)
        assert not logprobs[~want].any()
    assert differ <= 4  # of 256: sums in another order may move a draw to the next token


@pytest.mark.parametrize("draws", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_wide_nuclei_are_drawn_from_as_well(draws: int) -> None:
    """Beyond the first candidates in every row, beyond the second in some."""
    random = np.random.default_rng(3)
    logits = random.normal(size=(ROWS, 20_003)).astype(np.float32)
    logits *= np.where(np.arange(ROWS) % 2, 3.0, 1.0).astype(np.float32)[:, None]
    ones, off = np.ones(ROWS, np.float32), np.zeros(ROWS, np.int32)
    differ = 0
    for _ in range(draws):
        uniforms = random.random(ROWS, np.float32)
        top_p = random.uniform(0.3, 0.9, ROWS).astype(np.float32)
        tokens, _ = decoder(20_003).sample(
            logits,
            temperature=ones,
            top_p=top_p,
            top_k=off,
            uniforms=uniforms,
            want_logprobs=off,
        )
        differ += int((tokens != np.asarray(SAMPLE(logits, uniforms, ones, top_p, off))).sum())
    assert differ <= 1 + draws // 5  # see above


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [False, True])
def test_logits_that_are_no_numbers_do_no_harm(strange: float, everywhere: bool) -> None:
    """The choice means nothing then, but is a token, the same every time."""
    logits = np.zeros((ROWS, 20_003), np.float32)
    logits[::2] = strange
    logits[1::2, :: 1 if everywhere else 3] = strange
    found = [
        decoder(20_003, threads).sample(
            logits,
            temperature=np.arange(ROWS) % 3,
            top_p=np.where(np.arange(ROWS) % 5, 0.9, 1.0),
            top_k=np.arange(ROWS) % 4 * 50,
            uniforms=np.full(ROWS, 0.99),
            want_logprobs=np.ones(ROWS, bool),
        )
        for threads in (1, 3)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    tokens = found[0][0]
    assert ((tokens >= 0) & (tokens < logits.shape[1])).all()


def test_parameters_of_another_number_of_rows_are_refused() -> None:
    logits = np.zeros((2, 50), np.float32)
    good = {
        "temperature": [0.0, 1.0],
        "top_p": [1.0, 0.9],
        "top_k": [0, 5],
        "uniforms": [0.5, 0.5],
        "want_logprobs": [True, False],
    }
    decoder(50).sample(logits, **good)
    for name in good:
        with pytest.raises(InputError, match=f"{name} has a wrong shape"):
            decoder(50).sample(logits, **(good | {name: [1]}))
    with pytest.raises(InputError, match="logits"):
        decoder(50).sample(logits[:, :7], **good)
