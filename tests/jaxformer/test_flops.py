"""The model FLOPs of a token and the peak that they are compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.plan.compile import compile_step
from multiturn.jaxformer.run import flops
from multiturn.jaxformer.run.flops import flops_per_token, peak_flops
from multiturn.models.config import codegen_config
from multiturn.models.lora import LoraConfig
from multiturn.models.native.training.matmul import matmul

CONFIG = codegen_config(
    layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=320, max_seq_len=32
)


def test_a_trained_weight_counts_six_times() -> None:
    width, length = 32, 16
    block = 4 * width**2 + 8 * width**2  # attention, feed-forward
    weights = 2 * block + width * 320
    attention = 6 * 2 * width * length
    # Norms and biases count too; they are few.
    assert flops_per_token(CONFIG, length) == pytest.approx(6 * weights + attention, rel=0.03)


def test_a_frozen_weight_counts_four_times_and_a_factor_six_times() -> None:
    all_trained = flops_per_token(CONFIG, 0)
    lora = LoraConfig(rank=4, targets=("query", "attention_out"))
    factors = 2 * 2 * (32 * 4 + 4 * 32)  # blocks, matrices
    assert flops_per_token(CONFIG, 0, lora) == pytest.approx(all_trained * 4 / 6 + 6 * factors)


@pytest.mark.slow
def test_the_compiled_step_with_factors_has_as_many(tiny: TrainConfig) -> None:
    config = replace(tiny, lora=LoraConfig(rank=4, targets=("query", "value")))
    formula = flops_per_token(config.model, config.batch.length, config.lora)
    compiled = compile_step(config, 1).work.flops
    assert compiled == pytest.approx(formula * config.batch.tokens, rel=0.25)
    assert compiled < 0.9 * compile_step(tiny, 1).work.flops


@pytest.mark.parametrize("native", [False, True])
def test_the_peak_is_that_of_the_faster_product(
    monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    speeds: dict[Any, float] = {jnp.matmul: 1e11, matmul: 6e11}
    monkeypatch.setattr(flops, "_measured", lambda product, device, dtype: speeds[product])
    found = peak_flops(jax.devices("cpu")[0], "bfloat16", native=native)
    assert found == (6e11 if native else 1e11)


def test_a_known_accelerator_is_looked_up() -> None:
    device = type("Device", (), {"device_kind": "NVIDIA H100 PCIe", "platform": "gpu"})()
    assert peak_flops(device, "bfloat16") == 756e12
