"""Checkpoints of a run, through Orbax: asynchronous and atomic.

`checksums` detects later damage by a disk or a copy.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from multiturn.core.errors import InputError, StorageError, storage_errors
from multiturn.core.records import read_record, to_plain
from multiturn.jaxformer.config import CheckpointConfig, TrainConfig
from multiturn.jaxformer.parallel.distributed import broadcast
from multiturn.jaxformer.run.checksums import Checksums, find_damage
from multiturn.jaxformer.step.state import TrainState

__all__ = [
    "Checkpoints",
    "DamagedCheckpointError",
    "CheckpointMetadata",
    "checkpoint_bytes",
    "no_valid_checkpoint",
]

SCHEMA = 1

log = logging.getLogger(__name__)


class DamagedCheckpointError(StorageError):
    """A checkpoint cannot be read: its files are missing, truncated or changed."""

    def __init__(self, step: int, fault: str) -> None:
        self.step = step
        super().__init__(f"the checkpoint of step {step} is damaged, {fault}")


@dataclass(frozen=True, slots=True)
class CheckpointMetadata:
    """The metadata of a checkpoint, the JSON item ``progress`` in its files.

    Attributes:
        step: completed steps.
        next_batch: the batch to continue with.
        fingerprint: of the data.
        loss_mean: `LossSpikeDetector.mean`.
        losses_seen: `LossSpikeDetector.seen`.
        config: of the run.
        loss_variance: `LossSpikeDetector.variance`; 0 in checkpoints that were saved without it.
    """

    step: int
    next_batch: int
    fingerprint: str
    loss_mean: float
    losses_seen: int
    config: dict[str, Any]
    loss_variance: float = 0.0
    schema: int = SCHEMA


def checkpoint_bytes(state: TrainState) -> int:
    """The size of one checkpoint before compression; `state` may hold shapes."""
    return sum(leaf.size * jnp.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(state))


class Checkpoints:
    """The checkpoints in one directory. Close it, since a save may still be in progress.

    Every process of a run creates one and calls the same methods in the same order.

    Args:
        directory: created if missing.
        config: how many checkpoints to retain.
        read_only: change nothing, not even to clean up after a crash.
    """

    def __init__(
        self, directory: Path, config: CheckpointConfig | None = None, *, read_only: bool = False
    ) -> None:
        self.directory = directory.absolute()
        config = config or CheckpointConfig()
        retained: list[Any] = [policies.LatestN(config.keep_last)]
        if config.keep_every:
            retained.append(policies.EveryNSteps(config.keep_every))
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(retained),
                # Remove partial checkpoints of a crash at the next start.
                cleanup_tmp_directories=not read_only,
                create=not read_only,
                save_root_metadata=False,
                # The loop decides when to save, so every call saves.
                save_decision_policy=policies.FixedIntervalPolicy(1),
            ),
            item_names=("parameters", "optimizer", "progress"),
        )

        self._checksums = None if read_only or jax.process_index() else Checksums(self.directory)
        self._saving: int | None = None

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            # The error that is being raised matters more than one from closing.
            try:
                self._manager.close()
                self._start_checksums()
            except Exception:
                return
            finally:
                if self._checksums is not None:
                    self._checksums.close()

    def steps(self) -> list[int]:
        """The saved steps, newest first; some may be damaged."""
        return sorted(self._manager.all_steps(), reverse=True)

    def latest(self) -> int | None:
        """The newest undamaged step, for reading a run without resuming it.

        Damaged checkpoints are skipped with a warning in the log.

        Raises:
            StorageError: all checkpoints are damaged.
        """
        faults = []
        for step in self.steps():
            try:
                self.check(step)
                self.metadata(step)
            except DamagedCheckpointError as error:
                log.warning("%s; using the one before it", error.what)
                faults.append(error)
                continue
            return step
        if faults:
            raise no_valid_checkpoint(self.directory, faults)
        return None

    def check(self, step: int) -> None:
        """Verify the files of a checkpoint against their checksums, if it has any.

        Raises:
            DamagedCheckpointError: a file is missing, truncated or changed.
        """
        if fault := find_damage(self.directory, step):
            raise DamagedCheckpointError(step, fault)

    def set_aside(self, step: int) -> Path:
        """Move a damaged checkpoint away, so its step can be saved again.

        Every process calls this; the main process moves the files.

        Returns:
            the new path.

        Raises:
            StorageError: it cannot be moved.
        """
        aside = self.directory.parent / "damaged" / str(step)
        if jax.process_index() == 0:
            with storage_errors(aside, "setting a damaged checkpoint aside"):
                aside.parent.mkdir(exist_ok=True)
                if aside.exists():
                    shutil.rmtree(aside)
                (self.directory / str(step)).rename(aside)
        broadcast(0)  # a barrier
        self._manager.reload()
        return aside

    def save(self, state: TrainState, metadata: CheckpointMetadata) -> None:
        """Start an asynchronous save. The arrays are copied before this returns.

        Raises:
            StorageError: this save, or the one before it, could not be written.
        """
        with _reporting_disk_errors(self.directory):
            # Waits until the save before has finished.
            self._manager.save(
                metadata.step,
                args=ocp.args.Composite(
                    parameters=ocp.args.StandardSave(state.parameters),
                    optimizer=ocp.args.StandardSave(state.optimizer),
                    progress=ocp.args.JsonSave(to_plain(metadata)),
                ),
            )
        self._start_checksums()
        self._saving = metadata.step

    def metadata(self, step: int) -> CheckpointMetadata:
        """The metadata of a checkpoint.

        Raises:
            DamagedCheckpointError: it cannot be read.
            InputError: its schema is of another version.
        """
        where = f"{self.directory.name}/{step}"
        with _damage(step):
            found = self._manager.restore(
                step, args=ocp.args.Composite(progress=ocp.args.JsonRestore())
            )
            metadata = read_record(found["progress"], CheckpointMetadata, where=where)
        if metadata.schema != SCHEMA:
            raise InputError(
                f"the checkpoint {where} is of another version", got=metadata.schema, allowed="1"
            )
        return metadata

    def config(self, step: int) -> TrainConfig:
        """The config of a checkpoint's run."""
        return read_record(self.metadata(step).config, TrainConfig, where=f"checkpoint {step}")

    def restore(self, step: int, shapes: TrainState) -> TrainState:
        """The state of a step, sharded like `shapes`, whatever mesh it was saved from.

        Raises:
            DamagedCheckpointError: it cannot be read.
        """
        with _damage(step):
            found = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    parameters=ocp.args.StandardRestore(shapes.parameters),
                    optimizer=ocp.args.StandardRestore(shapes.optimizer),
                ),
            )
        completed = jax.device_put(jnp.asarray(step, jnp.int32), shapes.step.sharding)
        return TrainState(completed, found["parameters"], found["optimizer"])

    def parameters(self, step: int, shapes: Any) -> Any:
        """Only the parameters of a step, sharded like `shapes`.

        Raises:
            DamagedCheckpointError: they cannot be read.
        """
        with _damage(step):
            found = self._manager.restore(
                step, args=ocp.args.Composite(parameters=ocp.args.StandardRestore(shapes))
            )
        return found["parameters"]

    def check_disk_space(self, each: int, keep_last: int) -> None:
        """Check before training that the disk has space for the checkpoints.

        Args:
            each: bytes of one checkpoint.
            keep_last: how many are retained; one more is written before the oldest is deleted.

        Raises:
            StorageError: the disk has too little space.
        """
        existing = len(self._manager.all_steps())
        wanted = each * max(keep_last + 1 - existing, 1)
        free = shutil.disk_usage(self.directory).free
        if free < wanted:
            raise StorageError(
                "the disk has no space for the checkpoints",
                got=f"{free / 1e9:.2f} GB free at {self.directory}",
                allowed=f"{wanted / 1e9:.2f} GB, {each / 1e9:.2f} for each",
                fix="free some space, set out= to another disk, or keep fewer checkpoints",
            )

    def wait(self) -> None:
        """Wait until all saves have reached the disk.

        Raises:
            StorageError: one could not be written.
        """
        with _reporting_disk_errors(self.directory):
            self._manager.wait_until_finished()
        self._start_checksums()

    def close(self) -> None:
        """Wait for all saves and release the directory."""
        self.wait()
        self._manager.close()
        if self._checksums is not None:
            self._checksums.close()

    def _start_checksums(self) -> None:
        """Compute the checksums of the last checkpoint, whose save has finished."""
        if self._checksums is not None and self._saving is not None:
            self._checksums.start(self._saving)
        self._saving = None


@contextmanager
def _damage(step: int) -> Iterator[None]:
    """Turns the libraries' errors about missing, truncated or changed files into one."""
    try:
        yield
    except (MemoryError, PermissionError):
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        if "RESOURCE_EXHAUSTED" in words:
            raise
        raise DamagedCheckpointError(step, words[:200] or type(error).__name__) from error


def no_valid_checkpoint(directory: Path, faults: Sequence[DamagedCheckpointError]) -> StorageError:
    """The error if no checkpoint of a run can be read."""
    return StorageError(
        f"no checkpoint of the run can be read: {'; '.join(fault.what for fault in faults)}",
        got=str(directory),
        fix="restore an undamaged one from a copy, or set out= to a new directory",
    )


@contextmanager
def _reporting_disk_errors(directory: Path) -> Iterator[None]:
    """Turns the libraries' errors about a full or failing disk into a `StorageError`."""
    with storage_errors(directory, "saving a checkpoint"):
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            # TensorStore reports system errors only as text.
            message = str(error)
            for number, words in (
                (errno.ENOSPC, "No space left"),
                (errno.EDQUOT, "quota exceeded"),
                (errno.EROFS, "Read-only file system"),
                (errno.EACCES, "Permission denied"),
            ):
                if words in message:
                    raise OSError(number, words.lower()) from error
            raise
