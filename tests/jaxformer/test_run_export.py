"""A run as one GGUF file: full and LoRA runs, of both families, in every engine here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiturn.core.errors import InputError
from multiturn.engines.open import open_engine
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.formats.tensors import numpy_dtype
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.lora import export as export_module
from multiturn.jaxformer.lora.export import best_format, export_run, gguf_file, how_to_use
from multiturn.jaxformer.run.train import main
from multiturn.jaxformer.run.weights import load_run
from multiturn.models.config import DecoderConfig, codegen_config, llama_config
from multiturn.models.lora import LoraConfig


def llama(*, bias: bool, tied: bool, stretch: float = 1.0) -> DecoderConfig:
    return llama_config(
        vocab_size=320, layers=2, d_model=32, heads=4, kv_heads=2, mlp_dim=64,
        max_seq_len=64, qkv_bias=bias, tie_embeddings=tied, rope_scaling=stretch,
    )  # fmt: skip


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(
            llama(bias=False, tied=False, stretch=2.0), id="llama", marks=pytest.mark.slow
        ),
        pytest.param(llama(bias=True, tied=True), id="qwen2", marks=pytest.mark.slow),
        pytest.param(None, id="codegen"),
    ],
)
def test_a_run_becomes_a_file_that_every_engine_opens(
    tiny: TrainConfig, model: DecoderConfig | None, tmp_path: Path
) -> None:
    config = replace(tiny, steps=2, model=model or tiny.model)
    done: list[str] = []
    main(config, doing=done.append)
    # What takes seconds is told before it begins.
    assert done[:2] == ["reading the data", "making the weights"]
    assert done[done.index("compiling the first step") + 1] == "step 2"
    assert done[-1] == "evaluating"
    out = tmp_path / "run-gguf"
    certificate = export_run(config.directory, out, "gguf")
    assert [agreement.within for agreement in certificate.agreements] == [True] * len(
        certificate.agreements
    )
    file = gguf_file(config.directory, out)
    assert how_to_use(config.directory, out, best_format(config)) == str(file)
    for engine in ("llama.cpp", "jax"):
        with open_engine(str(file), engine=engine) as opened:
            assert opened.info.context_window >= 32
    assert json.loads((out / "certificate.json").read_text())["format"] == "gguf"


def test_half_precision_is_the_run_rounded_once(tiny: TrainConfig, tmp_path: Path) -> None:
    main(replace(tiny, steps=2))
    exact, _ = load_run(tiny.directory)
    sizes = {}
    for to, dtype in (("gguf", "float32"), ("gguf", "float16"), ("hub", "bfloat16")):
        out = tmp_path / f"{to}-{dtype}"
        certificate = export_run(tiny.directory, out, to, dtype=dtype)
        assert certificate.dtype == dtype
        place = out if to == "hub" else gguf_file(tiny.directory, out)
        written = load_parameters(open_checkpoint(place), "float32")
        rounded = np.asarray(exact.embedding).astype(numpy_dtype(dtype)).astype(np.float32)
        assert np.array_equal(np.asarray(written.embedding), rounded)
        sizes[dtype] = sum(file.stat().st_size for file in out.iterdir())
        with open_engine(str(place), engine="jax") as opened:
            assert opened.info.context_window
    assert sizes["float16"] < 0.7 * sizes["float32"]
    with pytest.raises(InputError, match=r"type of an export.*float8.*float16"):
        export_run(tiny.directory, tmp_path / "no", "gguf", dtype="float8")
    with pytest.raises(InputError, match=r"an adapter is written in float32.*float16"):
        export_run(tiny.directory, tmp_path / "no", "peft", dtype="float16")
    assert not (tmp_path / "no").exists()


def test_weights_that_a_type_cannot_hold_are_refused(
    tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(replace(tiny, steps=1))
    parameters, config = load_run(tiny.directory)
    large = replace(parameters, embedding=parameters.embedding.at[3, 3].set(1e5))
    monkeypatch.setattr(export_module, "load_run", lambda run: (large, config))
    with pytest.raises(InputError, match=r"float16 cannot hold .*1e\+05.*bfloat16"):
        export_run(tiny.directory, tmp_path / "out", "hub", dtype="float16")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_lora_run_is_merged_into_the_file(tiny: TrainConfig, tmp_path: Path) -> None:
    main(replace(tiny, steps=2))
    tuned = replace(
        tiny,
        out=str(tmp_path / "tuned"),
        steps=2,
        start=tiny.out,
        data=replace(tiny.data, tokenizer=str(tiny.directory / "tokenizer")),
        lora=LoraConfig(rank=2, alpha=4.0, targets=("query", "down")),
    )
    main(tuned)
    out = tmp_path / "tuned-gguf"
    export_run(tuned.directory, out, "gguf")
    with open_engine(str(gguf_file(tuned.directory, out)), engine="jax") as opened:
        assert opened.info.model


@pytest.mark.slow
def test_what_gguf_cannot_hold_is_said(tiny: TrainConfig, tmp_path: Path) -> None:
    model = codegen_config(
        layers=1, heads=2, head_dim=8, rotary_size=4, vocab_size=320, max_seq_len=32,
        mlp_dim=48,
    )  # fmt: skip
    config = replace(tiny, steps=1, model=model)
    main(config)
    with pytest.raises(InputError, match=r"MLP of 4 times the model's width.*export to hub"):
        export_run(config.directory, tmp_path / "out", "gguf")
    assert not (tmp_path / "out").exists()
    assert best_format(config) == "hub"


def test_a_tokenizer_that_is_elsewhere_is_named(tiny: TrainConfig, tmp_path: Path) -> None:
    """A corpus is named as it was from the directory in which the run was trained."""
    config = replace(tiny, steps=1)
    main(config)
    tokenizer = (config.directory / "tokenizer").rename(tmp_path / "tokenizer")
    with pytest.raises(InputError, match=r"run/tokenizer'.*or copy the tokenizer to"):
        export_run(config.directory, tmp_path / "out", "gguf")
    assert not (tmp_path / "out").exists()
    packed = replace(config, data=replace(config.data, kind="packed", path="mine/packed"))
    with pytest.raises(InputError, match=r"mine/packed/tokenizer'.*in which the run was trained"):
        export_module._tokenizer(config.directory, packed)
    tokenizer.rename(config.directory / "tokenizer")
    assert export_run(config.directory, tmp_path / "out", "gguf").agreements
