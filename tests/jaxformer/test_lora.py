"""LoRA: the same function attached and merged, what is trained, and a run with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import TrainConfig, apply_overrides
from multiturn.jaxformer.lora.checkpoint import load_lora_run
from multiturn.jaxformer.lora.partition import lora_partition, make_partition
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.run.train import main
from multiturn.jaxformer.run.weights import load_run
from multiturn.jaxformer.step.state import Batch, init_state
from multiturn.jaxformer.step.train_step import make_train_step
from multiturn.models.config import DecoderConfig, codegen_config, llama_config
from multiturn.models.decoder import forward
from multiturn.models.lora import LORA_TARGETS, LoraConfig, attach, lora_specs, merge
from multiturn.models.parameters import named_arrays, parameter_specs

pytestmark = pytest.mark.real

CODEGEN = codegen_config(
    layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=64, max_seq_len=32
)
LLAMA = llama_config(
    vocab_size=64, layers=2, d_model=32, heads=4, kv_heads=2, mlp_dim=64, qkv_bias=True
)


def drawn(declared: Any, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    return jax.tree.map(
        lambda info: jnp.asarray(draw.normal(0, 0.1, info.shape), jnp.float32), declared
    )


def all_targets(config: DecoderConfig) -> LoraConfig:
    layers = parameter_specs(config).layers
    there = tuple(name for name in LORA_TARGETS if getattr(layers, name) is not None)
    return LoraConfig(rank=3, alpha=5.0, targets=there)


@pytest.mark.parametrize("config", [CODEGEN, LLAMA], ids=["codegen", "llama"])
def test_attached_is_merged(config: DecoderConfig) -> None:
    lora = all_targets(config)
    base, factors = drawn(parameter_specs(config), 0), drawn(lora_specs(config, lora), 1)
    tokens = jnp.arange(24, dtype=jnp.int32).reshape(2, 12)
    beside = forward(attach(base, factors, lora.scale), tokens, config)
    within = forward(merge(base, factors, lora.scale), tokens, config)
    np.testing.assert_allclose(beside, within, rtol=2e-4, atol=2e-5)
    assert float(jnp.abs(within - forward(base, tokens, config)).max()) > 0.01


def test_one_target_changes_one_matrix() -> None:
    lora = LoraConfig(rank=2, alpha=2.0, targets=("down",))
    base, factors = drawn(parameter_specs(LLAMA), 0), drawn(lora_specs(LLAMA, lora), 1)
    merged = dict(named_arrays(merge(base, factors, lora.scale)))
    changed = [n for n, array in named_arrays(base) if not np.array_equal(array, merged[n])]
    assert changed == ["layers.down"]


def test_gradient_is_that_of_the_merged_weights() -> None:
    """By the chain rule through W + scale A B, with the merged decoder as the reference."""
    lora = all_targets(LLAMA)
    base, factors = drawn(parameter_specs(LLAMA), 0), drawn(lora_specs(LLAMA, lora), 1)
    tokens = jnp.arange(10, dtype=jnp.int32)[None]

    def loss(how: Any) -> Any:
        return jax.jit(
            jax.grad(lambda f: jnp.mean(forward(how(base, f, lora.scale), tokens, LLAMA) ** 2))
        )

    for mine, theirs in zip(
        jax.tree.leaves(loss(attach)(factors)), jax.tree.leaves(loss(merge)(factors)), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-6)


def test_a_step_changes_the_factors_alone_and_begins_at_the_base(tiny: TrainConfig) -> None:
    lora = LoraConfig(rank=2, alpha=4.0, targets=("query", "up"))
    mesh = make_mesh(replace(tiny.mesh, data=1), jax.devices()[:1])
    partition = lora_partition(tiny.model, lora)
    step = make_train_step(
        partition,
        mesh,
        batch=tiny.batch,
        schedule=tiny.schedule,
        optimizer=tiny.optimizer,
        precision=tiny.precision,
    )
    base = drawn(parameter_specs(tiny.model), 0)
    before = jax.tree.map(np.array, base)
    state = init_state(partition, step.optimizer, mesh, 0)
    draw = np.random.default_rng(3)
    tokens = draw.integers(0, 300, (8, 33)).astype(np.int32)
    ones = np.ones((8, 32), np.float32)
    batch = Batch(tokens[:, :-1], tokens[:, 1:], ones, np.zeros((8, 32), np.int32))
    losses = []
    for _ in range(3):
        state, metrics = step.train(state, batch, base)
        losses.append(float(metrics.loss))
    logits = forward(base, jnp.asarray(batch.tokens), tiny.model)
    picked = jnp.take_along_axis(
        jax.nn.log_softmax(logits), jnp.asarray(batch.targets)[..., None], axis=-1
    )
    np.testing.assert_allclose(losses[0], -picked.mean(), rtol=1e-5)
    assert losses[2] < losses[0]
    assert set(state.parameters) == {"query", "up"}
    jax.tree.map(np.testing.assert_array_equal, before, jax.tree.map(np.array, base))


def records_file(place: Path) -> Path:
    lines = [
        json.dumps(
            {
                "id": f"p{number}",
                "header": "import math",
                "turns": [
                    {"prompt": f"Assign {number} to x.", "code": f"x = {number}"},
                    {"prompt": "Print x\ntwice.", "code": "print(x)\nprint(x)"},
                ],
            }
        )
        for number in range(60)
    ]
    place.write_text("\n".join(lines) + "\n")
    return place


@pytest.mark.slow
def test_a_run_on_records_resumes_merges_and_refuses_another_base(
    tiny: TrainConfig, tmp_path: Path
) -> None:
    main(replace(tiny, steps=4))
    data = replace(
        tiny.data,
        path=str(records_file(tmp_path / "records.jsonl")),
        kind="records",
        tokenizer=str(tiny.directory / "tokenizer"),
        held_out=0.2,
    )
    config = replace(
        tiny,
        out=str(tmp_path / "tuned"),
        data=data,
        start=tiny.out,
        lora=LoraConfig(rank=4, alpha=8.0, targets=("query", "value", "down")),
        batch=replace(tiny.batch, inside_documents=True),
        watch=replace(tiny.watch, evaluate_every=8),
    )
    said: list[str] = []
    main(replace(config, steps=8), say=said.append)
    assert any(line.startswith("step 0  validation") for line in said)
    outcome = main(config, say=said.append)
    assert outcome.status == "finished" and any("resumed at step 8" in line for line in said)
    figures = [
        json.loads(line) for line in (config.directory / "metrics.jsonl").read_text().splitlines()
    ]
    held = [f["held_out/records/loss"] for f in figures if "held_out/records/loss" in f]
    assert held[-1] < held[0]

    merged, saved = load_run(config.directory)
    factors, _ = load_lora_run(config.directory)
    assert set(factors) == {"query", "value", "down"}
    base, _ = load_run(tiny.directory)
    assert saved.lora == config.lora
    assert not np.array_equal(merged.layers.query, base.layers.query)
    np.testing.assert_array_equal(merged.layers.up, base.layers.up)

    with pytest.raises(InputError, match="start"):
        main(replace(config, start="smollm2-135m", steps=20))
    with pytest.raises(InputError, match="rank was 4"):
        main(replace(config, lora=LoraConfig(rank=2, targets=("query",)), steps=20))


def test_mistakes_are_told_before_any_time_is_spent(tiny: TrainConfig) -> None:
    with pytest.raises(InputError, match="no weights to adapt"):
        make_partition(replace(tiny, lora=LoraConfig()))
    with pytest.raises(InputError, match="no such matrix to adapt"):
        lora_specs(CODEGEN, LoraConfig(targets=("gate",)))
    for broken in ({"rank": 0}, {"alpha": 0.0}, {"targets": ("head",)}, {"targets": ()}):
        with pytest.raises(InputError, match="lora"):
            LoraConfig(**broken)
    changed = apply_overrides(tiny, ["lora={rank: 4, targets: [up, down]}"])
    assert changed.lora == LoraConfig(rank=4, targets=("up", "down"))
