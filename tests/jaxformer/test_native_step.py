"""A training step on the native kernels is the step on XLA's, and is refused where it cannot be."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiturn.core.errors import EngineError, InputError
from multiturn.jaxformer.config import MeshConfig, PrecisionConfig, TrainConfig
from multiturn.jaxformer.lora.partition import lora_partition
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.step import kernels
from multiturn.jaxformer.step.kernels import (
    BlockShape,
    block_seconds,
    block_shape,
    use_native_kernels,
)
from multiturn.jaxformer.step.state import Batch, ParameterPartition, full_partition, init_state
from multiturn.jaxformer.step.train_step import make_train_step
from multiturn.models.arrays import initialize
from multiturn.models.config import llama_config
from multiturn.models.lora import LoraConfig
from multiturn.models.native.compilers import find_compiler
from multiturn.models.native.training.library import load_training_kernels
from multiturn.models.parameters import parameter_specs

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler here")

LLAMA = llama_config(
    vocab_size=320,
    layers=2,
    d_model=32,
    heads=4,
    kv_heads=2,
    mlp_dim=48,
    max_seq_len=32,
    qkv_bias=True,
    tie_embeddings=True,
)


def one_cpu() -> Any:
    return make_mesh(MeshConfig(data=1), jax.devices("cpu")[:1])


def three_steps(
    tiny: TrainConfig, partition: ParameterPartition, precision: PrecisionConfig, kept: Any = None
) -> tuple[list[float], list[float], Any]:
    """Losses, gradient norms and what was trained."""
    mesh = one_cpu()
    step = make_train_step(
        partition,
        mesh,
        batch=replace(tiny.batch, inside_documents=True),
        schedule=tiny.schedule,
        optimizer=tiny.optimizer,
        precision=precision,
    )
    state = init_state(partition, step.optimizer, mesh, 0)
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, 320, (8, 33)).astype(np.int32)
    segments = np.cumsum(draw.random((8, 32)) < 0.1, axis=1).astype(np.int32)
    weights = (draw.random((8, 32)) < 0.9).astype(np.float32)
    batch = Batch(tokens[:, :-1], tokens[:, 1:], weights, segments)
    losses, norms = [], []
    for _ in range(3):
        state, metrics = step.train(state, batch, kept)
        losses.append(float(metrics.loss))
        norms.append(float(metrics.gradient_norm))
    return losses, norms, state.parameters


@needs_compiler
@pytest.mark.parametrize(
    "family",
    [
        "codegen",
        pytest.param("llama", marks=pytest.mark.slow),
        pytest.param("lora", marks=pytest.mark.slow),
    ],
)
def test_native_equals_xla(tiny: TrainConfig, family: str) -> None:
    kept = None
    if family == "lora":
        partition = lora_partition(tiny.model, LoraConfig(rank=3, targets=("query", "down")))
        kept = initialize(parameter_specs(tiny.model, jnp.float32), 1)
    else:
        partition = full_partition(tiny.model if family == "codegen" else LLAMA)
    found = {
        name: three_steps(tiny, partition, PrecisionConfig(compute="float32", kernels=name), kept)
        for name in ("native", "xla")
    }
    losses, norms, trained = found["native"]
    np.testing.assert_allclose(losses, found["xla"][0], rtol=1e-6)
    np.testing.assert_allclose(norms, found["xla"][1], rtol=1e-5)
    # Adam divides by the root of the squares: where a gradient is nearly 0, its last bits count.
    for mine, theirs in zip(
        jax.tree.leaves(trained), jax.tree.leaves(found["xla"][2]), strict=True
    ):
        assert float(jnp.mean(jnp.abs(mine - theirs))) < 2e-6


@pytest.mark.slow
@needs_compiler
def test_native_bfloat16_is_near_float32(tiny: TrainConfig) -> None:
    partition = full_partition(tiny.model)
    native = PrecisionConfig(compute="bfloat16", kernels="native")
    wide, wide_norms, _ = three_steps(tiny, partition, PrecisionConfig(compute="float32"))
    half, half_norms, _ = three_steps(tiny, partition, native)
    np.testing.assert_allclose(half, wide, rtol=2e-3)
    np.testing.assert_allclose(half_norms, wide_norms, rtol=2e-2)
    assert half != wide


SMALL = BlockShape(
    d_model=32, mlp_dim=64, heads=2, kv_heads=2, head_dim=16, rows=1, length=48, weights=8192
)
WIDE = replace(SMALL, d_model=512)


@needs_compiler
@pytest.mark.parametrize("native_is_faster", [True, False])
def test_auto_takes_the_faster_of_native_and_xla(
    monkeypatch: pytest.MonkeyPatch, native_is_faster: bool
) -> None:
    seconds = {"native": 1.0 if native_is_faster else 3.0, "xla": 2.0}
    asked: list[object] = []

    def answer(kind: str, question: object, measure: object) -> dict[str, float]:
        asked.append(question)
        return seconds

    monkeypatch.setattr(kernels, "remembered_seconds", answer)
    mesh = one_cpu()
    taken = {
        (choice, compute, name): use_native_kernels(
            PrecisionConfig(compute=compute, kernels=choice), mesh, shape
        )
        for choice in ("auto", "xla", "native")
        for compute in ("float32", "bfloat16")
        for name, shape in (("small", SMALL), ("wide", WIDE))
    }
    auto = [("float32", "wide"), ("bfloat16", "small"), ("bfloat16", "wide")]
    for (choice, compute, name), native in taken.items():
        by_measure = (compute, name) in auto and native_is_faster
        assert native == (choice == "native" or (choice == "auto" and by_measure))
    assert len(asked) == len(auto)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_both_ways_of_a_block_are_measured(dtype: str) -> None:
    load_training_kernels()
    seconds = block_seconds(SMALL, dtype)
    assert set(seconds) == {"native", "xla"}
    assert all(0 < value < 60 for value in seconds.values())


def test_a_block_has_the_sizes_of_the_model(tiny: TrainConfig) -> None:
    shape = block_shape(tiny.model, tiny.batch)
    blocks = parameter_specs(tiny.model).layers
    matrices = [
        each.shape
        for each in (blocks.query, blocks.key, blocks.value, blocks.attention_out, blocks.up)
        if each is not None
    ]
    assert shape.weights == sum(np.prod(each[1:]) for each in matrices) + np.prod(
        blocks.down.shape[1:]
    ) + (0 if blocks.gate is None else np.prod(blocks.gate.shape[1:]))


def test_several_devices_are_refused_by_name_and_run_on_xla_otherwise() -> None:
    class Two:
        size = 2
        devices = np.asarray(jax.devices("cpu")[:1] * 2)

    two: Any = Two()
    with pytest.raises(InputError, match=r"do not fit the mesh: got '?2 cpu devices"):
        use_native_kernels(PrecisionConfig(kernels="native"), two)
    assert not use_native_kernels(PrecisionConfig(), two, SMALL)


def test_without_a_compiler_training_runs_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(announce: object) -> None:
        raise EngineError("no C++ compiler was found")

    monkeypatch.setattr(kernels, "load_training_kernels", none)
    with caplog.at_level(logging.WARNING):
        assert not use_native_kernels(PrecisionConfig(), one_cpu(), SMALL)
    assert "training runs on XLA, which is slower: no C++ compiler was found" in caplog.text
    with pytest.raises(EngineError, match="no C"):
        use_native_kernels(PrecisionConfig(kernels="native"), one_cpu())
