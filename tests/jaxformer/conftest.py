"""A tiny model, its data, and a way to run a program on virtual devices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    PrecisionConfig,
    ScheduleConfig,
    TrainConfig,
    WatchConfig,
)
from multiturn.models.config import codegen_config

FAST_COMPILE = "--xla_backend_optimization_level=0"
"""Compiles in half the time; what is computed is as exact, only slower."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's own small files: real code, the same for every test."""
    place = tmp_path_factory.mktemp("corpus")
    source = Path(__file__).parents[2] / "src" / "multiturn" / "core"
    for path in sorted(source.glob("*.py")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        for part in range(0, len(lines), 40):
            (place / f"{path.stem}_{part}.py").write_text("".join(lines[part : part + 40]))
    return place


@pytest.fixture
def tiny(corpus: Path, tmp_path: Path) -> TrainConfig:
    """A run of 12 steps that takes a second once it is compiled."""
    return TrainConfig(
        name="tiny",
        out=str(tmp_path / "run"),
        model=codegen_config(
            layers=2, heads=4, head_dim=8, rotary_size=4, vocab_size=320, max_seq_len=32
        ),
        data=DataConfig(path=str(corpus), tokenizer="train:310", held_out=0.1),
        batch=BatchConfig(sequences=8, length=32),
        steps=12,
        schedule=ScheduleConfig(peak=3e-3, end=3e-4, warmup_steps=3, decay_steps=12),
        precision=PrecisionConfig(compute="float32"),
        checkpoint=CheckpointConfig(every=4),
        watch=WatchConfig(log_every=2, peak_flops=1e11),
    )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of child processes: one device, and what one compiled serves all."""
    return {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        "XLA_FLAGS": FAST_COMPILE,
    }


@pytest.fixture(scope="session")
def program(compiled: dict[str, str]) -> Run:
    """Runs Python text in a process of its own, with a number of virtual devices."""

    def run(
        text: str, *arguments: str, devices: int = 1, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        flags = f"{FAST_COMPILE} --xla_force_host_platform_device_count={devices}"
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", text, *arguments],
            env={**os.environ, **compiled, "XLA_FLAGS": flags},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
