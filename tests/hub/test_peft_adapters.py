"""Adapters as files: the same product in every layout, exact there and back, strict when read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.core.errors import ModelFileError
from multiturn.hub.adapters.gguf import read_gguf_adapter, write_gguf_adapter
from multiturn.hub.adapters.merging import merge_adapter
from multiturn.hub.adapters.pairs import pairs_of
from multiturn.hub.adapters.peft import PEFT_CONFIG, PEFT_WEIGHTS, read_peft, write_peft
from multiturn.hub.checkpoints.layouts import (
    Layout,
    codegen_layout,
    gguf_llama_layout,
    gguf_phi2_layout,
    gptj_layout,
    llama_layout,
    phi_layout,
)
from multiturn.models.config import DecoderConfig, codegen_config, llama_config
from multiturn.models.lora import LORA_TARGETS, LoraConfig, lora_specs, merge
from multiturn.models.parameters import named_arrays, parameter_specs

pytestmark = pytest.mark.real

CODEGEN = codegen_config(
    layers=2, heads=8, head_dim=4, rotary_size=2, vocab_size=32, max_seq_len=16
)
LLAMA = llama_config(
    vocab_size=32, layers=2, d_model=24, heads=6, kv_heads=2, mlp_dim=40, head_dim=8
)
LAYOUTS: dict[str, tuple[DecoderConfig, Callable[[DecoderConfig], Layout]]] = {
    "codegen": (CODEGEN, lambda config: codegen_layout(config, 4)),
    "codegen2": (CODEGEN, lambda config: codegen_layout(config, 8)),
    "gptj": (CODEGEN, gptj_layout),
    "phi": (CODEGEN, phi_layout),
    "gguf phi2": (CODEGEN, gguf_phi2_layout),
    "llama": (LLAMA, llama_layout),
    "gguf llama": (LLAMA, lambda config: gguf_llama_layout(config, "llama")),
    "gguf qwen2": (LLAMA, lambda config: gguf_llama_layout(config, "qwen2")),
}


def drawn(declared: Any, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    return jax.tree.map(
        lambda info: jnp.asarray(draw.normal(0, 0.1, info.shape), jnp.float32), declared
    )


def targets_of(config: DecoderConfig) -> list[str]:
    layers = parameter_specs(config).layers
    return [name for name in LORA_TARGETS if getattr(layers, name) is not None]


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_pair_is_the_product_in_the_layout(name: str, data: st.DataObject) -> None:
    """B A of a tensor is what the layout makes of A B of its matrices, whichever are adapted."""
    config, make = LAYOUTS[name]
    chosen = data.draw(st.lists(st.sampled_from(targets_of(config)), min_size=1, unique=True))
    lora = LoraConfig(rank=data.draw(st.integers(1, 5)), alpha=3.0, targets=tuple(chosen))
    factors = drawn(lora_specs(config, lora), data.draw(st.integers(0, 99)))
    layout = make(config)
    pairs = pairs_of(factors, lora.scale, layout)
    zero = jax.tree.map(lambda info: jnp.zeros(info.shape), parameter_specs(config))
    layers = dict(named_arrays(merge(zero, factors, lora.scale).layers))
    for rule in layout.rules:
        adapted = rule.layer is not None and set(rule.fields) & set(chosen)
        assert (rule.name in pairs) == bool(adapted)
        if adapted:
            expected = rule.to_file(
                *(np.asarray(layers[field][rule.layer]) for field in rule.fields)
            )
            pair = pairs[rule.name]
            np.testing.assert_allclose(pair.product(), expected, rtol=1e-4, atol=1e-6)
            fused = len(set(rule.fields) & set(chosen))
            assert pair.rank == lora.rank * fused


@pytest.mark.parametrize("name", LAYOUTS)
def test_written_and_merged_is_merged(name: str, tmp_path: Path) -> None:
    config, make = LAYOUTS[name]
    lora = LoraConfig(rank=2, alpha=6.0, targets=tuple(targets_of(config)))
    factors = drawn(lora_specs(config, lora), 1)
    base = drawn(parameter_specs(config), 2)
    layout = make(config)
    pairs = pairs_of(factors, lora.scale, layout)
    if name.startswith("gguf"):
        adapter = tmp_path / "adapter.gguf"
        architecture = name.removeprefix("gguf ")
        write_gguf_adapter(adapter, pairs, architecture=architecture, name="an adapter")
        assert read_gguf_adapter(adapter)[0] == architecture
    else:
        adapter = tmp_path
        write_peft(adapter, pairs, rank=lora.rank, alpha=lora.alpha, base="a model")
    found = dict(named_arrays(merge_adapter(base, config, adapter, layout=layout)))
    for field, expected in named_arrays(merge(base, factors, lora.scale)):
        np.testing.assert_allclose(found[field], expected, rtol=1e-5, atol=1e-6, err_msg=field)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    lora = LoraConfig(rank=2, alpha=6.0, targets=("query", "down"))
    factors = drawn(lora_specs(LLAMA, lora), 1)
    pairs = pairs_of(factors, lora.scale, llama_layout(LLAMA))
    write_peft(tmp_path, pairs, rank=2, alpha=6.0, base="a model")
    return tmp_path


def test_of_another_model(adapter: Path) -> None:
    wide = llama_config(vocab_size=32, layers=2, d_model=32, heads=4, kv_heads=2, mlp_dim=40)
    with pytest.raises(ModelFileError, match="a model of another size"):
        merge_adapter(drawn(parameter_specs(wide), 0), wide, adapter)
    with pytest.raises(ModelFileError, match="for another model"):
        merge_adapter(drawn(parameter_specs(CODEGEN), 0), CODEGEN, adapter)
    with pytest.raises(ModelFileError, match="no such adapter"):
        merge_adapter(drawn(parameter_specs(LLAMA), 0), LLAMA, adapter / "missing")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"use_dora": True}, "adapters with use_dora"),
        ({"bias": "all"}, "adapters with bias"),
        ({"modules_to_save": ["lm_head"]}, "adapters with modules_to_save"),
        ({"peft_type": "IA3"}, "does not describe a LoRA adapter"),
        ({"lora_alpha": "much"}, "is not a number"),
        ({"lora_alpha": None}, "is not a number"),
        ({"alpha_pattern": {"down_proj": "much"}}, "is not a number"),
        ({"alpha_pattern": {"(": 1}}, "not a regular expression"),
        ({"alpha_pattern": [1]}, "not a mapping"),
        ({"rank_pattern": {"down_proj": 3}}, "the rank of"),
        ({"r": 4}, "the rank of"),
        ({"use_rslora": "yes"}, "not true or false"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights.*got 'pissa'"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights.*got 'pissa_niter_16'"),
        ({"init_lora_weights": "olora"}, "init_lora_weights.*got 'olora'"),
        ({"init_lora_weights": "OLoRA"}, "init_lora_weights.*got 'OLoRA'"),
        ({"init_lora_weights": "corda"}, "init_lora_weights.*got 'corda'"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights.*got 'loftq'"),
        ({"init_lora_weights": "lora_ga"}, "init_lora_weights.*got 'lora_ga'"),
        ({"init_lora_weights": 1}, "init_lora_weights.*got 1"),
        ({"init_lora_weights": ["pissa"]}, "init_lora_weights"),
        ({"fan_in_fan_out": True}, "adapters with fan_in_fan_out"),
        ({"lora_bias": True}, "adapters with lora_bias"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "adapters with layer_replication"),
        ({"trainable_token_indices": [1, 2]}, "adapters with trainable_token_indices"),
        ({"trainable_token_indices": {"embed_tokens": [1]}}, "with trainable_token_indices"),
        ({"target_parameters": ["experts.up"]}, "adapters with target_parameters"),
        ({"megatron_config": {"tensor_model_parallel_size": 2}}, "adapters with megatron_config"),
        ({"alora_invocation_tokens": [5, 6]}, "adapters with alora_invocation_tokens"),
        ({"use_qalora": True}, "adapters with use_qalora"),
        ({"use_bdlora": {"nblocks": 2}}, "adapters with use_bdlora"),
        ({"arrow_config": {"top_k": 3}}, "adapters with arrow_config"),
        ({"use_something_new": True}, "with use_something_new are not read, since its meaning"),
        ({"scaling_of_tomorrow": 0.5}, "scaling_of_tomorrow"),
    ],
)
def test_what_is_not_read_is_refused(adapter: Path, change: dict[str, Any], told: str) -> None:
    file = adapter / PEFT_CONFIG
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelFileError, match=told):
        read_peft(adapter)


def test_settings_that_change_nothing_pass(adapter: Path) -> None:
    """As peft writes them: all keys of its version, most of them at rest."""
    file = adapter / PEFT_CONFIG
    plain = json.loads(file.read_text())
    expected = {name: pair.scale for name, pair in read_peft(adapter).items()}
    resting = {
        "alora_invocation_tokens": None, "arrow_config": None, "auto_mapping": None,
        "corda_config": None, "ensure_weight_tying": False, "eva_config": None,
        "exclude_modules": ["lm_head"], "fan_in_fan_out": False, "layer_replication": None,
        "layers_pattern": None, "layers_to_transform": [0, 1], "loftq_config": {},
        "lora_bias": False, "lora_dropout": 0.1, "megatron_config": None,
        "megatron_core": "megatron.core", "modules_to_save": None, "peft_version": "0.21.2",
        "qalora_group_size": 16, "revision": "main", "target_parameters": None,
        "trainable_token_indices": None, "use_bdlora": None, "use_dora": False,
        "use_qalora": False, "use_rslora": False, "something_new": None, "another": [],
        "target_modules": "all-linear", "task_type": "CAUSAL_LM", "bias": "none",
    }  # fmt: skip
    for init in (True, False, None, "gaussian", "eva", "orthogonal", "mica"):
        file.write_text(json.dumps(plain | resting | {"init_lora_weights": init}))
        assert {name: pair.scale for name, pair in read_peft(adapter).items()} == expected


def test_ranks_of_patterns(adapter: Path) -> None:
    """The first pattern that fits the end of a name holds; what is not said is as in peft."""
    file = adapter / PEFT_CONFIG
    plain = json.loads(file.read_text())
    patterns = {r".*\.mlp\.down_proj": 2, "down_proj": 7, "q_proj": 2}
    file.write_text(json.dumps(plain | {"r": 64, "rank_pattern": patterns}))
    assert {pair.scale for pair in read_peft(adapter).values()} == {3.0}
    del plain["lora_alpha"]
    file.write_text(json.dumps(plain))
    assert {pair.scale for pair in read_peft(adapter).values()} == {8 / 2}


def test_scales_of_peft(adapter: Path) -> None:
    file = adapter / PEFT_CONFIG
    plain = json.loads(file.read_text())
    file.write_text(json.dumps(plain | {"alpha_pattern": {"down_proj": 10}}))
    scales = {name.split(".")[-2]: pair.scale for name, pair in read_peft(adapter).items()}
    assert scales == {"q_proj": 3.0, "down_proj": 5.0}
    file.write_text(json.dumps(plain | {"use_rslora": True}))
    assert {pair.scale for pair in read_peft(adapter).values()} == {6.0 / 2**0.5}


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_read_and_never_worse(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("damaged")
    lora = LoraConfig(rank=1, targets=("up",))
    factors = drawn(lora_specs(LLAMA, lora), 1)
    pairs = pairs_of(factors, 1.0, llama_layout(LLAMA))
    write_peft(place, pairs, rank=1, alpha=1.0, base="a model")
    gguf = place / "adapter.gguf"
    write_gguf_adapter(
        gguf,
        pairs_of(factors, 1.0, gguf_llama_layout(LLAMA, "llama")),
        architecture="llama",
        name="an adapter",
    )
    file = data.draw(st.sampled_from([place / PEFT_CONFIG, place / PEFT_WEIGHTS, gguf]))
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, min(len(content) - 1, 2000)))] = data.draw(
                st.integers(0, 255)
            )
    file.write_bytes(bytes(content))
    with contextlib.suppress(ModelFileError):
        merge_adapter(drawn(parameter_specs(LLAMA), 0), LLAMA, gguf if file == gguf else place)
