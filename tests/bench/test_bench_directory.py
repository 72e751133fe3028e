"""The weights that peers read are those of the model, and the prompts are what is said."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.models.arrays import initialize
from multiturn.models.config import DecoderConfig, codegen_config, llama_config
from multiturn.models.parameters import parameter_specs

pytestmark = pytest.mark.real

TINY = {
    "llama": llama_config(
        vocab_size=49_152, layers=2, d_model=32, heads=4, kv_heads=2, mlp_dim=48,
        tie_embeddings=True,
    ),
    "qwen": llama_config(
        vocab_size=49_152, layers=1, d_model=32, heads=4, mlp_dim=48, qkv_bias=True
    ),
    "codegen": codegen_config(layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=50_000),
}  # fmt: skip


@pytest.mark.parametrize("family", TINY)
def test_a_written_directory_is_read_back_to_the_last_bit(
    family: str, smollm2: Path, tmp_path: Path
) -> None:
    from peers.hub_directory import Source, tokenizer_of, write_directory

    config: DecoderConfig = TINY[family]
    parameters = initialize(parameter_specs(config), 3)
    write_directory(tmp_path, Source(config, parameters, tokenizer_of(smollm2)))
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.config == config
    again = load_parameters(checkpoint)
    jax.tree.map(np.testing.assert_array_equal, again, parameters)
    assert (tmp_path / "tokenizer.json").exists()


def test_multiplied_weights_count_the_head_once() -> None:
    from peers.hub_directory import multiplied_weights

    tied = TINY["llama"]
    attention = 2 * 32 * 32 + 2 * 32 * 16
    layer = attention + 3 * 32 * 48 + 2 * 32
    assert multiplied_weights(tied) == 2 * layer + 32 + 49_152 * 32


def test_short_prompts_are_different_and_of_18_to_40_tokens(smollm2: Path) -> None:
    from peers.hub_directory import tokenizer_of
    from peers.jobs import short_prompts

    prompts = short_prompts(64, tokenizer_of(smollm2).encode)
    assert len({tuple(prompt) for prompt in prompts}) == 64
    assert all(18 <= len(prompt) <= 40 for prompt in prompts)
    assert len({len(prompt) for prompt in prompts}) > 5


@pytest.mark.parametrize(("count", "tokens"), [(1, 2048), (8, 512)])
def test_long_prompts_have_exactly_as_many_tokens(count: int, tokens: int, smollm2: Path) -> None:
    from peers.hub_directory import tokenizer_of
    from peers.jobs import long_prompts

    prompts = long_prompts(count, tokens, tokenizer_of(smollm2).encode)
    assert [len(prompt) for prompt in prompts] == [tokens] * count
    assert len({tuple(prompt) for prompt in prompts}) == count
