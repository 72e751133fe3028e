"""The native products and attention for training, beside plain ones, with their gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.models.attention import attend, causal_mask
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.training.attention import causal_attention
from multiturn.models.native.training.library import load_training_kernels
from multiturn.models.native.training.matmul import differentiable_matmul, einsum, matmul
from tests.models.thread_hashes import needs_two_cpus, outputs_by_threads

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

DTYPES: dict[str, Any] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    load_training_kernels()


def drawn(seed: int, *shape: int, dtype: Any = jnp.float32) -> Any:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.sampled_from([1, 6, 7, 97, 200]),
    inputs=st.sampled_from([1, 2, 3, 64, 601]),
    columns=st.sampled_from([1, 5, 63, 64, 130]),
    turned=st.tuples(st.booleans(), st.booleans()),
    dtype=st.sampled_from(sorted(DTYPES)),
)
def test_a_product_is_that_of_numpy(
    rows: int, inputs: int, columns: int, turned: tuple[bool, bool], dtype: str
) -> None:
    a = drawn(1, *((inputs, rows) if turned[0] else (rows, inputs)), dtype=DTYPES[dtype])
    b = drawn(2, *((columns, inputs) if turned[1] else (inputs, columns)), dtype=DTYPES[dtype])
    found = matmul(a, b, transpose_a=turned[0], transpose_b=turned[1], dtype=jnp.float32)
    wide = [np.asarray(x, np.float64) for x in (a, b)]
    left, right = (x.T if turn else x for x, turn in zip(wide, turned, strict=True))
    np.testing.assert_allclose(found, left @ right, atol=1e-5 * inputs**0.5, rtol=1e-5)


def test_gradients_are_products() -> None:
    a, b, change = drawn(1, 70, 33), drawn(2, 33, 50), drawn(3, 70, 50)
    _, back = jax.vjp(differentiable_matmul, a, b)
    _, expected = jax.vjp(lambda a, b: jnp.matmul(a, b, precision="highest"), a, b)
    for mine, theirs in zip(back(change), expected(change), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("layout", "states", "matrix"),
    [
        ("btd,dnh->btnh", (2, 3, 8), (8, 2, 5)),
        ("btnh,nhd->btd", (2, 3, 2, 5), (2, 5, 8)),
        ("btf,fd->btd", (2, 3, 7), (7, 4)),
    ],
)
def test_layouts(layout: str, states: tuple[int, ...], matrix: tuple[int, ...]) -> None:
    x, weight = drawn(1, *states), drawn(2, *matrix)
    expected = jnp.einsum(layout, x, weight, precision="highest")
    np.testing.assert_allclose(einsum(layout, x, weight), expected, atol=1e-5)


def test_a_layout_that_is_no_product_is_refused() -> None:
    with pytest.raises(ValueError, match="not a product of activations with a weight matrix"):
        einsum("btd,fd->btf", drawn(1, 1, 2, 3), drawn(2, 4, 3))


def plain(query: Any, key: Any, value: Any, segments: Any) -> Any:
    batch, length = query.shape[:2]
    positions = jnp.arange(length)[None]
    mask = causal_mask(positions, positions)
    if segments is not None:
        mask = mask & (segments[:, :, None] == segments[:, None, :])
    return attend(query, key, value, jnp.broadcast_to(mask, (batch, length, length)), "plain")


@pytest.mark.parametrize("documents", [False, True], ids=["whole", "documents"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 50, 4, 2, 8), "float32"),
        ((1, 131, 3, 3, 32), "float32"),
        ((1, 49, 2, 1, 256), "float32"),
        ((2, 97, 2, 1, 80), "bfloat16"),
    ],
)
def test_attention_and_its_gradient(
    shape: tuple[int, int, int, int, int], dtype: str, documents: bool
) -> None:
    batch, length, heads, kv_heads, size = shape
    query = drawn(1, batch, length, heads, size, dtype=DTYPES[dtype])
    key, value = (
        drawn(seed, batch, length, kv_heads, size, dtype=DTYPES[dtype]) for seed in (2, 3)
    )
    change = drawn(4, *query.shape)
    borders = np.random.default_rng(5).random((batch, length)) < 0.05
    segments = jnp.asarray(np.cumsum(borders, axis=1), jnp.int32) if documents else None

    def both(attention: Any) -> Any:
        def total(*arrays: Any) -> Any:
            mixed = attention(*arrays, segments).astype(jnp.float32)
            return jnp.sum(mixed * change), mixed

        run = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True))
        (_, mixed), gradients = run(query, key, value)
        return mixed, *gradients

    # bfloat16 keeps 8 bits; both round the same float32 sums at the end.
    tolerance = 3e-6 if dtype == "float32" else 2e-2
    for mine, theirs in zip(both(causal_attention), both(plain), strict=True):
        wide = np.asarray(theirs, np.float32)
        np.testing.assert_allclose(
            np.asarray(mine, np.float32), wide, atol=tolerance * float(np.abs(wide).max())
        )


def test_what_a_token_reads_is_before_it() -> None:
    arrays = [drawn(seed, 1, 100, 2, 16) for seed in (1, 2, 3)]
    before = np.asarray(causal_attention(*arrays))
    changed = [array.at[:, 60:].set(7.0) for array in arrays]
    np.testing.assert_array_equal(np.asarray(causal_attention(*changed))[:, :60], before[:, :60])


_HASHED = """
import hashlib
import jax, jax.numpy as jnp, numpy as np
from multiturn.models.native.training.attention import causal_attention
from multiturn.models.native.training.library import load_training_kernels
from multiturn.models.native.training.matmul import differentiable_matmul
load_training_kernels()
draw = np.random.default_rng(0)
x, w = (jnp.asarray(draw.normal(size=s), jnp.float32) for s in ((600, 48), (48, 96)))

def loss(x, w):
    y = differentiable_matmul(x, w).reshape(4, 150, 6, 16)
    return jnp.sum(causal_attention(y, y[:, :, :2], y[:, :, 2:4]) ** 2)

found = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(x, w)
print(hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in jax.tree.leaves(found))).hexdigest())
"""


@needs_two_cpus
def test_the_number_of_threads_changes_no_bit() -> None:
    found = outputs_by_threads(_HASHED)
    assert found[0] == found[1] != ""
