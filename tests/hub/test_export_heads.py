"""Exports of any number and size of heads, opened and written with by every engine here."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from multiturn.core.errors import EngineError, InputError, ModelFileError
from multiturn.engines.jax.loader import open_jax
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.protocol import Engine, Request, generate
from multiturn.hub.checkpoints.layouts import gptj_layout
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.exports.configs import _rotary_factor, gptj_json
from multiturn.hub.exports.export import _source_logits, export
from multiturn.hub.exports.files import write_hub_checkpoint
from multiturn.hub.formats.safetensors_files import NewTensor, read_safetensors, write_safetensors
from multiturn.hub.resolve_model import model_tokenizer
from multiturn.jaxformer.lora.export import _hub_layout
from multiturn.models.arrays import Constant
from multiturn.models.config import codegen_config
from multiturn.models.parameters import parameter_specs
from multiturn.text.tokenizers_codegen import train_tokenizer

SHAPES = {
    "1 x 20, all turned": {"heads": 1, "head_dim": 20, "rotary_size": 20},
    "3 x 22": {"heads": 3, "head_dim": 22, "rotary_size": 10, "vocab_size": 307},
    "5 x 9, an odd size": {"heads": 5, "head_dim": 9, "rotary_size": 2},
    "7 x 32": {"heads": 7, "head_dim": 32, "rotary_size": 32},
    "6 x 8": {"heads": 6, "head_dim": 8, "rotary_size": 4},
}


PROMPT = "def f(x):\n    return"


def write_source(place: Path, **shape: int) -> Path:
    config = codegen_config(**{"layers": 2, "vocab_size": 300, "max_seq_len": 128, **shape})
    draw = np.random.default_rng(3)
    # As large at any width: llama.cpp rounds to half precision within each feed-forward.
    size = min(0.15, 1.2 / config.d_model**0.5)
    parameters = jax.tree.map(
        lambda info: (
            size * draw.normal(size=info.shape) + (info.initializer == Constant(1.0))
        ).astype(np.float32),
        parameter_specs(config),
    )
    tokenizer = train_tokenizer(["def f(x):\n    return x\nimport numpy as np\n"], 300)
    place.mkdir(parents=True)
    described = gptj_json(config, "float32", tokenizer.end_of_text[0])
    write_hub_checkpoint(place, parameters, gptj_layout(config), described, "float32")
    tokenizer.save(place)
    return place


def written(engine: Engine) -> tuple[int, ...]:
    request = Request(prompt=PROMPT, max_tokens=8, temperature=0)
    with engine:
        (done,) = generate(engine, request)
    return done.tokens


def greedy(place: Path) -> tuple[int, ...]:
    """What the decoder writes with the files at a place, read as the native engine reads them."""
    checkpoint = open_checkpoint(place)
    ids = model_tokenizer(place).encode_prompt(PROMPT)
    logits = partial(_source_logits, load_parameters(checkpoint), checkpoint.config)
    for _ in range(8):
        padded = np.zeros((1, 32), np.int32)
        padded[0, : len(ids)] = ids
        ids.append(int(logits(padded)[0, len(ids) - 1].argmax()))
    return tuple(ids[-8:])


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if "x 8" in name else [pytest.mark.slow]) for name in SHAPES],
)
def test_what_was_exported_writes_the_same(tmp_path: Path, name: str) -> None:
    source = write_source(tmp_path / "source", **SHAPES[name])
    expected = greedy(source)
    odd = SHAPES[name]["head_dim"] % 2
    for to in ("gptj", "phi") if odd else ("gptj", "phi", "gguf"):
        out = tmp_path / to
        certificate = export(source, out, to)
        assert all(agreement.within for agreement in certificate.agreements)
        place = next(out.glob("*.gguf"), out)
        assert greedy(place) == expected
    if odd:
        with pytest.raises(InputError, match=r"odd size.*got 9.*gptj or phi"):
            export(source, tmp_path / "gguf", "gguf")
        return
    pytest.importorskip("xllamacpp")
    assert written(open_llama_cpp(place, threads=1)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_what_was_exported_opens_in_the_jax_engine(tmp_path: Path, name: str) -> None:
    source = write_source(tmp_path / "source", **SHAPES[name])
    expected = greedy(source)
    for to in ("phi",) if SHAPES[name]["head_dim"] % 2 else ("phi", "gguf"):
        export(source, tmp_path / to, to)
        place = next((tmp_path / to).glob("*.gguf"), tmp_path / to)
        engine = open_jax(place, dtype="float32", slots=1)
        assert written(engine) == expected


def test_the_codegen_layout_wants_its_heads_in_four_groups(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", heads=6, head_dim=8, rotary_size=4)
    with pytest.raises(InputError, match=r"in 4 groups.*6 heads.*gptj, phi or gguf"):
        export(source, tmp_path / "out", "codegen")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("heads", "name"), [(1, "gptj"), (3, "gptj"), (4, "codegen"), (6, "gptj")])
def test_a_run_of_any_number_of_heads_has_a_layout(heads: int, name: str) -> None:
    config = codegen_config(layers=1, heads=heads, head_dim=8, rotary_size=4, vocab_size=32)
    layout, describe = _hub_layout(config)
    assert layout.name == name == describe(config, "float32", 0)["model_type"]


def test_every_share_of_a_head_comes_back_as_its_size() -> None:
    for head in range(2, 300):
        for size in range(2, head + 1, 2):
            assert int(head * _rotary_factor(size, head)) == size


@pytest.mark.parametrize("kept", ["transformer.wte.weight", "lm_head.weight"])
def test_a_tied_head_is_read_from_either_tensor(tmp_path: Path, kept: str) -> None:
    """With a bias of its own, as GPT-J has; transformers leaves one of the two out."""
    source = write_source(tmp_path / "source", heads=2, head_dim=8, rotary_size=4)
    tensors = {
        name: (tensor.shape, np.array(tensor.read()))  # a copy: the file is rewritten
        for name, tensor in read_safetensors(source / "model.safetensors").items()
    }
    dropped = ({"transformer.wte.weight", "lm_head.weight"} - {kept}).pop()
    del tensors[dropped]
    write_safetensors(
        source / "model.safetensors",
        [NewTensor(name, shape, "float32", lambda v=v: v) for name, (shape, v) in tensors.items()],
    )
    with pytest.raises(ModelFileError, match="missing"):
        open_checkpoint(source)
    settings = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(settings | {"tie_word_embeddings": True}))
    parameters = load_parameters(open_checkpoint(source))
    np.testing.assert_array_equal(parameters.embedding, np.asarray(parameters.head).T)
    export(source, tmp_path / "out", "phi")
    again = load_parameters(open_checkpoint(tmp_path / "out"))
    jax.tree.map(np.testing.assert_array_equal, parameters, again)


@pytest.mark.parametrize("said", [None, 0, 3, 18])
def test_a_rotary_size_that_no_program_computes_is_refused(tmp_path: Path, said: Any) -> None:
    source = write_source(tmp_path / "source", heads=2, head_dim=16, rotary_size=4)
    settings = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(settings | {"rotary_dim": said}))
    with pytest.raises(ModelFileError, match="rotary") as caught:
        open_checkpoint(source)
    assert "\n" not in str(caught.value)


def test_ends_and_starts_go_along(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", heads=2, head_dim=16, rotary_size=4)
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": [261, 9, 8]}))
    content = json.loads((source / "tokenizer.json").read_text("utf-8"))
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "s", "type_id": 0}}, {"Sequence": {"id": "A",
                   "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"s": {"id": "s", "ids": [7], "tokens": ["x"]}},
    }  # fmt: skip
    (source / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    before = model_tokenizer(source)
    for to in ("phi", "gguf"):
        export(source, tmp_path / to, to)
        again = model_tokenizer(next((tmp_path / to).glob("*.gguf"), tmp_path / to))
        assert again.end_of_text == before.end_of_text == (261, 9, 8)
        assert again.encode_prompt("x = 1") == before.encode_prompt("x = 1")
        assert again.before == (7,)


def test_a_tokenizer_that_no_rule_of_llama_cpp_cuts_like_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", heads=2, head_dim=16, rotary_size=4)
    content = json.loads((source / "tokenizer.json").read_text("utf-8"))
    split = {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False}
    content["pre_tokenizer"] = {
        "type": "Sequence", "pretokenizers": [split, content["pre_tokenizer"]]
    }  # fmt: skip
    (source / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(InputError, match="does not support the pre-tokenizer of this model"):
        export(source, tmp_path / "out", "gguf")
    assert not (tmp_path / "out").exists()
    export(source, tmp_path / "phi", "phi")


def test_what_llama_cpp_does_not_take_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    source = write_source(tmp_path / "source", heads=2, head_dim=16, rotary_size=4)
    monkeypatch.setattr(
        "multiturn.hub.exports.export.find_fault", lambda *_: "GGML_ASSERT(x) failed"
    )
    with pytest.raises(EngineError, match=r"could not load the model: GGML_ASSERT"):
        export(source, tmp_path / "out", "gguf")
    assert not (tmp_path / "out").exists()
