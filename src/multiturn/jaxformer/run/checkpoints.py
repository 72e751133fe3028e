"""Checkpoints of a run, through Orbax: asynchronous, and either whole or not there.

What a disk or a copy does to them later is noticed: see `checksums`.
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
    "Progress",
    "checkpoint_bytes",
    "no_valid_checkpoint",
]

SCHEMA = 1

log = logging.getLogger(__name__)


class DamagedCheckpointError(StorageError):
    """A checkpoint cannot be read: files of it are missing, cut or changed."""

    def __init__(self, step: int, fault: str) -> None:
        self.step = step
        super().__init__(f"the checkpoint of step {step} is damaged, {fault}")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a checkpoint says beside its arrays.

    Attributes:
        step: how many steps were done.
        next_batch: where the data go on.
        fingerprint: of the data.
        loss_mean: of the guard.
        losses_seen: of the guard.
        config: of the run.
    """

    step: int
    next_batch: int
    fingerprint: str
    loss_mean: float
    losses_seen: int
    config: dict[str, Any]
    schema: int = SCHEMA


def checkpoint_bytes(state: TrainState) -> int:
    """Size of one checkpoint, before compression; `state` may be shapes."""
    return sum(leaf.size * jnp.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(state))


class Checkpoints:
    """The checkpoints below one directory. Close it: a save may still be under way.

    Every process of a run makes one, and calls the same methods in the same order.

    Args:
        directory: made where it is missing.
        config: how many are kept.
        read_only: change nothing, not even what a crash left behind.
    """

    def __init__(
        self, directory: Path, config: CheckpointConfig | None = None, *, read_only: bool = False
    ) -> None:
        self.directory = directory.absolute()
        config = config or CheckpointConfig()
        kept: list[Any] = [policies.LatestN(config.keep_last)]
        if config.keep_every:
            kept.append(policies.EveryNSteps(config.keep_every))
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(kept),
                # What a crash left half written goes at the next start.
                cleanup_tmp_directories=not read_only,
                create=not read_only,
                save_root_metadata=False,
                # The loop decides when; every call saves.
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
            # The first fault is the one to tell.
            try:
                self._manager.close()
                self._keep_checksums()
            except Exception:
                return
            finally:
                if self._checksums is not None:
                    self._checksums.close()

    def steps(self) -> list[int]:
        """The steps that were saved, the newest first; whether they are whole is not known."""
        return sorted(self._manager.all_steps(), reverse=True)

    def latest(self) -> int | None:
        """The newest step whose checkpoint is whole, for who reads a run and does not go on.

        A damaged one is passed over, with a warning in the log.

        Raises:
            StorageError: there are checkpoints, and all are damaged.
        """
        faults = []
        for step in self.steps():
            try:
                self.check(step)
                self.progress(step)
            except DamagedCheckpointError as error:
                log.warning("%s; the one before it is taken", error.what)
                faults.append(error)
                continue
            return step
        if faults:
            raise no_valid_checkpoint(self.directory, faults)
        return None

    def check(self, step: int) -> None:
        """Hold the files of a checkpoint against their checksums, as far as these are kept.

        Raises:
            DamagedCheckpointError: a file is missing, cut or changed.
        """
        if fault := find_damage(self.directory, step):
            raise DamagedCheckpointError(step, fault)

    def set_aside(self, step: int) -> Path:
        """Move a damaged checkpoint out of the way, so that its step can be saved again.

        Called on every process; the first does it.

        Returns:
            where it is now.

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
        broadcast(0)  # all wait until it is done
        self._manager.reload()
        return aside

    def save(self, state: TrainState, progress: Progress) -> None:
        """Begin to save; the arrays are copied before it returns, the rest goes on behind.

        Raises:
            StorageError: this save, or the one before it, could not be written.
        """
        with _clear(self.directory):
            # Waits until the one before is written.
            self._manager.save(
                progress.step,
                args=ocp.args.Composite(
                    parameters=ocp.args.StandardSave(state.parameters),
                    optimizer=ocp.args.StandardSave(state.optimizer),
                    progress=ocp.args.JsonSave(to_plain(progress)),
                ),
            )
        self._keep_checksums()
        self._saving = progress.step

    def progress(self, step: int) -> Progress:
        """What the checkpoint of a step says beside its arrays.

        Raises:
            DamagedCheckpointError: it cannot be read.
            InputError: it is of an unknown form.
        """
        where = f"{self.directory.name}/{step}"
        with _damage(step):
            found = self._manager.restore(
                step, args=ocp.args.Composite(progress=ocp.args.JsonRestore())
            )
            progress = read_record(found["progress"], Progress, where=where)
        if progress.schema != SCHEMA:
            raise InputError(
                f"the checkpoint {where} is of another version", got=progress.schema, allowed="1"
            )
        return progress

    def config(self, step: int) -> TrainConfig:
        """The config that a checkpoint was made under."""
        return read_record(self.progress(step).config, TrainConfig, where=f"checkpoint {step}")

    def restore(self, step: int, shapes: TrainState) -> TrainState:
        """The state of a step, laid out as `shapes` say, whatever mesh it was saved from.

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
        counted = jax.device_put(jnp.asarray(step, jnp.int32), shapes.step.sharding)
        return TrainState(counted, found["parameters"], found["optimizer"])

    def parameters(self, step: int, shapes: Any) -> Any:
        """The parameters of a step alone, laid out as `shapes` say.

        Raises:
            DamagedCheckpointError: they cannot be read.
        """
        with _damage(step):
            found = self._manager.restore(
                step, args=ocp.args.Composite(parameters=ocp.args.StandardRestore(shapes))
            )
        return found["parameters"]

    def check_disk_space(self, each: int, keep_last: int) -> None:
        """See that the disk holds the checkpoints to come, before any time is spent.

        Args:
            each: bytes of one.
            keep_last: how many stay; one more is written before the oldest goes.

        Raises:
            StorageError: it does not.
        """
        there = len(self._manager.all_steps())
        wanted = each * max(keep_last + 1 - there, 1)
        free = shutil.disk_usage(self.directory).free
        if free < wanted:
            raise StorageError(
                "the disk has no room for the checkpoints",
                got=f"{free / 1e9:.2f} GB free at {self.directory}",
                allowed=f"{wanted / 1e9:.2f} GB, {each / 1e9:.2f} for each",
                fix="free some space, set out= to another disk, or keep fewer checkpoints",
            )

    def wait(self) -> None:
        """Return when all saves have reached the disk.

        Raises:
            StorageError: one could not be written.
        """
        with _clear(self.directory):
            self._manager.wait_until_finished()
        self._keep_checksums()

    def close(self) -> None:
        """Finish all saves."""
        self.wait()
        self._manager.close()
        if self._checksums is not None:
            self._checksums.close()

    def _keep_checksums(self) -> None:
        """Of the checkpoint that was begun last and is whole by now."""
        if self._checksums is not None and self._saving is not None:
            self._checksums.keep(self._saving)
        self._saving = None


@contextmanager
def _damage(step: int) -> Iterator[None]:
    """What the libraries say of files that are missing, cut or changed, as one error."""
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
    """The error where no checkpoint of a run can be read."""
    return StorageError(
        f"no checkpoint of the run can be read: {'; '.join(fault.what for fault in faults)}",
        got=str(directory),
        fix="bring a whole one back from a copy, or set out= to a new directory",
    )


@contextmanager
def _clear(directory: Path) -> Iterator[None]:
    """A full or failing disk as one clear error, however deep the libraries met it."""
    with storage_errors(directory, "saving a checkpoint"):
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            # TensorStore tells of the system's faults in words alone.
            told = str(error)
            for number, words in (
                (errno.ENOSPC, "No space left"),
                (errno.EDQUOT, "quota exceeded"),
                (errno.EROFS, "Read-only file system"),
                (errno.EACCES, "Permission denied"),
            ):
                if words in told:
                    raise OSError(number, words.lower()) from error
            raise
