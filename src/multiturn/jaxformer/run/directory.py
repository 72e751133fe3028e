"""The directory of a run, locked by one process at a time.

checkpoints/    Orbax, a directory for each step
checksums/      of the files of each checkpoint
damaged/        checkpoints that could not be read
config.json     the newest config
metrics.jsonl   a line for each logged step and validation
tokenizer/      if one was trained for the run
trouble.json    after a loss spike: step, batches, files
profile/        a profiler trace, if requested
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.core.lines import split_lines
from multiturn.core.records import to_plain
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.checkpoints import CheckpointMetadata

__all__ = ["RunDirectory", "changed_settings", "check_resumable", "open_run_directory"]


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The paths in the directory of a run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, written by Orbax."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Metrics, one JSON object on each line."""
        return self.path / "metrics.jsonl"

    @property
    def profile(self) -> Path:
        """Profiler traces."""
        return self.path / "profile"

    @property
    def loss_spike_report(self) -> Path:
        """The loss spike that stopped the run, if any."""
        return self.path / "trouble.json"

    def write_json(self, name: str, value: Any) -> None:
        """Write a record as a JSON file, atomically."""
        write_atomically(self.path / name, json.dumps(to_plain(value), indent=2) + "\n")

    def trim_metrics(self, step: int) -> None:
        """Drop the metrics after `step`, since those steps run again."""
        if not self.metrics.exists():
            return
        remaining = []
        for line in split_lines(
            self.metrics.read_bytes().decode("utf-8", "replace"), keepends=True
        ):
            try:
                good = line.endswith("\n") and json.loads(line)["step"] <= step
            except (json.JSONDecodeError, KeyError, TypeError):
                good = False
            if good:
                remaining.append(line)
        write_atomically(self.metrics, "".join(remaining))


@contextmanager
def open_run_directory(path: Path, *, is_main: bool) -> Iterator[RunDirectory]:
    """The run's directory, created if missing and locked by the main process.

    After an error before anything is written, no directory is left that was not there.

    Raises:
        InputError: another process trains in it.
        StorageError: it cannot be created or written.
    """
    created = [each for each in (path, *path.parents) if not each.exists()]
    with storage_errors(path, "making the run's directory"):
        path.mkdir(parents=True, exist_ok=True)
    if not is_main:
        yield RunDirectory(path)
        return
    lock = FileLock(path / ".lock")
    with storage_errors(path, "locking the run's directory"):
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                "another process trains in this directory, or saves its last step",
                got=str(path),
                fix="wait for it, or set out= to another directory",
            ) from error
    try:
        yield RunDirectory(path)
    except BaseException:
        # Before the lock is released, so that no other process can be in it.
        _remove_if_empty(created)
        raise
    finally:
        lock.release()


def _remove_if_empty(created: list[Path]) -> None:
    """Remove a new run's directory that has only its lock, and the new ones above it."""
    with suppress(OSError):  # a directory may have got other files since
        if created and [each.name for each in created[0].iterdir()] == [".lock"]:
            (created[0] / ".lock").unlink()
            for each in created:
                each.rmdir()


_FIXED = ("model", "lora", "batch.sequences", "batch.length", "data.seed", "seed")
"""Settings that cannot change on resume: they fix the shapes and the data order."""

_FREE = ("name", "out", "mesh", "hosts", "checkpoint", "watch", "steps", "data.skip")
"""Settings that may change silently on resume: they do not change the results of a step."""


def check_resumable(saved: CheckpointMetadata, config: TrainConfig, fingerprint: str) -> list[str]:
    """Check that a run can resume from a checkpoint.

    Returns:
        The changed settings that change results, as ``key: old -> new``.

    Raises:
        InputError: the model, batch, data order or data differ.
    """
    changed = changed_settings(saved.config, to_plain(config))
    # LoRA factors are meaningful only with the weights they were trained on.
    names = (*_FIXED, "start") if config.lora else _FIXED
    fixed = {key: pair for key, pair in changed.items() if _within(key, names)}
    if fixed:
        differences = "; ".join(f"{key} was {old}, is {new}" for key, (old, new) in fixed.items())
        raise InputError(
            f"the run's checkpoint does not fit the config: {differences}",
            got=f"step {saved.step}",
            fix="restore these settings, or set out= to a new directory",
        )
    if saved.fingerprint != fingerprint:
        raise InputError(
            "the data are not those the run was trained on so far",
            got=fingerprint[:12],
            allowed=saved.fingerprint[:12],
            fix="restore the data, or set out= to a new directory and start= to this run",
        )
    return [
        f"{key}: {old} -> {new}" for key, (old, new) in changed.items() if not _within(key, _FREE)
    ]


def changed_settings(old: Any, new: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """The leaves in which two plain configs differ, by dotted key.

    Example:
        >>> changed_settings({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
        {'b.c': (2, 3)}
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*old, *new}):
            found |= changed_settings(old.get(key), new.get(key), f"{prefix}{key}.")
        return found
    return {} if old == new else {prefix.rstrip("."): (old, new)}


def _within(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith(name + ".") for name in names)
