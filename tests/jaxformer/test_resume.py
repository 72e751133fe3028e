"""A run that is stopped, killed or preempted and resumed gives the same result, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiturn.core.records import to_plain
from multiturn.jaxformer.config import CheckpointConfig, MeshConfig, TrainConfig, WatchConfig

PROGRAM = """
import json, sys
from multiturn.core.records import read_record
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.preemption import PREEMPTED
from multiturn.jaxformer.run.train import main

config = read_record(json.loads(sys.argv[1]), TrainConfig, where="test")
outcome = main(config)
sys.exit({"finished": 0, "preempted": PREEMPTED, "interrupted": 130}[outcome.status])
"""

READ = """
import hashlib, json, sys
from pathlib import Path
import jax, numpy as np
from multiturn.jaxformer.run.weights import load_run

for place in sys.argv[1:]:
    parameters, config = load_run(Path(place))
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(parameters):
        digest.update(np.asarray(leaf).tobytes())
    print(digest.hexdigest())
"""


def started(config: TrainConfig, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(to_plain(config))],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(config: TrainConfig, environment: dict[str, str]) -> str:
    process = started(config, environment)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 0, told[-3000:]
    return told


def losses(config: TrainConfig) -> dict[int, float]:
    lines = (config.directory / "metrics.jsonl").read_text().splitlines()
    figures = [json.loads(line) for line in lines]
    steps = [line["step"] for line in figures if "loss" in line]
    assert len(steps) == len(set(steps)), "a step is told twice"
    return {line["step"]: line["loss"] for line in figures if "loss" in line}


def weights(program: Any, *configs: TrainConfig) -> list[str]:
    done = program(READ, *[str(config.directory) for config in configs])
    assert done.returncode == 0, done.stderr[-2000:]
    return list(done.stdout.split())


@pytest.fixture
def whole(tiny: TrainConfig, tmp_path: Path, compiled: dict[str, str]) -> TrainConfig:
    """The run that nothing happened to."""
    config = replace(tiny, out=str(tmp_path / "whole"))
    finished(config, compiled)
    return config


def test_stopped_and_resumed_is_the_same_bit_for_bit(
    tiny: TrainConfig, whole: TrainConfig, compiled: dict[str, str], program: Any
) -> None:
    finished(replace(tiny, steps=5), compiled)
    told = finished(tiny, compiled)
    assert "resumed at step 5 of 12" in told
    assert len(set(weights(program, tiny, whole))) == 1
    assert losses(tiny)[12] == losses(whole)[12]


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.slow)]
)
@pytest.mark.timeout(3600)
def test_killed_at_random_moments_is_the_same(
    tiny: TrainConfig,
    whole: TrainConfig,
    compiled: dict[str, str],
    program: Any,
    kills: int,
) -> None:
    """SIGKILL while it starts, steps, or writes a checkpoint: one is written every step."""
    config = replace(
        tiny,
        checkpoint=CheckpointConfig(every=1),
        steps=tiny.steps if kills < 10 else 60,
        # So slow that kills fall between its steps too.
        watch=WatchConfig(log_every=1, peak_flops=1e11),
    )
    if kills >= 10:
        whole = replace(config, out=whole.out + "-long", checkpoint=CheckpointConfig(every=60))
        finished(whole, compiled)
    draw = random.Random(kills)
    killed = during_write = 0
    while killed < kills:
        process = started(config, compiled)
        if killed % 3 == 0:
            # Wait for a checkpoint that is being written, and kill in the middle of it. The first
            # process always writes one; a later one may find all steps done already.
            place = config.directory / "checkpoints"
            limit = time.monotonic() + 60
            while time.monotonic() < limit and process.poll() is None:
                if any("tmp" in path.name for path in place.glob("*")):
                    during_write += 1
                    break
                time.sleep(0.001)
        else:
            time.sleep(draw.uniform(0.5, 6.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
    finished(config, compiled)
    assert len(set(weights(program, config, whole))) == 1
    mine, theirs = losses(config), losses(whole)
    assert {step: mine[step] for step in theirs} == theirs
    assert during_write


@pytest.mark.slow
def test_told_to_go_it_saves_and_says_so_with_its_own_code(
    tiny: TrainConfig, whole: TrainConfig, compiled: dict[str, str], program: Any
) -> None:
    # Twelve steps are over too soon to be told: a million, of which few are done.
    endless = replace(
        tiny, steps=10**6, checkpoint=CheckpointConfig(every=10**6), watch=WatchConfig(log_every=1)
    )
    process = started(endless, compiled)
    metrics = endless.directory / "metrics.jsonl"
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 75, told[-2000:]
    saved = int(told.split("saved at step ")[1].split(";")[0])
    assert saved >= 1
    # The weights are those of a run that went this far.
    other = replace(endless, out=str(tiny.directory) + "-far", steps=saved)
    finished(other, compiled)
    assert len(set(weights(program, endless, other))) == 1


@pytest.mark.slow
def test_restored_onto_another_mesh(
    tiny: TrainConfig, whole: TrainConfig, compiled: dict[str, str], program: Any
) -> None:
    finished(replace(tiny, steps=5), compiled)
    flags = compiled["XLA_FLAGS"] + " --xla_force_host_platform_device_count=4"
    split = replace(tiny, mesh=MeshConfig(data=1, fsdp=2, tensor=2))
    told = finished(split, {**compiled, "XLA_FLAGS": flags})
    assert "resumed at step 5 of 12" in told
    np.testing.assert_allclose(losses(split)[12], losses(whole)[12], rtol=1e-5)
