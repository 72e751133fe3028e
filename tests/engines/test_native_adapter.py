"""LoRA adapters in the native engine: what the decoder in JAX computes with the merged matrices."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_own_engines import INFO, ascii_tokenizer

from multiturn.core.errors import ModelFileError
from multiturn.engines.native.engine import NativeEngine
from multiturn.engines.native.loader import load_decoder
from multiturn.hub.adapters.merging import merge_adapter
from multiturn.hub.adapters.pairs import Pair
from multiturn.hub.adapters.peft import write_peft
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.decoder import forward

GOLDEN = Path(__file__).parent.parent / "golden"
TEXT = "def f(x):\n    return x + 1\n"
ADAPTED = {
    "llama": ("model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"),
    "codegen": ("transformer.h.0.attn.qkv_proj.weight", "transformer.h.1.mlp.fc_in.weight"),
}


def write_adapter(family: str, directory: Path) -> Path:
    checkpoint = open_checkpoint(GOLDEN / family)
    draw = np.random.default_rng(4)
    pairs = {}
    for name in ADAPTED[family]:
        outputs, inputs = checkpoint.tensors[name].shape
        two = (draw.normal(0, 0.3, size).astype(np.float32) for size in ((2, inputs), (outputs, 2)))
        pairs[name] = Pair(*two, 2.0)
    directory.mkdir()
    write_peft(directory, pairs, rank=2, alpha=4, base="tiny")
    return directory


@pytest.mark.parametrize("family", ["llama", "codegen"])
def test_an_adapter_is_merged(family: str, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(GOLDEN / family)
    adapter = write_adapter(family, tmp_path / "adapter")
    plain = load_parameters(checkpoint, "float32")
    merged = merge_adapter(plain, checkpoint.config, adapter, layout=checkpoint.layout)
    ids = np.array(list(TEXT.encode()))
    decoder = load_decoder(checkpoint, "float32", threads=2, adapter=adapter)
    with NativeEngine(decoder, ascii_tokenizer(), INFO) as engine:
        found = np.array(engine.score(TEXT).logprobs[1:])
    for parameters, same in ((merged, True), (plain, False)):
        logits = forward(parameters, jnp.asarray(ids[None]), checkpoint.config)[0]
        expected = np.asarray(jax.nn.log_softmax(logits))[np.arange(len(ids) - 1), ids[1:]]
        assert np.allclose(found, expected, atol=5e-5) == same


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    adapter = write_adapter("codegen", tmp_path / "adapter")
    with pytest.raises(ModelFileError, match="another model"):
        load_decoder(open_checkpoint(GOLDEN / "llama"), "float32", adapter=adapter)
