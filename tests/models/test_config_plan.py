"""Configurations, plans and sharding: all without allocating a model."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from multiturn.core.errors import InputError, UnknownNameError
from multiturn.core.records import read_record, to_plain
from multiturn.models.arrays import Constant, Normal, ParameterSpec, abstract, initialize
from multiturn.models.config import (
    DecoderConfig,
    codegen_config,
    codegen_names,
    llama_config,
    named_config,
)
from multiturn.models.parameters import named_arrays, parameter_specs
from multiturn.models.plan import models_plan, plan_of
from multiturn.models.sharding import REPLICATED, TENSOR_PARALLEL, partition_spec, shardings

# Parameters counted by hand from the paper's table: embedding and head V D each, the head's
# bias V, the last norm 2 D; each layer 4 D^2 attention, 8 D^2 + 5 D feed-forward, 2 D norm.
SIZES = {
    "350m": (20, 16, 64, 32, 356_712_448),
    "2b": (32, 32, 80, 64, 2_779_356_160),
    "6b": (33, 16, 256, 64, 7_064_213_504),
    "16b": (34, 24, 256, 64, 16_032_155_648),
}


@pytest.mark.parametrize("stage", ["nl", "multi", "mono"])
@pytest.mark.parametrize("size", SIZES)
def test_the_four_sizes(size: str, stage: str) -> None:
    layers, heads, head_dim, rotary, parameters = SIZES[size]
    width, vocabulary = heads * head_dim, 51_200
    by_hand = 2 * vocabulary * width + vocabulary + 2 * width
    by_hand += layers * (12 * width**2 + 7 * width)
    tracemalloc.start()
    plan = models_plan(f"codegen-{size}-{stage}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    config = plan.config
    assert peak < 10_000_000
    assert plan.parameters == by_hand == parameters
    assert (config.layers, config.heads, config.head_dim) == (layers, heads, head_dim)
    assert config.rotary.size == rotary and config.max_seq_len == 2048
    assert plan.weight_bytes == {
        "float32": 4 * parameters,
        "bfloat16": 2 * parameters,
        "int8": parameters,
    }
    assert plan.cache_bytes_per_token["bfloat16"] == 2 * 2 * layers * width
    shapes = {array.name: array.shape for array in plan.arrays}
    assert shapes["layers.query"] == (layers, width, heads, head_dim)
    assert shapes["layers.up"] == (layers, width, 4 * width)
    assert shapes["embedding"] == (vocabulary, width)
    assert shapes["head"] == (width, vocabulary)
    assert "layers.gate" not in shapes and "layers.query_bias" not in shapes


def test_a_plan_is_a_record_for_json() -> None:
    plain = to_plain(models_plan("codegen-350m-mono"))
    assert plain["config"]["rotary"]["pairs"] == "adjacent"
    assert read_record(plain["config"], DecoderConfig, where="plan") == named_config(
        "codegen-350m-mono"
    )


def test_names_come_in_any_case_and_unknown_ones_get_a_hint() -> None:
    assert named_config("codegen-2B-multi") == named_config("codegen-2b-nl")
    assert len(codegen_names()) == 14
    with pytest.raises(UnknownNameError, match="codegen-16b-mono"):
        named_config("codegen-16b-mon")


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 0},
        {"rotary_size": 3},
        {"rotary_size": 128},
        {"norm_eps": 0.0},
        {"vocab_size": -1},
    ],
)
def test_impossible_codegen_models_are_refused(changes: dict[str, float]) -> None:
    arguments = {"layers": 1, "heads": 2, "head_dim": 8, "rotary_size": 4, **changes}
    with pytest.raises(InputError, match="out of range"):
        codegen_config(**arguments)


@pytest.mark.parametrize("changes", [{"kv_heads": 3}, {"d_model": 30}, {"kv_heads": 0}])
def test_impossible_llama_models_are_refused(changes: dict[str, int]) -> None:
    arguments = {
        "vocab_size": 8,
        "layers": 1,
        "d_model": 32,
        "heads": 4,
        "mlp_dim": 8,
        **changes,
    }
    with pytest.raises((InputError, ZeroDivisionError)):
        llama_config(**arguments)


def test_declared_abstract_and_initial_values_agree() -> None:
    declared = parameter_specs(named_config("codegen-nano"), jnp.bfloat16)
    shapes = abstract(declared)
    arrays = initialize(declared, 0)
    for info, shape, array in zip(
        jax.tree.leaves(declared), jax.tree.leaves(shapes), jax.tree.leaves(arrays), strict=True
    ):
        assert info.shape == shape.shape == array.shape
        assert shape.dtype == array.dtype == jnp.bfloat16


def test_first_values_have_the_declared_spread() -> None:
    config = named_config("codegen-micro")
    arrays = dict(named_arrays(initialize(parameter_specs(config), 1)))
    assert float(arrays["layers.up"].std()) == pytest.approx(0.02, rel=0.02)
    into_stream = 0.02 / math.sqrt(2 * config.layers)
    assert float(arrays["layers.down"].std()) == pytest.approx(into_stream, rel=0.02)
    assert float(arrays["layers.norm_scale"].min()) == 1
    assert float(jnp.abs(arrays["layers.up_bias"]).max()) == 0


def test_first_values_are_of_the_seed_and_the_name() -> None:
    info = ParameterSpec(shape=(4, 4), axes=("a", "b"), dtype=jnp.float32, initializer=Normal(1.0))
    one, two = initialize({"x": info}, 5), initialize({"x": info, "y": info}, 5)
    assert (one["x"] == two["x"]).all()
    assert not (two["x"] == two["y"]).any()
    assert not (initialize({"x": info}, 6)["x"] == one["x"]).any()


def mesh(**sizes: int) -> jax.sharding.AbstractMesh:
    return jax.sharding.AbstractMesh(tuple(sizes.values()), tuple(sizes))


def info(*axes: str, size: int = 8) -> ParameterSpec:
    return ParameterSpec(
        shape=(size,) * len(axes), axes=axes, dtype=jnp.float32, initializer=Constant(0)
    )


def test_tensor_parallel_covers_every_array() -> None:
    for name in ("codegen-16b-mono", "codegen-nano"):
        placed = shardings(parameter_specs(named_config(name)), mesh(model=4), TENSOR_PARALLEL)
        assert placed.layers.query.spec == PartitionSpec(None, None, "model", None)
        assert placed.layers.down.spec == PartitionSpec(None, "model", None)
        assert placed.embedding.spec == PartitionSpec("model", None)


def test_several_mesh_axes_on_one_dimension() -> None:
    rules = {"ff": ("data", "model"), "embed": None}
    spec = partition_spec(info("embed", "ff"), rules, mesh(data=2, model=4), name="up")
    assert spec == PartitionSpec(None, ("data", "model"))


@pytest.mark.parametrize(
    ("rules", "axes", "size", "said"),
    [
        ({"embed": None}, ("embed", "ff"), 8, "no sharding rule covers the axis 'ff' of up"),
        ({"embed": "model", "ff": "model"}, ("embed", "ff"), 8, "split twice"),
        ({"ff": ("model", "model")}, ("ff",), 16, "split twice"),
        ({"ff": "tensor"}, ("ff",), 8, "not there"),
        ({"ff": "model"}, ("ff",), 6, "does not divide over 4"),
    ],
)
def test_rules_that_do_not_fit_are_refused(rules, axes, size, said) -> None:
    with pytest.raises(InputError, match=said):
        partition_spec(info(*axes, size=size), rules, mesh(data=2, model=4), name="up")


def test_replicated_needs_no_mesh_axis() -> None:
    placed = shardings(parameter_specs(named_config("codegen-nano")), mesh(data=2), REPLICATED)
    assert all(spec is None for leaf in jax.tree.leaves(placed) for spec in leaf.spec)


def test_a_llama_plan_counts_tied_and_grouped_arrays_once() -> None:
    config = llama_config(
        vocab_size=100, layers=2, d_model=32, heads=4, kv_heads=2, mlp_dim=48,
        qkv_bias=True, tie_embeddings=True,
    )  # fmt: skip
    layer = 32 * 32 * 2 + 2 * 32 * 16 + 3 * 32 * 48 + 2 * 32 + 32 + 2 * 16
    assert plan_of("any", config).parameters == 100 * 32 + 32 + 2 * layer


def test_a_recipe_of_the_former_names_makes_the_same_model() -> None:
    former: Any = {"layers": 2, "heads": 4, "head_size": 8, "rotary_size": 4, "context": 64}
    assert codegen_config(**former) == codegen_config(
        layers=2, heads=4, head_dim=8, rotary_size=4, max_seq_len=64
    )


def test_a_saved_configuration_has_the_keys_it_always_had() -> None:
    config = named_config("codegen-nano")
    plain = to_plain(config)
    assert list(plain) == [
        "vocab_size", "context", "layers", "width", "heads", "kv_heads", "head_size",
        "feed_forward_width", "rotary", "norm", "norm_eps", "feed_forward", "parallel", "qkv_bias",
        "feed_forward_bias", "tied_head", "head_bias",
    ]  # fmt: skip
    assert plain["rotary"] == {"size": 4, "pairs": "adjacent", "base": 10_000.0, "stretch": 1.0}
    assert read_record(plain, DecoderConfig, where="config") == config
    with pytest.raises(InputError, match=r"config: width is out of range: got 0"):
        read_record({**plain, "width": 0}, DecoderConfig, where="config")
