"""Checkpoints are read completely and correctly, or refused with the name of what is wrong."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError, ModelFileError
from multiturn.hub.checkpoints.layouts import (
    codegen_layout,
    gguf_llama_layout,
    gguf_phi2_layout,
    gptj_layout,
    llama_layout,
    phi_layout,
)
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.configs import codegen_json, llama_json
from multiturn.hub.exports.files import write_hub_checkpoint
from multiturn.hub.formats.safetensors_files import NewTensor, read_safetensors, write_safetensors
from multiturn.models.config import codegen_config, llama_config, named_config
from multiturn.models.parameters import Parameters, named_arrays, parameter_specs

GOLDEN = Path(__file__).parent.parent / "golden"
LLAMA = llama_config(
    vocab_size=24, layers=2, d_model=16, heads=4, kv_heads=2, head_dim=4,
    mlp_dim=12, qkv_bias=True,
)  # fmt: skip
CODEGEN = codegen_config(layers=2, heads=8, head_dim=4, rotary_size=2, vocab_size=24)


def numbered(config) -> Parameters:
    """Arrays in which every number is another, so that no permutation goes unseen."""
    declared = parameter_specs(config)
    start = iter(range(0, 10**9, 10**5))
    return jax.tree.map(
        lambda info: np.arange(info.size, dtype=np.float64).reshape(info.shape) + next(start),
        declared,
    )


@pytest.mark.parametrize(
    ("config", "layout"),
    [
        (CODEGEN, lambda c: codegen_layout(c, 4)),
        (CODEGEN, lambda c: codegen_layout(c, 8)),
        (CODEGEN, gptj_layout),
        (CODEGEN, phi_layout),
        (CODEGEN, gguf_phi2_layout),
        (LLAMA, llama_layout),
        (LLAMA, lambda c: gguf_llama_layout(c, "llama")),
        (LLAMA, lambda c: gguf_llama_layout(c, "qwen2")),
    ],
)
def test_each_layout_there_and_back(config, layout) -> None:
    parameters = numbered(config)
    seen: dict[tuple[int | None, str], Any] = {}
    for rule in layout(config).rules:
        at = parameters if rule.layer is None else parameters.layers
        arrays = [getattr(at, field) for field in rule.fields]
        arrays = arrays if rule.layer is None else [array[rule.layer] for array in arrays]
        stored = rule.to_file(*arrays)
        assert stored.shape == rule.shape, rule.name
        for field, array, back in zip(rule.fields, arrays, rule.from_file(stored), strict=True):
            np.testing.assert_array_equal(back, array)
            assert (rule.layer, field) not in seen
            seen[rule.layer, field] = True
    named = [name for name, _ in named_arrays(parameter_specs(config))]
    blocks = sum(name.startswith("layers.") for name in named)
    assert len(seen) == len(named) - blocks + blocks * config.layers


def test_eight_groups_are_other_rows_than_four() -> None:
    parameters = numbered(CODEGEN)
    parts = [getattr(parameters.layers, name)[0] for name in ("query", "key", "value")]
    four = codegen_layout(CODEGEN, 4).rules[5].to_file(*parts)
    eight = codegen_layout(CODEGEN, 8).rules[5].to_file(*parts)
    assert not np.array_equal(four, eight)
    # The first rows of a file are the queries of the first heads, then values, then keys.
    query, value = parts[0], parts[2]
    np.testing.assert_array_equal(four[0], query[:, 0, 0])
    np.testing.assert_array_equal(four[2 * 4], value[:, 0, 0])
    np.testing.assert_array_equal(eight[1 * 4], value[:, 0, 0])


@pytest.fixture
def codegen(tmp_path: Path) -> Path:
    return shutil.copytree(GOLDEN / "codegen", tmp_path / "model")


def edit(directory: Path, **changes: Any) -> None:
    config = json.loads((directory / "config.json").read_text())
    config.update(changes)
    kept = {key: value for key, value in config.items() if value is not ...}
    (directory / "config.json").write_text(json.dumps(kept))


def rewrite(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = directory / "model.safetensors"
    tensors = {name: np.array(t.read()) for name, t in read_safetensors(file).items()}
    change(tensors)
    file.unlink()
    safetensors.numpy.save_file(tensors, file)


def test_dtypes(codegen: Path) -> None:
    checkpoint = open_checkpoint(codegen)
    assert checkpoint.dtype == "float16"
    assert load_parameters(checkpoint).embedding.dtype == np.float16
    assert load_parameters(checkpoint, "bfloat16").embedding.dtype == ml_dtypes.bfloat16
    with pytest.raises(InputError, match="int8"):
        load_parameters(checkpoint, "int8")


def test_shards_are_one_checkpoint(codegen: Path, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(codegen)
    whole = load_parameters(checkpoint)
    out = tmp_path / "shards"
    out.mkdir()
    write_hub_checkpoint(
        out,
        whole,
        checkpoint.layout,
        codegen_json(checkpoint.config, "float16", 0),
        "float16",
        shard_bytes=20_000,
    )
    assert len(list(out.glob("model-*-of-*.safetensors"))) > 2
    again = load_parameters(open_checkpoint(out))
    jax.tree.map(np.testing.assert_array_equal, whole, again)
    next(out.glob("model-00002-*")).unlink()
    with pytest.raises(ModelFileError, match=r"shard.*model-00002"):
        open_checkpoint(out)


def test_a_shard_outside_the_directory_is_refused(codegen: Path) -> None:
    index = {"weight_map": {"lm_head.weight": "../other.safetensors"}}
    (codegen / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelFileError, match="weight_map"):
        open_checkpoint(codegen)


def test_masks_of_old_files_are_passed_over(codegen: Path) -> None:
    def add(tensors):
        tensors["transformer.h.0.attn.causal_mask"] = np.ones((1, 1, 4, 4), np.uint8)

    rewrite(codegen, add)
    assert "transformer.h.0.attn.causal_mask" in open_checkpoint(codegen).tensors


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.pop("lm_head.bias"), "'lm_head.bias' is missing"),
        (lambda t: t.update(strange=np.zeros(3, np.float16)), "'strange' is not part"),
        (
            lambda t: t.update({"transformer.ln_f.bias": np.zeros(31, np.float16)}),
            r"'transformer.ln_f.bias' has the wrong shape.*\[31\].*\[32\]",
        ),
        (
            lambda t: t.update({"transformer.ln_f.bias": np.zeros(32, np.int32)}),
            "'transformer.ln_f.bias' does not hold floating-point.*int32",
        ),
        (lambda t: t.clear(), "tensors are"),
    ],
)
def test_wrong_tensors_are_named(codegen: Path, change, named: str) -> None:
    rewrite(codegen, change)
    with pytest.raises(ModelFileError, match=named):
        open_checkpoint(codegen)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "bert"}, "model_type.*'bert'.*codegen"),
        ({"model_type": ...}, "model_type"),
        ({"n_embd": ...}, "n_embd"),
        ({"n_embd": "32"}, "n_embd"),
        ({"n_layer": 0}, "n_layer"),
        ({"n_layer": 1.5}, "n_layer"),
        ({"n_head": 5}, "n_head"),
        ({"rotary_dim": 3}, "rotary"),
        ({"activation_function": "relu"}, "relu"),
        ({"n_layer": 3}, "missing"),
        ({"n_layer": 1}, "not part"),
        ({"vocab_size": 127}, "wrong shape"),
        ({"tie_word_embeddings": True}, "tied"),
    ],
)
def test_wrong_configurations_are_refused(codegen: Path, changes, said: str) -> None:
    edit(codegen, **changes)
    with pytest.raises(ModelFileError, match=said):
        open_checkpoint(codegen)


def test_ambiguous_groups_are_refused_unless_said(codegen: Path) -> None:
    edit(codegen, auto_map={"AutoModelForCausalLM": "modeling_codegen.CodeGenForCausalLM"})
    with pytest.raises(ModelFileError, match="qkv groups is ambiguous"):
        open_checkpoint(codegen)
    said = load_parameters(open_checkpoint(codegen, groups=4))
    edit(codegen, mp_num=4)
    jax.tree.map(np.testing.assert_array_equal, said, load_parameters(open_checkpoint(codegen)))
    with pytest.raises(InputError, match="contradicts"):
        open_checkpoint(codegen, groups=2)


@pytest.mark.parametrize("groups", [3, 8])
def test_groups_that_do_not_divide_the_heads_are_refused(codegen: Path, groups: int) -> None:
    with pytest.raises(ModelFileError, match="4 heads do not divide"):
        open_checkpoint(codegen, groups=groups)


def test_groups_are_for_codegen_only() -> None:
    with pytest.raises(InputError, match="only for CodeGen"):
        open_checkpoint(GOLDEN / "llama", groups=4)
    with pytest.raises(InputError, match="out of range"):
        open_checkpoint(GOLDEN / "codegen", groups=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}},
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        {"rope_parameters": [1]},
        {"num_key_value_heads": 3},
    ],
)
def test_llama_models_beyond_the_decoder_are_refused(tmp_path: Path, changes) -> None:
    directory = shutil.copytree(GOLDEN / "llama", tmp_path / "model")
    edit(directory, **changes)
    with pytest.raises(ModelFileError):
        open_checkpoint(directory)


def test_old_and_new_rotary_settings_mean_the_same(tmp_path: Path) -> None:
    directory = shutil.copytree(GOLDEN / "llama", tmp_path / "model")
    edit(
        directory, rope_parameters=..., rope_theta=5e5, rope_scaling={"type": "linear", "factor": 2}
    )
    rotary = open_checkpoint(directory).config.rotary
    assert (rotary.base, rotary.scaling) == (5e5, 2.0)


def test_a_tied_head_stored_again_must_be_the_same(tmp_path: Path) -> None:
    directory = shutil.copytree(GOLDEN / "qwen2", tmp_path / "model")
    rewrite(
        directory, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].copy()})
    )
    assert open_checkpoint(directory).config.tie_embeddings
    rewrite(directory, lambda t: t["lm_head.weight"].__setitem__((0, 0), 9))
    with pytest.raises(ModelFileError, match="differs from the embedding"):
        open_checkpoint(directory)


def test_what_is_written_is_read_by_the_safetensors_package(tmp_path: Path) -> None:
    parameters = jax.tree.map(lambda a: a.astype(np.float32), numbered(LLAMA))
    write_hub_checkpoint(
        tmp_path, parameters, llama_layout(LLAMA), llama_json(LLAMA, "float32", 0), "float32"
    )
    theirs = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(theirs["model.embed_tokens.weight"], parameters.embedding)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.config.kv_heads == 2 and checkpoint.config.head_dim == 4
    assert set(theirs) == set(checkpoint.tensors)


def test_bfloat16_survives(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3e38], ml_dtypes.bfloat16)
    file = tmp_path / "a.safetensors"
    write_safetensors(file, [NewTensor("a", (3,), "bfloat16", lambda: values)])
    tensor = read_safetensors(file)["a"]
    assert tensor.dtype == "bfloat16"
    np.testing.assert_array_equal(tensor.read(), values)


def header(content: Any, data: bytes = b"") -> bytes:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"1234", "too short"),
        (struct.pack("<Q", 2**60) + b"{}", "header runs past"),
        (header(b"[]"), "no.* object"),
        (header(b"{" * 30_000), "not JSON"),
        (header(b"\xff\xfe"), "not JSON"),
        (header(b'{"a": 1, "a": 2}'), "a name is repeated"),
        (header({"t": 5}), "'t' is not well formed"),
        (header({"t": entry(dtype="F8")}, bytes(8)), "'t' has an unknown dtype.*F8"),
        (header({"t": entry(dtype=["F32"])}, bytes(8)), "'t' has an unknown dtype"),
        (header({"t": entry(shape=[3])}, bytes(8)), "'t' has another size"),
        (header({"t": entry(shape=[-1, -2])}, bytes(8)), "'t' is not well formed"),
        (header({"t": entry(shape=[True, 2])}, bytes(8)), "'t' is not well formed"),
        (header({"t": entry(shape=[2**62, 2**62])}, bytes(8)), "'t' has another size"),
        (header({"t": entry(offsets=[0])}, bytes(8)), "'t' is not well formed"),
        (header({"t": entry()}, bytes(7)), "cut short: the tensor 't'"),
        (header({"t": entry()}, bytes(9)), "left over"),
        (header({"t": entry(offsets=[4, 12])}, bytes(12)), "'t' overlaps another or leaves a gap"),
        (header({"s": entry(), "t": entry()}, bytes(8)), "overlaps"),
    ],
)
def test_broken_safetensors_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=said) as caught:
        read_safetensors(file)
    assert "a.safetensors" in str(caught.value)


@given(st.data())
def test_changed_bytes_never_surprise(tmp_path_factory, data) -> None:
    source = GOLDEN / "codegen"
    raw = bytearray((source / "model.safetensors").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 2_500))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(raw), len(raw) - 1, 900, 7]))
    directory = tmp_path_factory.mktemp("broken")
    shutil.copy(source / "config.json", directory)
    (directory / "model.safetensors").write_bytes(raw[:cut])
    try:
        open_checkpoint(directory)
    except ModelFileError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_as_a_configuration(tmp_path_factory, raw: bytes) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / "config.json").write_bytes(raw)
    with pytest.raises(ModelFileError):
        open_checkpoint(directory)


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError):
        open_checkpoint(tmp_path / name)


def test_a_directory_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps(codegen_json(named_config("codegen-nano"), "float32", 0))
    )
    with pytest.raises(ModelFileError, match="no weights"):
        open_checkpoint(tmp_path)
