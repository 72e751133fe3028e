"""Adapters written here, as llama.cpp and the real `peft` read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.hub.adapters.gguf import write_gguf_adapter
from multiturn.hub.adapters.merging import merge_adapter
from multiturn.hub.adapters.pairs import pairs_of
from multiturn.hub.adapters.peft import write_peft
from multiturn.hub.checkpoints.layouts import gguf_llama_layout, llama_layout
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.config import llama_config
from multiturn.models.decoder import forward
from multiturn.models.lora import LoraConfig, lora_specs, merge
from multiturn.models.parameters import parameter_specs

PROMPT = "def add(a, b):\n    return"
TOLERANCE = 0.25
"""Natural log-probability: llama.cpp rounds activations for quantized weights, by which the
models differ without an adapter already (docs/decisions/0010)."""


def drawn(declared: Any, seed: int, deviation: float) -> Any:
    draw = np.random.default_rng(seed)
    return jax.tree.map(
        lambda info: jnp.asarray(draw.normal(0, deviation, info.shape), jnp.float32), declared
    )


@pytest.mark.slow
def test_llama_cpp_adds_the_adapter_that_the_decoder_merges(smollm2: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from multiturn.engines.llama_cpp import open_llama_cpp

    checkpoint = open_checkpoint(smollm2)
    config = checkpoint.config
    lora = LoraConfig(rank=4, alpha=8.0, targets=("query", "value", "attention_out", "down"))
    factors = drawn(lora_specs(config, lora), 1, 0.05)
    adapter = tmp_path / "adapter.gguf"
    pairs = pairs_of(factors, lora.scale, gguf_llama_layout(config, "llama"))
    write_gguf_adapter(adapter, pairs, architecture="llama", name="an adapter")

    base = load_parameters(checkpoint, "float32")
    logits = jax.jit(forward, static_argnums=2)
    told: dict[str, list[float]] = {}
    for name, added in (("base", None), ("adapted", adapter)):
        with open_llama_cpp(smollm2, context=256, threads=2, adapter=added) as engine:
            ids = engine._tokenize(PROMPT, False)
            tokens = jnp.asarray([ids])
            likely = np.argsort(np.asarray(logits(base, tokens, config)[0, -1]))[-4:]
            told[name] = [engine.score(ids, int(token)) for token in likely]
    merged = merge_adapter(base, config, adapter)
    for name, parameters in (("base", base), ("adapted", merged)):
        logs = jax.nn.log_softmax(logits(parameters, tokens, config)[0, -1])
        np.testing.assert_allclose(told[name], np.asarray(logs)[likely], atol=TOLERANCE)
    assert np.abs(np.subtract(told["base"], told["adapted"])).max() > 4 * TOLERANCE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_peft_computes_what_the_merged_decoder_computes(tmp_path: Path) -> None:
    """With `transformers` and `peft`, where they are installed."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")

    config = llama_config(
        vocab_size=64,
        layers=2,
        d_model=32,
        heads=4,
        kv_heads=2,
        mlp_dim=48,
        max_seq_len=64,
        rotary_base=10_000.0,
    )
    lora = LoraConfig(rank=3, alpha=5.0, targets=("query", "key", "value", "attention_out", "up"))
    parameters = drawn(parameter_specs(config), 0, 0.2)
    factors = drawn(lora_specs(config, lora), 1, 0.2)
    layout = llama_layout(config)
    write_peft(
        tmp_path,
        pairs_of(factors, lora.scale, layout),
        rank=lora.rank,
        alpha=lora.alpha,
        base="a model",
    )
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=64,
            rms_norm_eps=config.norm_eps,
            rope_theta=10_000.0,
            tie_word_embeddings=False,
            attn_implementation="eager",
        )
    ).eval()
    state = {
        name: torch.from_numpy(np.array(array, np.float32))
        for name, array in layout_tensors(parameters, layout)
    }
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not missing and not unexpected
    ids = np.arange(24, dtype=np.int64).reshape(2, 12)
    with torch.no_grad():
        plain = theirs(torch.from_numpy(ids)).logits.numpy()
        adapted = peft.PeftModel.from_pretrained(theirs, str(tmp_path)).eval()
        found = adapted(torch.from_numpy(ids)).logits.numpy()
    tokens = jnp.asarray(ids, jnp.int32)
    np.testing.assert_allclose(plain, forward(parameters, tokens, config), atol=2e-4)
    expected = forward(merge(parameters, factors, lora.scale), tokens, config)
    np.testing.assert_allclose(found, expected, atol=5e-4)
    assert np.abs(found - plain).max() > 0.5


def layout_tensors(parameters: Any, layout: Any) -> Any:
    """Each tensor of the layout, made from the decoder's arrays."""
    for rule in layout.rules:
        holder = parameters if rule.layer is None else parameters.layers
        arrays = [np.asarray(getattr(holder, field)) for field in rule.fields]
        if rule.layer is not None:
            arrays = [array[rule.layer] for array in arrays]
        if arrays:
            yield rule.name, rule.to_file(*arrays)
