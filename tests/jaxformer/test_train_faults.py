"""What goes wrong is told before time is spent, or stops the run with nothing bad saved."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from multiturn.core.errors import InputError, StorageError
from multiturn.jaxformer.config import (
    BatchConfig,
    CheckpointConfig,
    MeshConfig,
    TrainConfig,
)
from multiturn.jaxformer.datasets.open import open_data
from multiturn.jaxformer.datasets.protocol import SequenceDataset, Sequences, Split
from multiturn.jaxformer.datasets.shuffle import IndexShuffle
from multiturn.jaxformer.run.checkpoints import Checkpoints
from multiturn.jaxformer.run.loss_spikes import DivergenceError, LossSpikeDetector
from multiturn.jaxformer.run.prefetch import prefetch_batches
from multiturn.jaxformer.run.train import main
from multiturn.jaxformer.run.weights import load_initial_parameters

pytestmark = pytest.mark.real


class Poisoned:
    """Samples of which one sequence gives a loss that is no number."""

    def __init__(self, inner: SequenceDataset, index: int) -> None:
        self._inner, self._index = inner, index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, indexes: Sequence[int]) -> Sequences:
        read = self._inner.read(indexes)
        for row, index in enumerate(indexes):
            if index == self._index:
                read.loss_mask[row] = np.nan
        return read


def test_a_loss_that_is_no_number_names_its_batch_and_files_and_can_be_skipped(
    tiny: TrainConfig,
) -> None:
    split = open_data(tiny.data, length=32, vocab_size=320, run_directory=tiny.directory.parent)
    order = IndexShuffle(split.train.count, 8, tiny.data.seed)
    bad = order.sequences(6)[3]
    poisoned = Split(Poisoned(split.train, bad), {})
    with pytest.raises(DivergenceError) as caught:
        main(tiny, data=poisoned, say=lambda _: None)
    error = caught.value
    assert (error.spike.step, error.spike.batches) == (7, (6,))
    assert set(split.train.origins(bad)) <= set(error.origins)
    assert "data.skip=[[6,6]]" in str(error)
    trouble = json.loads((tiny.directory / "trouble.json").read_text())
    assert trouble["origins"] == list(error.origins)
    with Checkpoints(tiny.directory / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() == 4

    told: list[str] = []
    mended = replace(tiny, data=replace(tiny.data, skip=((6, 6),)))
    outcome = main(mended, data=poisoned, say=told.append)
    assert outcome.status == "finished"
    assert outcome.loss is not None and np.isfinite(outcome.loss)
    assert "resumed at step 4 of 12" in told
    assert not (tiny.directory / "trouble.json").exists()
    with Checkpoints(tiny.directory / "checkpoints", read_only=True) as checkpoints:
        # Twelve steps took thirteen batches.
        assert checkpoints.metadata(12).next_batch == 13

    # --- The same finished run, asked for what does not fit it --------------------------
    other = replace(mended, batch=BatchConfig(sequences=16, length=32))
    with pytest.raises(InputError, match=r"does not fit the config: batch\.sequences was 8, is 16"):
        main(other, data=poisoned, say=lambda _: None)
    elsewhere = Split(
        open_data(
            replace(tiny.data, held_out=0.3),
            length=32,
            vocab_size=320,
            run_directory=tiny.directory.parent,
        ).train,
        {},
    )
    with pytest.raises(InputError, match="not those the run was trained on"):
        main(mended, data=elsewhere, say=lambda _: None)
    wider = replace(tiny.model, mlp_dim=64)
    with pytest.raises(InputError, match="feed_forward_width is 128 there, 64 here"):
        load_initial_parameters(str(tiny.directory), wider, mesh=None)  # type: ignore[arg-type]


class Silent(Poisoned):
    """Samples of which some sequences have no target that counts."""

    def __init__(self, inner: SequenceDataset, indexes: set[int] | None) -> None:
        super().__init__(inner, -1)
        self._silent = indexes

    def read(self, indexes: Sequence[int]) -> Sequences:
        read = self._inner.read(indexes)
        for row, index in enumerate(indexes):
            if self._silent is None or index in self._silent:
                read.loss_mask[row] = 0
        return read


def test_a_batch_in_which_nothing_counts_is_said_and_left_out_of_the_mean(
    tiny: TrainConfig,
) -> None:
    split = open_data(tiny.data, length=32, vocab_size=320, run_directory=tiny.directory.parent)
    order = IndexShuffle(split.train.count, 8, tiny.data.seed)
    silent = Split(Silent(split.train, set(order.sequences(5))), split.validation)
    said: list[str] = []
    config = replace(tiny, watch=replace(tiny.watch, log_every=1))
    outcome = main(config, data=silent, say=said.append)
    assert outcome.status == "finished"
    assert [line for line in said if "no token" in line] == [
        "step 6: no token of batch 5 counts in the loss; left out of the mean loss"
    ]
    assert any(line.startswith("step 6/12  loss of nothing") for line in said)
    written = (tiny.directory / "metrics.jsonl").read_text().split("\n")[:-1]
    lines = [json.loads(line) for line in written]
    told = {line["step"]: line["loss"] for line in lines if "tokens" in line}
    assert told[6] is None
    others = [loss for step, loss in told.items() if step != 6]
    assert min(others) > 1
    with Checkpoints(tiny.directory / "checkpoints", read_only=True) as checkpoints:
        saved = checkpoints.metadata(12)
    assert saved.losses_seen == 11
    assert saved.loss_mean == pytest.approx(np.mean(others), rel=1e-3)


def test_a_run_in_which_nothing_counts_stops_in_one_line(tiny: TrainConfig) -> None:
    split = open_data(tiny.data, length=32, vocab_size=320, run_directory=tiny.directory.parent)
    with pytest.raises(InputError, match=r"no token counted in the loss in 12 steps") as caught:
        main(replace(tiny, checkpoint=CheckpointConfig(every=100)),
             data=Split(Silent(split.train, None), {}), say=lambda _: None)  # fmt: skip
    assert "\n" not in str(caught.value)
    with Checkpoints(tiny.directory / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest() is None


def test_held_out_data_in_which_nothing_counts_are_said(tiny: TrainConfig) -> None:
    split = open_data(tiny.data, length=32, vocab_size=320, run_directory=tiny.directory.parent)
    held = {"python": Silent(split.train, None)}
    said: list[str] = []
    main(replace(tiny, steps=2), data=Split(split.train, held), say=said.append)
    assert "step 2  validation, python: no token counts in the loss" in said


def test_a_spike_is_told_from_a_bad_start_and_names_both_batches() -> None:
    guard = LossSpikeDetector(2.0)
    assert guard.check(1, 0, None, 100.0, 1.0) is None
    for _ in range(60):
        guard = guard.updated(3.0)
    assert guard.check(61, 60, 59, 5.9, 1.0) is None
    found = guard.check(61, 60, 59, 6.1, 1.0)
    assert found is not None and found.batches == (59, 60)
    assert "jumped to 6.1 from a mean of 3" in found.reason
    nothing = guard.check(61, 60, 59, 3.0, float("inf"))
    assert nothing is not None and "gradient" in nothing.reason
    assert LossSpikeDetector(0, 3.0, 60).check(61, 60, 59, 1e9, 1.0) is None


def test_losses_that_always_vary_are_no_spikes() -> None:
    # Batches of four records: short ones of one kind, long ones of another.
    guard = LossSpikeDetector(2.0)
    for step in range(200):
        loss = (0.2, 0.9, 0.4, 1.1)[step % 4]
        assert guard.check(step + 1, step, None, loss, 1.0) is None
        guard = guard.updated(loss)
    assert guard.mean == pytest.approx(0.65, abs=0.05)
    assert guard.variance == pytest.approx(0.1325, rel=0.1)
    assert guard.check(201, 200, None, 2 * guard.mean + 0.1, 1.0) is None
    assert guard.check(201, 200, None, 3.0, 1.0) is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mesh": MeshConfig(data=3)}, "the mesh .* does not fit the"),
        ({"start": "/no/such/model"}, "no such model"),
    ],
)
def test_before_any_time_is_spent(tiny: TrainConfig, change: dict[str, Any], told: str) -> None:
    begin = time.monotonic()
    with pytest.raises(Exception, match=told):
        main(replace(tiny, **change), say=lambda _: None)
    assert time.monotonic() - begin < 60


def test_an_empty_source_is_named(tiny: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    data = replace(tiny.data, path=str(tmp_path / "empty"))
    with pytest.raises(InputError, match="no text file matches"):
        main(replace(tiny, data=data), say=lambda _: None)


def test_a_second_run_in_the_directory_is_refused(tiny: TrainConfig) -> None:
    tiny.directory.mkdir()
    with (
        FileLock(tiny.directory / ".lock"),
        pytest.raises(InputError, match="another process trains"),
    ):
        main(tiny, say=lambda _: None)


def test_no_room_for_checkpoints_is_told_at_the_start(tiny: TrainConfig, tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "c", CheckpointConfig()) as checkpoints:
        checkpoints.check_disk_space(1000, 2)
        with pytest.raises(StorageError, match=r"no space for the checkpoints.*free at"):
            checkpoints.check_disk_space(10**17, 2)


def test_what_the_reader_meets_is_raised_where_the_batch_is_asked_for() -> None:
    class Broken:
        length, count = 4, 10

        def read(self, indexes: Sequence[int]) -> Sequences:
            raise InputError("shard 3 cannot be read")

    import jax
    from jax.sharding import SingleDeviceSharding

    place: Any = SingleDeviceSharding(jax.devices()[0])
    broken: Any = Broken()
    with (
        pytest.raises(InputError, match="shard 3"),
        prefetch_batches(broken, IndexShuffle(10, 2, 0), 0, place) as batches,
    ):
        next(batches)
    # By name: threads of other libraries come and go as they like.
    assert "feed" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("present", [False, True])
def test_a_run_without_its_records_leaves_nothing_behind(
    tiny: TrainConfig, tmp_path: Path, family_model: Path, present: bool
) -> None:
    place = tmp_path / "runs" / "records"
    if present:
        place.mkdir(parents=True)
    records = str(tmp_path / "none.jsonl")
    data = replace(tiny.data, kind="records", path=records, tokenizer=str(family_model))
    with pytest.raises(InputError, match=r"records does not exist.*none\.jsonl"):
        main(replace(tiny, out=str(place), data=data), say=lambda _: None)
    assert place.exists() == place.parent.exists() == present
