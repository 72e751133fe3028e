"""The native activations, norms, rotations and cross-entropy, beside XLA's in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.models.config import RopePairs, Rotary
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.training.cross_entropy import cross_entropy
from multiturn.models.native.training.elementwise import gelu, norm, rope, silu_product
from multiturn.models.native.training.library import load_training_kernels
from multiturn.models.rotary import apply_rope, rope_frequencies
from tests.models.thread_hashes import needs_two_cpus, outputs_by_threads

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

DTYPES: dict[str, Any] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
WIDTHS = st.sampled_from([1, 7, 16, 40, 128])
ROWS = st.sampled_from([(1,), (3, 5), (130,)])


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    load_training_kernels()


def drawn(seed: int, *shape: int, dtype: Any = jnp.float32) -> Any:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def check(native: Callable[..., Any], plain: Callable[..., Any], *arguments: Any) -> None:
    """The values and all gradients of a function are those of another one, in float32."""
    out, back = jax.vjp(native, *arguments)
    wide = [each.astype(jnp.float32) for each in arguments]
    expected, expected_back = jax.vjp(plain, *wide)
    change = drawn(99, *out.shape, dtype=out.dtype)
    found = [out, *back(change)]
    for mine, theirs, like in zip(
        found,
        [expected, *expected_back(change.astype(jnp.float32))],
        [arguments[0], *arguments],
        strict=True,
    ):
        assert mine.dtype == like.dtype
        theirs = np.asarray(theirs, np.float64)
        # One rounding of bfloat16 is 2^-8 of a value.
        relative, absolute = (1e-5, 1e-5) if like.dtype == jnp.float32 else (2**-8, 1e-3)
        np.testing.assert_allclose(
            np.asarray(mine, np.float64), theirs, rtol=relative,
            atol=absolute * max(1.0, float(np.abs(theirs).max())),
        )  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(rows=ROWS, width=WIDTHS, dtype=st.sampled_from(sorted(DTYPES)), biased=st.booleans())
def test_gelu(rows: tuple[int, ...], width: int, dtype: str, biased: bool) -> None:
    x = 3 * drawn(1, *rows, width, dtype=DTYPES[dtype])
    if biased:
        check(
            gelu, lambda x, b: jax.nn.gelu(x + b, approximate=True), x,
            drawn(2, width, dtype=DTYPES[dtype]),
        )  # fmt: skip
    else:
        check(gelu, lambda x: jax.nn.gelu(x, approximate=True), x)


@settings(max_examples=8, deadline=None)
@given(rows=ROWS, width=WIDTHS, dtype=st.sampled_from(sorted(DTYPES)))
def test_silu_product(rows: tuple[int, ...], width: int, dtype: str) -> None:
    gate, up = (2 * drawn(seed, *rows, width, dtype=DTYPES[dtype]) for seed in (1, 2))
    check(silu_product, lambda gate, up: jax.nn.silu(gate) * up, gate, up)


@settings(max_examples=10, deadline=None)
@given(
    rows=ROWS,
    width=st.sampled_from([7, 16, 40, 128]),
    dtype=st.sampled_from(sorted(DTYPES)),
    center=st.booleans(),
    biased=st.booleans(),
)
def test_norm(rows: tuple[int, ...], width: int, dtype: str, center: bool, biased: bool) -> None:
    def plain(x: Any, scale: Any, bias: Any = 0.0) -> Any:
        wide = x - jnp.mean(x, -1, keepdims=True) if center else x
        variance = jnp.mean(wide**2, -1, keepdims=True)
        return wide * jax.lax.rsqrt(variance + 1e-5) * scale + bias

    def native(x: Any, scale: Any, bias: Any = None) -> Any:
        return norm(x, scale, bias, center=center, epsilon=1e-5)

    vectors = [drawn(2, width), drawn(3, width)][: 1 + biased]
    check(native, plain, drawn(1, *rows, width, dtype=DTYPES[dtype]) + 2, *vectors)


@settings(max_examples=6, deadline=None)
@given(
    pairs=st.sampled_from(list(RopePairs)),
    size=st.sampled_from([2, 6, 20]),
    dtype=st.sampled_from(sorted(DTYPES)),
)
def test_rope(pairs: RopePairs, size: int, dtype: str) -> None:
    rotary = Rotary(size=size, pairs=pairs, base=10000.0)
    cos, sin = rope_frequencies(jnp.broadcast_to(jnp.arange(9), (2, 9)), rotary)

    def native(x: Any) -> Any:
        interleaved = pairs is RopePairs.INTERLEAVED
        return rope(x, cos[0, :, 0], sin[0, :, 0], interleaved=interleaved)

    x = drawn(1, 2, 9, 3, 20, dtype=DTYPES[dtype])
    check(native, lambda x: apply_rope(x, cos, sin, rotary), x)
    # What is not rotated has the same bits.
    np.testing.assert_array_equal(native(x)[..., size:], x[..., size:])


def plain_loss(
    logits: Any, bias: Any, targets: Any, weights: Any, z_loss: float
) -> tuple[Any, tuple[Any, Any]]:
    wide = logits + bias
    log_z = jax.nn.logsumexp(wide, -1)
    entropy = log_z - jnp.take_along_axis(wide, targets[:, None], -1)[:, 0]
    return jnp.sum(weights * (entropy + z_loss * log_z**2)), (entropy, log_z)


@settings(max_examples=8, deadline=None)
@given(
    rows=st.sampled_from([1, 70, 129]),
    vocab=st.sampled_from([2, 16, 100, 4096]),
    dtype=st.sampled_from(sorted(DTYPES)),
    biased=st.booleans(),
)
def test_cross_entropy(rows: int, vocab: int, dtype: str, biased: bool) -> None:
    draw = np.random.default_rng(0)
    logits = 10 * drawn(1, rows, vocab)
    bias = drawn(2, vocab) if biased else None
    targets = jnp.asarray(draw.integers(0, vocab, rows), jnp.int32)
    weights = jnp.asarray(draw.uniform(size=rows), jnp.float32)
    gradient = jax.value_and_grad(plain_loss, (0, 1), has_aux=True)
    (_, (entropy, log_z)), expected = gradient(
        logits, jnp.zeros(vocab) if bias is None else bias, targets, weights, 1e-2
    )
    found = cross_entropy(logits, bias, targets, weights, z_loss=1e-2, dtype=DTYPES[dtype])
    np.testing.assert_allclose(found[0], entropy, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], log_z, rtol=1e-6)
    assert found[2].dtype == DTYPES[dtype]
    relative = 1e-5 if dtype == "float32" else 2**-8
    wide = np.asarray(found[2], np.float32)
    np.testing.assert_allclose(wide, expected[0], rtol=relative, atol=1e-6)
    assert found[3].shape == ((vocab,) if biased else (0,))
    if biased:
        np.testing.assert_allclose(found[3], expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_logit_that_is_no_number_is_not_lost(bad: float) -> None:
    """A run stops if its loss is not finite, so no kernel may hide that."""
    logits = drawn(1, 3, 40).at[1, 37].set(bad)
    targets, weights = jnp.asarray([0, 1, 2], jnp.int32), jnp.ones(3)
    entropy, _, change, d_bias = cross_entropy(
        logits, jnp.zeros(40), targets, weights, z_loss=0.0, dtype=jnp.float32
    )
    assert np.isfinite(np.asarray(entropy)).tolist() == [True, False, True]
    assert np.isnan(np.asarray(change)[1]).all()
    assert np.isfinite(np.asarray(change)[[0, 2]]).all()
    assert np.isnan(np.asarray(d_bias)).all()


@pytest.mark.parametrize("target", [-1, 40, 2**31 - 1, -(2**31)])
def test_a_target_outside_the_vocabulary_has_no_entropy(target: int) -> None:
    targets = jnp.asarray([3, target], jnp.int32)
    entropy, *_ = cross_entropy(
        drawn(1, 2, 40), None, targets, jnp.ones(2), z_loss=0.0, dtype=jnp.float32
    )
    assert np.isfinite(np.asarray(entropy)).tolist() == [True, False]


def test_not_a_number_passes_through() -> None:
    x = drawn(1, 2, 20).at[0, 3].set(np.nan)
    for native in (gelu, lambda x: silu_product(x, jnp.ones_like(x))):
        out, back = jax.vjp(native, x)
        assert np.isnan(np.asarray(out)[0, 3])
        assert np.isnan(np.asarray(back(jnp.ones_like(x))[0])[0, 3])
        assert np.isfinite(np.asarray(out)[1]).all()
    normed = norm(x, jnp.ones(20), None, center=True, epsilon=1e-5)
    assert np.isnan(np.asarray(normed)[0]).all()


def test_large_values_have_finite_gradients() -> None:
    x = jnp.asarray([[-1e4, -100.0, -30.0, 30.0, 100.0, 1e4]])
    for native, plain in (
        (gelu, lambda x: jax.nn.gelu(x, approximate=True)),
        (lambda x: silu_product(x, jnp.ones_like(x)), jax.nn.silu),
    ):
        check(native, plain, x)


_HASHED = """
import hashlib
import jax, jax.numpy as jnp, numpy as np
from multiturn.models.native.training.cross_entropy import cross_entropy
from multiturn.models.native.training.elementwise import gelu, norm
from multiturn.models.native.training.library import load_training_kernels
load_training_kernels()
draw = np.random.default_rng(0)
x, b, s = (jnp.asarray(draw.normal(size=n), jnp.float32) for n in ((700, 48), 48, 48))

def loss(x, b, s):
    return jnp.sum(norm(gelu(x, b), s, b, center=True, epsilon=1e-5) ** 3)

found = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(x, b, s)
more = cross_entropy(x, b, jnp.zeros(700, jnp.int32), x[:, 0], z_loss=0.1, dtype=jnp.float32)
arrays = [np.asarray(a).tobytes() for a in jax.tree.leaves((found, more))]
print(hashlib.sha256(b"".join(arrays)).hexdigest())
"""


@needs_two_cpus
def test_the_number_of_threads_changes_no_bit() -> None:
    found = outputs_by_threads(_HASHED)
    assert found[0] == found[1] != ""
