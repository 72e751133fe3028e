"""A damaged newest checkpoint: the run resumes from the one before and reports it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from multiturn.core.errors import InputError, StorageError
from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    PrecisionConfig,
    ScheduleConfig,
    TrainConfig,
    WatchConfig,
)
from multiturn.jaxformer.datasets.open import open_data
from multiturn.jaxformer.lora.partition import make_partition
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.run.checkpoints import Checkpoints
from multiturn.jaxformer.run.resume import restore_latest
from multiturn.jaxformer.run.train import main
from multiturn.jaxformer.run.weights import load_run
from multiturn.jaxformer.step.train_step import make_train_step
from multiturn.models.config import codegen_config

pytestmark = pytest.mark.real

Damage = Callable[[Path], None]


def largest(folder: Path) -> Path:
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def cut(folder: Path) -> None:
    content = largest(folder).read_bytes()
    largest(folder).write_bytes(content[: len(content) // 2])


def flip(folder: Path) -> None:
    content = bytearray(largest(folder).read_bytes())
    content[len(content) // 2] ^= 4
    largest(folder).write_bytes(content)


def lose(folder: Path) -> None:
    largest(folder).unlink()


def lose_all(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def lose_item(folder: Path) -> None:
    shutil.rmtree(folder / "optimizer")


def spoil_progress(folder: Path) -> None:
    (path,) = [p for p in (folder / "progress").rglob("metadata") if p.is_file()]
    path.write_text("{")


def lose_checksums_too(damage: Damage) -> Damage:
    def both(folder: Path) -> None:
        damage(folder)
        (folder.parents[1] / "checksums" / f"{folder.name}.json").unlink()

    return both


def weights(directory: Path) -> list[Any]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(load_run(directory)[0])]


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run with checkpoints at 4 and 8, to be gone on with to 12."""
    place = tmp_path_factory.mktemp("trained")
    config = TrainConfig(
        name="tiny",
        out=str(place / "run"),
        model=codegen_config(
            layers=1, heads=2, head_dim=8, rotary_size=4, vocab_size=320, max_seq_len=32
        ),
        data=DataConfig(path=str(corpus), tokenizer="train:310", held_out=0.0),
        batch=BatchConfig(sequences=4, length=32),
        steps=12,
        schedule=ScheduleConfig(peak=3e-3, end=3e-4, warmup_steps=3, decay_steps=12),
        precision=PrecisionConfig(compute="float32"),
        checkpoint=CheckpointConfig(every=4, keep_last=3),
        watch=WatchConfig(log_every=2, peak_flops=1e11),
    )
    main(replace(config, steps=8), say=lambda _: None)
    assert names(config.directory / "checkpoints") == ["4", "8"]
    assert names(config.directory / "checksums") == ["4.json", "8.json"]
    return config


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def run(trained: TrainConfig, tmp_path: Path) -> TrainConfig:
    """A copy of that run, to be damaged."""
    shutil.copytree(trained.directory, tmp_path / "run")
    return replace(trained, out=str(tmp_path / "run"))


def go_on(run: TrainConfig, said: list[str]) -> int | None:
    """The step that the run would go on from, without the training."""
    step = make_train_step(
        make_partition(run), make_mesh(run.mesh), batch=run.batch, schedule=run.schedule,
        optimizer=run.optimizer, precision=run.precision,
    )  # fmt: skip
    split = open_data(run.data, length=32, vocab_size=320, run_directory=run.directory)
    with Checkpoints(run.directory / "checkpoints", run.checkpoint) as checkpoints:
        found = restore_latest(checkpoints, step.state, run, split.train.fingerprint, said.append)
        assert found is None or int(found[1].step) == found[0].step
        return found and found[0].step


@pytest.mark.parametrize(
    "damage",
    [
        cut, flip, lose, lose_all, lose_item, spoil_progress,
        lose_checksums_too(cut), lose_checksums_too(lose_all), lose_checksums_too(lose_item),
        lose_checksums_too(spoil_progress),
    ],
)  # fmt: skip
def test_the_one_before_is_taken_and_said(run: TrainConfig, damage: Damage) -> None:
    damage(run.directory / "checkpoints" / "8")
    said: list[str] = []
    assert go_on(run, said) == 4
    (told,) = said
    assert "checkpoint of step 8 is damaged" in told
    assert "resuming from step 4 instead" in told
    assert "\n" not in told
    assert (run.directory / "damaged" / "8").is_dir()
    assert names(run.directory / "checkpoints") == ["4"]


def test_whole_checkpoints_are_taken_as_they_are(run: TrainConfig) -> None:
    said: list[str] = []
    assert go_on(run, said) == 8
    shutil.rmtree(run.directory / "checksums")  # of the version before
    assert go_on(run, said) == 8
    assert not said


def test_what_comes_of_it_is_what_would_have_come_without_the_damage(run: TrainConfig) -> None:
    whole = replace(run, out=f"{run.out}-whole")
    shutil.copytree(run.directory, whole.directory)
    flip(run.directory / "checkpoints" / "8")
    said: list[str] = []
    outcome = main(run, say=said.append)
    assert (outcome.status, outcome.step) == ("finished", 12)
    assert "resumed at step 4 of 12" in said
    assert names(run.directory / "checkpoints") == ["12", "4", "8"]
    lines = (run.directory / "metrics.jsonl").read_text().split("\n")[:-1]
    steps = [figures["step"] for line in lines if "rate" in (figures := json.loads(line))]
    assert steps == [2, 4, 6, 8, 10, 12]
    main(whole, say=lambda _: None)
    for found, expected in zip(weights(run.directory), weights(whole.directory), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_none_left_is_one_line_and_nothing_is_moved(run: TrainConfig) -> None:
    for step in ("4", "8"):
        flip(run.directory / "checkpoints" / step)
    with pytest.raises(StorageError, match="no checkpoint of the run can be read") as caught:
        go_on(run, [])
    assert "\n" not in str(caught.value)
    assert "step 8" in str(caught.value)
    assert "step 4" in str(caught.value)
    assert not (run.directory / "damaged").exists()
    with pytest.raises(StorageError, match="no checkpoint of the run can be read"):
        load_run(run.directory)


def test_who_reads_a_run_gets_the_newest_that_is_whole(
    run: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    before = weights(run.directory)
    flip(run.directory / "checkpoints" / "8")
    after = weights(run.directory)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert "checkpoint of step 8 is damaged" in caplog.text
    assert (run.directory / "checkpoints" / "8").is_dir()


def test_another_config_is_no_damage(run: TrainConfig) -> None:
    flip(run.directory / "checkpoints" / "8")
    with pytest.raises(InputError, match="does not fit the config"):
        go_on(replace(run, seed=run.seed + 1), [])
    assert not (run.directory / "damaged").exists()
