"""The native kernels against the decoder in plain JAX, and what they promise to the last bit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.core.errors import EngineError, InputError
from multiturn.models.arrays import initialize
from multiturn.models.cache import empty_cache
from multiturn.models.config import DecoderConfig, codegen_config, llama_config
from multiturn.models.decoder import forward_with_cache, unembed
from multiturn.models.native import decoder as native
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import NativeDecoder, Precision
from multiturn.models.parameters import Parameters, parameter_specs

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here"),
]

SOME_CONFIGS = [
    "codegen",
    pytest.param("llama", marks=pytest.mark.slow),
    pytest.param("qwen", marks=pytest.mark.slow),
]

# Sizes that fill neither a panel of 64 outputs, nor a vector of 16, nor a group of 128 inputs.
CONFIGS: dict[str, DecoderConfig] = {
    "codegen": codegen_config(
        layers=2, heads=3, head_dim=24, rotary_size=8, vocab_size=300, max_seq_len=512
    ),
    "llama": llama_config(vocab_size=333, layers=2, d_model=93, heads=5, head_dim=20, mlp_dim=199),
    "qwen": llama_config(
        vocab_size=333,
        layers=2,
        d_model=96,
        heads=14,
        kv_heads=2,
        head_dim=16,
        mlp_dim=200,
        qkv_bias=True,
        tie_embeddings=True,
        rope_scaling=2.0,
    ),
}
CAPACITY = 192
# Greatest difference of the logits from those of float32, which reach about 3 here.
TOLERANCES: dict[Precision, float] = {"float32": 2e-5, "bfloat16": 0.06, "int8": 0.2}


@pytest.fixture(scope="module", autouse=True)
def kept_library(module_home: Path) -> None:
    """The library is there before the first test."""
    native.load_library()


@cache
def parameters(name: str) -> Parameters:
    """Random weights of ordinary size; scales and biases too, so that each one counts."""
    first: Parameters = initialize(parameter_specs(CONFIGS[name]), seed=7)
    leaves, structure = jax.tree.flatten(first)
    noise = [
        leaf + 0.06 * jax.random.normal(jax.random.key(index), leaf.shape)
        for index, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, noise)


@cache
def packed(name: str, precision: Precision, threads: int = 2) -> NativeDecoder:
    return NativeDecoder.pack(parameters(name), CONFIGS[name], precision, threads=threads)


@partial(jax.jit, static_argnames="config", donate_argnames="cache")
def native_step(handle: Any, tokens: Any, counts: Any, cache: Any, config: DecoderConfig) -> Any:
    hidden, cache = native.forward_with_cache(handle, tokens, counts, cache, config)
    flat = hidden.reshape(-1, config.d_model)
    logits = native.unembed(handle, flat, config)
    return hidden, logits.reshape(*tokens.shape, -1), cache


@partial(jax.jit, static_argnames="config")
def plain_step(weights: Any, tokens: Any, counts: Any, cache: Any, config: DecoderConfig) -> Any:
    hidden, cache = forward_with_cache(weights, tokens, counts, cache, config)
    return hidden, unembed(weights, hidden), cache


def read(
    name: str, precision: Precision, pieces: list[np.ndarray], *, threads: int = 2
) -> np.ndarray:
    """The logits after each token of one text, read alone, piece by piece."""
    config = CONFIGS[name]
    state = native.empty_cache(config, 1, CAPACITY, precision)
    found = []
    for piece in pieces:
        counts = jnp.array([len(piece)])
        handle = packed(name, precision, threads).handle
        _, logits, state = native_step(handle, jnp.asarray(piece)[None], counts, state, config)
        found.append(np.asarray(logits[0]))
    return np.concatenate(found)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", SOME_CONFIGS)
def test_equals_the_plain_decoder(name: str, precision: Precision) -> None:
    config, weights = CONFIGS[name], parameters(name)
    decoder = packed(name, precision)
    plain = empty_cache(config, 3, CAPACITY)
    ours = native.empty_cache(config, 3, CAPACITY, precision)
    steps = [[7, 0, 5], [1, 3, 0], [7, 7, 7], [0, 1, 1]]
    for index, counts in enumerate(steps):
        tokens = jax.random.randint(jax.random.key(index), (3, 7), 0, 300)
        wanted, wanted_logits, plain = plain_step(weights, tokens, jnp.array(counts), plain, config)
        got, logits, ours = native_step(decoder.handle, tokens, jnp.array(counts), ours, config)
        real = np.arange(7) < np.array(counts)[:, None]
        assert np.abs(logits - wanted_logits)[real].max() < TOLERANCES[precision]
        assert not np.asarray(got)[~real].any()
        assert np.array_equal(ours.lengths, plain.lengths)
        if precision == "float32":
            assert np.abs(got - wanted)[real].max() < TOLERANCES[precision]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", SOME_CONFIGS)
def test_one_thread_and_three_give_the_same_bits(name: str, precision: Precision) -> None:
    text = np.arange(150, dtype=np.int32) * 7 % 300
    one = read(name, precision, [text], threads=1)
    assert np.array_equal(one, read(name, precision, [text], threads=3))
    assert np.array_equal(one, read(name, precision, [text[:1], text[1:]], threads=2))


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_text_does_not_depend_on_its_neighbours_or_on_how_it_is_cut(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(CONFIGS)))
    precision: Precision = data.draw(st.sampled_from(sorted(TOLERANCES)))
    config = CONFIGS[name]
    tokens = st.integers(0, 299)
    text = np.array(data.draw(st.lists(tokens, min_size=24, max_size=24)), np.int32)
    alone = read(name, precision, [text])

    rows, width = 5, 9
    mine = data.draw(st.integers(0, rows - 1))
    state = native.empty_cache(config, rows, CAPACITY, precision)
    done = 0
    while done < len(text):
        counts = np.array(data.draw(st.lists(st.integers(0, width), min_size=rows, max_size=rows)))
        counts[mine] = min(max(counts[mine], 1), len(text) - done)
        batch = np.random.default_rng(done).integers(0, 300, (rows, width), dtype=np.int32)
        batch[mine, : counts[mine]] = text[done : done + counts[mine]]
        _, logits, state = native_step(
            packed(name, precision).handle, jnp.asarray(batch), jnp.asarray(counts), state, config
        )
        here = slice(done, done + counts[mine])
        assert np.array_equal(np.asarray(logits[mine, : counts[mine]]), alone[here])
        done += counts[mine]


@pytest.mark.parametrize("precision", TOLERANCES)
def test_prompts_read_together_are_those_read_alone(precision: Precision) -> None:
    """Each with a cache of its own, of any capacity, some of them with nothing to read."""
    config, handle = CONFIGS["qwen"], packed("qwen", precision).handle
    texts = [np.arange(size, dtype=np.int32) * 7 % 300 for size in (70, 0, 9, 1)]
    caches = [native.empty_cache(config, 1, size, precision) for size in (80, 16, 64, 16)]
    step = jax.jit(native.prefill_each, donate_argnames="caches")
    for begin, end in ((0, 5), (5, 70)):
        counts = [len(text[begin:end]) for text in texts]
        tokens = np.zeros((4, 65), np.int32)
        for row, text in enumerate(texts):
            tokens[row, : counts[row]] = text[begin:end]
        caches = list(step(handle, jnp.asarray(tokens), jnp.asarray(counts), caches=caches))
    for text, state in zip(texts, caches, strict=True):
        assert state.lengths.tolist() == [len(text)]
        alone = native.empty_cache(config, 1, state.keys.shape[3], precision)
        if len(text):
            counts = jnp.array([len(text)])
            _, _, alone = native_step(handle, jnp.asarray(text)[None], counts, alone, config)
        np.testing.assert_array_equal(state.keys, alone.keys)
        np.testing.assert_array_equal(state.values, alone.values)


def test_one_strange_cache_among_others_is_refused() -> None:
    config, handle = CONFIGS["qwen"], packed("qwen", "float32").handle
    good = native.empty_cache(config, 1, 32, "float32")
    two, one = jnp.ones((2, 1), jnp.int32), jnp.ones(2, jnp.int32)
    for strange in (
        native.empty_cache(config, 1, 32, "bfloat16"),
        native.empty_cache(replace(config, layers=3), 1, 32, "float32"),
    ):
        with pytest.raises(jax.errors.JaxRuntimeError, match="cache"):
            jax.block_until_ready(native.prefill_each(handle, two, one, [good, strange]))
    full = replace(good, lengths=jnp.array([32], jnp.int32))
    with pytest.raises(jax.errors.JaxRuntimeError, match="do not fit"):
        jax.block_until_ready(native.prefill_each(handle, two, one, [good, full]))


def test_logits_written_over_others_are_the_same() -> None:
    config, handle = CONFIGS["qwen"], packed("qwen", "float32").handle
    hidden = jax.random.normal(jax.random.key(0), (5, config.d_model))
    wanted = native.unembed(handle, hidden, config)
    into = jax.jit(partial(native.unembed, config=config), donate_argnames="workspace")
    workspace = jnp.full((5, config.vocab_size), jnp.nan)
    np.testing.assert_array_equal(into(handle, hidden, workspace=workspace), wanted)


@pytest.mark.parametrize("capacity", [24, 33, 512])
def test_the_capacity_changes_nothing(capacity: int) -> None:
    config = CONFIGS["qwen"]
    text = jnp.arange(20, dtype=jnp.int32)[None]
    handle = packed("qwen", "bfloat16").handle
    state = native.empty_cache(config, 1, capacity, "bfloat16")
    _, logits, _ = native_step(handle, text, jnp.array([20]), state, config)
    assert np.array_equal(logits[0], read("qwen", "bfloat16", [np.asarray(text[0])]))


def test_many_rows_go_through_in_parts() -> None:
    config = CONFIGS["qwen"]
    rows = 150  # more than the kernels take at once
    tokens = jnp.arange(rows, dtype=jnp.int32)[:, None]
    state = native.empty_cache(config, rows, 16, "float32")
    handle = packed("qwen", "float32").handle
    _, logits, _ = native_step(handle, tokens, jnp.ones(rows, jnp.int32), state, config)
    for row in (0, 127, 128, 149):
        alone = read("qwen", "float32", [np.array([row], np.int32)])
        assert np.array_equal(logits[row], alone)


@pytest.mark.parametrize(
    ("token", "count", "length", "says"),
    [
        (333, 1, 0, "vocabulary"),
        (-1, 1, 0, "vocabulary"),
        (5, 3, 0, "count"),
        (5, -1, 0, "count"),
        (5, 1, CAPACITY, "cache"),
        (5, 2, CAPACITY - 1, "cache"),
        (5, 1, -1, "cache"),
        (5, 1, 2**31 - 1, "cache"),
    ],
)
def test_what_is_out_of_range_is_refused(token: int, count: int, length: int, says: str) -> None:
    config = CONFIGS["qwen"]
    state = native.empty_cache(config, 2, CAPACITY, "float32")
    state = replace(state, lengths=jnp.array([0, length], jnp.int32))
    handle = packed("qwen", "float32").handle
    tokens = jnp.array([[1, 2], [token, token]], jnp.int32)
    with pytest.raises(jax.errors.JaxRuntimeError, match=says):
        jax.block_until_ready(native_step(handle, tokens, jnp.array([1, count]), state, config))


def test_a_cache_of_another_precision_or_shape_is_refused() -> None:
    config = CONFIGS["qwen"]
    handle = packed("qwen", "float32").handle
    one = jnp.ones((1, 1), jnp.int32)
    for state in (
        native.empty_cache(config, 1, 32, "bfloat16"),
        native.empty_cache(replace(config, layers=3), 1, 32, "float32"),
        native.empty_cache(config, 2, 32, "float32"),
        empty_cache(config, 1, 32),
    ):
        with pytest.raises(jax.errors.JaxRuntimeError, match=r"cache|counts"):
            jax.block_until_ready(native_step(handle, one, jnp.array([1]), state, config))


def test_a_closed_decoder_is_refused() -> None:
    config = CONFIGS["qwen"]
    decoder = NativeDecoder.pack(parameters("qwen"), config, "float32", threads=1)
    assert decoder.bytes > 4 * config.d_model * config.vocab_size
    decoder.close()
    decoder.close()
    assert decoder.bytes == 0
    state = native.empty_cache(config, 1, 32, "float32")
    with pytest.raises(jax.errors.JaxRuntimeError, match="closed"):
        jax.block_until_ready(
            native_step(decoder.handle, jnp.ones((1, 1), int), jnp.array([1]), state, config)
        )


def test_senseless_arguments_are_refused_in_words() -> None:
    config, weights = CONFIGS["qwen"], parameters("qwen")
    with pytest.raises(InputError, match="float32, bfloat16, int8"):
        NativeDecoder.pack(weights, config, "float16")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="threads"):
        NativeDecoder.pack(weights, config, threads=0)
    with pytest.raises(InputError, match="query of layer 0 has a wrong shape"):
        NativeDecoder.pack(weights, replace(config, heads=12, head_dim=16))
    with pytest.raises(InputError, match="no head"):
        NativeDecoder.pack(weights, replace(config, tie_embeddings=False))
    strange = ("query", 7, np.zeros((1, 1)))
    with pytest.raises(InputError, match="query of layer 7"):
        NativeDecoder.pack_each([strange], config)


SETTINGS: dict[str, float] = {
    "vocab_size": 300,
    "layers": 1,
    "d_model": 32,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 8,
    "mlp_dim": 64,
    "rotary_dim": 8,
    "interleaved_rope": 0,
    "layer_norm": 0,
    "gelu": 0,
    "parallel_residual": 0,
    "max_seq_len": 16,
    "precision": 0,
    "threads": 1,
    "norm_eps": 1e-5,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": None}, "16 settings, not 15"),
        ({"d_model": None, "width": 32}, "setting d_model is missing"),
        ({"d_model": 0}, "setting d_model is out of range"),
        ({"vocab_size": 2.0**31}, "setting vocab_size is out of range"),
        ({"mlp_dim": float("nan")}, "setting mlp_dim is out of range"),
        ({"precision": 3}, "setting precision is out of range"),
        ({"kv_heads": 3}, "kv_heads does not divide heads"),
        ({"rotary_dim": 10}, "rotary_dim is greater than head_dim"),
    ],
)
def test_a_setting_that_the_kernels_do_not_know_is_refused(
    change: dict[str, float | None], message: str
) -> None:
    settings = {name: value for name, value in (SETTINGS | change).items() if value is not None}
    with pytest.raises(EngineError, match=message):
        native.load_library().create(settings)


def test_an_array_is_read_no_further_than_it_is_long() -> None:
    library = native.load_library()
    handle = library.create(SETTINGS)
    values = np.ones(300 * 32 - 1, np.float32)
    for name, layer, message in (
        ("embedding", -1, "embedding has 9599 elements instead of 9600"),
        ("query", 0, "query has 9599 elements instead of 1024"),
        ("key_bias", 0, "key_bias has 9599 elements instead of 16"),
        ("query", 1, "there is no layer 1"),
        ("query", -1, "there is no array query"),
        ("query", -2, "there is no layer -2"),
    ):
        with pytest.raises(EngineError, match=message):
            library.set(
                handle,
                name,
                layer,
                values.ctypes.data,
                is_bfloat16=False,
                elements=values.size,
            )
    library.destroy(handle)
