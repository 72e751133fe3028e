"""The native kernels against the decoder in plain JAX, and what they promise to the last bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
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
from multiturn.models.native.arrays import array_shapes
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.decoder import ForwardRow, NativeDecoder, Precision, rope_tables
from multiturn.models.native.library import load_library
from multiturn.models.native.paged_cache import PagedCache
from multiturn.models.parameters import Parameters, named_arrays, parameter_specs
from multiturn.models.rotary import rope_frequencies

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
# Greatest difference of the logits from those of float32, which reach about 3 here.
TOLERANCES: dict[Precision, float] = {"float32": 2e-5, "bfloat16": 0.06, "int8": 0.2}


@pytest.fixture(scope="module", autouse=True)
def kept_library(module_home: Path) -> None:
    """The library is there before the first test."""
    load_library()


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


def by_layer(weights: Parameters) -> Iterator[tuple[str, int | None, np.ndarray]]:
    """Every array, with those of the layers split into layers."""
    for name, array in named_arrays(weights):
        if name.startswith("layers."):
            for layer, part in enumerate(np.asarray(array)):
                yield name.removeprefix("layers."), layer, part
        else:
            yield name, None, np.asarray(array)


@cache
def packed(name: str, precision: Precision, threads: int = 2) -> NativeDecoder:
    return NativeDecoder.pack(by_layer(parameters(name)), CONFIGS[name], precision, threads=threads)


def step(decoder: NativeDecoder, rows: list[tuple[Any, PagedCache]]) -> list[np.ndarray]:
    """The logits after each token of some rows, which are extended."""
    tokens = [np.asarray(mine, np.int32) for mine, _ in rows]
    hidden = decoder.forward(
        [ForwardRow(mine, cache, "all") for mine, (_, cache) in zip(tokens, rows, strict=True)]
    )
    logits = decoder.unembed(hidden)
    return np.split(logits, np.cumsum([len(mine) for mine in tokens])[:-1])


def read(
    name: str, precision: Precision, pieces: list[np.ndarray], *, threads: int = 2
) -> np.ndarray:
    """The logits after each token of one text, read alone, piece by piece."""
    decoder = packed(name, precision, threads)
    cache = decoder.new_cache()
    return np.concatenate([step(decoder, [(piece, cache)])[0] for piece in pieces])


def plain_logits(name: str, tokens: np.ndarray) -> np.ndarray:
    config, weights = CONFIGS[name], parameters(name)
    counts = jnp.array([len(tokens)])
    hidden, _ = forward_with_cache(
        weights, jnp.asarray(tokens)[None], counts, empty_cache(config, 1, len(tokens)), config
    )
    return np.asarray(unembed(weights, hidden)[0])


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", SOME_CONFIGS)
def test_equals_the_plain_decoder(name: str, precision: Precision) -> None:
    """Three texts that grow by different numbers of tokens, over the borders of blocks."""
    decoder = packed(name, precision)
    caches = [decoder.new_cache() for _ in range(3)]
    texts = np.random.default_rng(0).integers(0, 300, (3, 200), dtype=np.int32)
    found: list[list[np.ndarray]] = [[], [], []]
    for counts in ([70, 1, 5], [1, 130, 0], [60, 2, 57], [1, 1, 1], [0, 0, 67]):
        there = [row for row in range(3) if counts[row]]
        new = [texts[row, caches[row].length :][: counts[row]] for row in there]
        got = step(decoder, [(mine, caches[row]) for mine, row in zip(new, there, strict=True)])
        for row, logits in zip(there, got, strict=True):
            found[row].append(logits)
    for row in range(3):
        logits = np.concatenate(found[row])
        wanted = plain_logits(name, texts[row, : len(logits)])
        assert np.abs(logits - wanted).max() < TOLERANCES[precision]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", SOME_CONFIGS)
def test_one_thread_and_three_give_the_same_bits(name: str, precision: Precision) -> None:
    text = np.arange(150, dtype=np.int32) * 7 % 300
    one = read(name, precision, [text], threads=1)
    assert np.array_equal(one, read(name, precision, [text], threads=3))
    assert np.array_equal(one, read(name, precision, [text[:1], text[1:]], threads=2))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_text_does_not_depend_on_its_neighbours_or_on_how_it_is_cut(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(CONFIGS)))
    precision: Precision = data.draw(st.sampled_from(sorted(TOLERANCES)))
    length = data.draw(st.sampled_from([24, 70, 200]))
    random = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    text = random.integers(0, 300, length, dtype=np.int32)
    alone = read(name, precision, [text])

    decoder = packed(name, precision)
    caches = [decoder.new_cache() for _ in range(5)]
    mine = data.draw(st.integers(0, 4))
    while caches[mine].length < length:
        done = caches[mine].length
        counts = random.integers(0, data.draw(st.sampled_from([2, 9, 100])), 5)
        counts[mine] = min(max(counts[mine], 1), length - done)
        there = [row for row in range(5) if counts[row]]
        new = {row: random.integers(0, 300, counts[row], dtype=np.int32) for row in there}
        new[mine] = text[done : done + counts[mine]]
        got = step(decoder, [(new[row], caches[row]) for row in there])
        assert np.array_equal(got[there.index(mine)], alone[done : caches[mine].length])
        for row in there:
            if caches[row].length > 300:
                caches[row] = decoder.new_cache()


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("cut", [0, 1, 63, 64, 65, 100, 128, 150])
def test_a_fork_goes_on_as_a_text_of_its_own(precision: Precision, cut: int) -> None:
    """Both the fork and what it was forked from, whichever is written first."""
    text = np.arange(150, dtype=np.int32) * 7 % 300
    other = np.arange(90, dtype=np.int32) * 11 % 300
    decoder = packed("qwen", precision)
    source = decoder.new_cache()
    step(decoder, [(text, source)])
    before = [block.copy() for block in source.blocks]
    fork = source.fork(cut)
    assert fork.length == cut
    full = cut // decoder.block_positions
    assert [a is b for a, b in zip(fork.blocks, source.blocks, strict=False)][:full] == [
        True
    ] * full
    (forked,) = step(decoder, [(other, fork)])
    for block, kept in zip(source.blocks, before, strict=True):
        assert np.array_equal(block[: len(kept)], kept)
    (longer,) = step(decoder, [(other, source)])
    assert np.array_equal(longer, read("qwen", precision, [text, other])[150:])
    assert np.array_equal(forked, read("qwen", precision, [text[:cut], other][cut == 0 :])[cut:])


def test_truncating_forgets_and_leaves_forks_alone() -> None:
    text = np.arange(150, dtype=np.int32) * 7 % 300
    other = np.arange(90, dtype=np.int32) * 11 % 300
    decoder = packed("qwen", "float32")
    for length in (0, 1, 64, 70, 149):
        cache = decoder.new_cache()
        step(decoder, [(text, cache)])
        fork = cache.fork()
        cache.truncate(length)
        (found,) = step(decoder, [(other, cache)])
        wanted = read("qwen", "float32", [text[:length], other][length == 0 :])[length:]
        assert np.array_equal(found, wanted)
        (found,) = step(decoder, [(other, fork)])
        assert np.array_equal(found, read("qwen", "float32", [text, other])[150:])


def test_only_wanted_states_are_returned_and_the_rest_is_the_same() -> None:
    decoder = packed("qwen", "int8")
    texts = [np.arange(size, dtype=np.int32) * 7 % 300 for size in (70, 3, 140, 1)]
    all_caches = [decoder.new_cache() for _ in texts]
    everything = decoder.forward(
        [ForwardRow(text, cache, "all") for text, cache in zip(texts, all_caches, strict=True)]
    )
    mask = np.arange(140) % 3 == 0
    caches = [decoder.new_cache() for _ in texts]
    some = decoder.forward(
        [
            ForwardRow(texts[0], caches[0]),
            ForwardRow(texts[1], caches[1], "none"),
            ForwardRow(texts[2], caches[2], mask),
            ForwardRow(texts[3], caches[3], "last"),
        ]
    )
    wanted = np.concatenate([everything[69:70], everything[73:213][mask], everything[213:]])
    assert np.array_equal(some, wanted)
    again = [([5], caches) for caches in (caches, all_caches)]
    one, two = (step(decoder, [(new, cache) for cache in each]) for new, each in again)
    assert np.array_equal(one, two)


def test_many_rows_go_through_in_parts() -> None:
    decoder = packed("qwen", "float32")
    got = step(decoder, [([row], decoder.new_cache()) for row in range(300)])
    for row in (0, 127, 128, 255, 256, 299):
        assert np.array_equal(got[row], read("qwen", "float32", [np.array([row], np.int32)]))


def test_no_rows_are_nothing() -> None:
    decoder = packed("qwen", "float32")
    assert decoder.forward([]).shape == (0, 96)
    assert decoder.unembed(np.zeros((0, 96), np.float32)).shape == (0, 333)


def test_logits_are_written_to_memory_that_is_given() -> None:
    decoder = packed("qwen", "float32")
    hidden = np.random.default_rng(0).standard_normal((5, 96)).astype(np.float32)
    out = np.full((5, 333), np.nan, np.float32)
    assert decoder.unembed(hidden, out) is out
    assert np.array_equal(out, decoder.unembed(hidden))


@pytest.mark.parametrize("token", [333, -1, 2**31 - 1, -(2**31)])
def test_a_token_out_of_range_is_refused_and_no_cache_grows(token: int) -> None:
    decoder = packed("qwen", "float32")
    caches = [decoder.new_cache(), decoder.new_cache()]
    step(decoder, [([1, 2], cache) for cache in caches])
    with pytest.raises(EngineError, match="vocabulary"):
        step(decoder, [([3], caches[0]), ([4, token], caches[1])])
    assert [cache.length for cache in caches] == [2, 2]
    again = step(decoder, [([5], cache) for cache in caches])
    wanted = read("qwen", "float32", [np.array([1, 2, 5], np.int32)])[2:]
    assert np.array_equal(again[0], wanted) and np.array_equal(again[1], wanted)


def test_rows_that_make_no_sense_are_refused() -> None:
    decoder = packed("codegen", "float32")
    cache = decoder.new_cache()
    strange: list[tuple[list[ForwardRow], str]] = [
        ([ForwardRow([], cache)], "tokens"),
        ([ForwardRow(np.zeros((2, 2), np.int32), cache)], "tokens"),
        ([ForwardRow([1, 2], cache, np.array([True]))], "mask"),
        ([ForwardRow([1], cache), ForwardRow([2], cache)], "same KV cache"),
        ([ForwardRow([1], packed("qwen", "float32").new_cache())], "another decoder"),
        ([ForwardRow([1], packed("codegen", "bfloat16").new_cache())], "another decoder"),
        ([ForwardRow([1] * 513, cache)], "0 to 512"),
    ]
    for rows, message in strange:
        with pytest.raises(InputError, match=message):
            decoder.forward(rows)
        assert cache.length == 0
    with pytest.raises(InputError, match="hidden"):
        decoder.unembed(np.zeros((2, 7), np.float32))
    with pytest.raises(InputError, match="hidden"):
        decoder.unembed(np.zeros((2, 72)))
    with pytest.raises(InputError, match="logits"):
        decoder.unembed(np.zeros((2, 72), np.float32), np.zeros((3, 300), np.float32))
    for change in (-1, 1):
        with pytest.raises(InputError, match="0 to 0"):
            cache.fork(change)
        with pytest.raises(InputError, match="0 to 0"):
            cache.truncate(change)


def raw_forward(decoder: NativeDecoder, **change: Any) -> None:
    """One row of two tokens by the C function itself, with some arguments changed."""
    cache = decoder.new_cache()
    cache.reserve(64)
    arguments: dict[str, Any] = {
        "tokens": np.array([1, 2], np.int32),
        "counts": np.array([2], np.int32),
        "lengths": np.array([0], np.int32),
        "blocks": cache.addresses[None].copy(),
        "wanted": np.ones(2, np.bool_),
        "hidden": np.zeros((2, decoder.config.d_model), np.float32),
    }
    load_library().forward(decoder._handle, *(arguments | change).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"counts": [-1]}, "negative"),
        ({"counts": [65]}, "fit its cache"),
        ({"lengths": [63]}, "fit its cache"),
        ({"lengths": [-1]}, "context"),
        ({"lengths": [2**31 - 1]}, "context"),
        ({"counts": [2**31 - 1]}, "context"),
        ({"blocks": [[0]]}, "missing or not aligned"),
        ({"blocks": [[4]]}, "missing or not aligned"),
    ],
)
def test_the_c_function_refuses_what_is_out_of_range(
    change: dict[str, Any], message: str | None
) -> None:
    types = {"blocks": np.uint64}
    arrays = {name: np.array(value, types.get(name, np.int32)) for name, value in change.items()}
    decoder = packed("qwen", "float32")
    if message is None:
        raw_forward(decoder, **arrays)
        return
    with pytest.raises(EngineError, match=message):
        raw_forward(decoder, **arrays)


def test_a_closed_decoder_is_refused() -> None:
    config = CONFIGS["qwen"]
    decoder = NativeDecoder.pack(by_layer(parameters("qwen")), config, "float32", threads=1)
    assert decoder.bytes > 4 * config.d_model * config.vocab_size
    cache = decoder.new_cache()
    decoder.close()
    decoder.close()
    assert decoder.bytes == 0
    with pytest.raises(InputError, match="closed"):
        decoder.new_cache()
    with pytest.raises(InputError, match="closed"):
        decoder.forward([ForwardRow([1], cache)])
    with pytest.raises(EngineError, match="closed"):
        decoder.unembed(np.zeros((1, 96), np.float32))


def test_senseless_arguments_are_refused_in_words() -> None:
    config = CONFIGS["qwen"]

    def pack(config: DecoderConfig, *arguments: Any, **options: Any) -> None:
        NativeDecoder.pack(by_layer(parameters("qwen")), config, *arguments, **options)

    with pytest.raises(InputError, match="float32, bfloat16, int8"):
        pack(config, "float16")
    with pytest.raises(InputError, match="threads"):
        pack(config, threads=0)
    with pytest.raises(InputError, match="query of layer 0 has a wrong shape"):
        pack(replace(config, heads=12, head_dim=16))
    with pytest.raises(InputError, match="no head"):
        pack(replace(config, tie_embeddings=False))
    with pytest.raises(InputError, match="query of layer 7"):
        NativeDecoder.pack([("query", 7, np.zeros((1, 1)))], config)
    decoder = NativeDecoder(config, "float32", threads=1)
    with pytest.raises(InputError, match="no embedding, final_norm_scale, norm_scale of layer 0"):
        decoder.forward([ForwardRow([1], decoder.new_cache())])
    decoder.set("final_norm_scale", None, np.ones(96))
    with pytest.raises(InputError, match="final_norm_scale, which is unknown or repeated"):
        decoder.set("final_norm_scale", None, np.ones(96))
    with pytest.raises(InputError, match="floating"):
        decoder.set("norm_scale", 0, np.ones(96, np.int32))
    with pytest.raises(InputError, match=r"GGML type: got 99; allowed: 0 \(F32\)"):
        decoder.set("norm_scale", 0, np.ones(96, np.uint8), ggml_type=99)
    with pytest.raises(InputError, match="wrong size in Q8_0, in bytes: got 96; allowed: 20400"):
        decoder.set("up", 0, np.ones(96, np.uint8), ggml_type=8)
    with pytest.raises(InputError, match="no full blocks of Q4_K"):
        decoder.set("up", 0, np.ones(96, np.uint8), ggml_type=12)


@pytest.mark.parametrize("name", CONFIGS)
def test_arrays_may_come_with_their_outputs_first(name: str) -> None:
    config = CONFIGS[name]
    shapes = array_shapes(config)
    decoder = NativeDecoder(config, "float32", threads=2)
    for array, layer, values in by_layer(parameters(name)):
        shape = shapes[array, layer]
        if shape.input_axes and not shape.tokens_first:
            values = values.reshape(shape.flat(outputs_first=False)).T
        decoder.set(array, layer, values, outputs_first=True)
    text = np.arange(30, dtype=np.int32)
    (found,) = step(decoder, [(text, decoder.new_cache())])
    assert np.array_equal(found, read(name, "float32", [text]))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_shapes_are_those_of_the_plain_decoder(name: str) -> None:
    found = {key: shape.inputs_first for key, shape in array_shapes(CONFIGS[name]).items()}
    wanted = {(name, layer): array.shape for name, layer, array in by_layer(parameters(name))}
    assert found == wanted


@pytest.mark.parametrize("name", CONFIGS)
def test_rope_tables_are_those_of_the_plain_decoder_to_a_rounding(name: str) -> None:
    config = CONFIGS[name]
    positions = jnp.arange(config.max_seq_len)[None]
    for found, wanted in zip(
        rope_tables(config), rope_frequencies(positions, config.rotary), strict=True
    ):
        wanted = np.asarray(wanted).reshape(found.shape)
        # A frequency one rounding away turns an angle of a thousand by a ten-thousandth.
        assert np.abs(found - wanted).max() < 2.5e-7 * config.max_seq_len


def test_nothing_of_jax_is_imported() -> None:
    program = (
        "import sys, multiturn.models.native.decoder\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('jax', 'jaxlib')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


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
        ({"precision": 4}, "setting precision is out of range"),
        ({"kv_heads": 3}, "kv_heads does not divide heads"),
        ({"rotary_dim": 10}, "rotary_dim is greater than head_dim"),
    ],
)
def test_a_setting_that_the_kernels_do_not_know_is_refused(
    change: dict[str, float | None], message: str
) -> None:
    settings = {name: value for name, value in (SETTINGS | change).items() if value is not None}
    with pytest.raises(EngineError, match=message):
        load_library().create(settings)


def test_an_array_is_read_no_further_than_it_is_long() -> None:
    library = load_library()
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
                handle, name, layer, values, ggml_type=0, outputs_first=False, elements=values.size
            )
    library.destroy(handle)
