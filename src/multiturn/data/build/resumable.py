"""The resumable task: work that is done once, however often its build is interrupted.

A task writes its outputs first and its marker last. A task whose marker has the right fingerprint
is not run again. A task that was killed has no such marker, so it runs again and overwrites what
it left.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from multiturn.core.errors import StoreError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.data.build.executors.local import Executor
from multiturn.data.build.progress import BuildListener, BuildProgress

__all__ = [
    "SCHEMA",
    "ResumableTask",
    "TaskProgress",
    "delete_except",
    "read_marker",
    "run_tasks",
    "write_marker",
]

SCHEMA = 1
"""Of the markers. Tasks with markers of another schema run again."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumableTask(ABC, Generic[R]):
    """A step of a build with inputs, outputs, a fingerprint and a marker.

    Tasks are plain data, so that any process on any machine can run them.

    Attributes:
        fingerprint: of all that decides the result.
    """

    fingerprint: str

    @property
    @abstractmethod
    def marker(self) -> Path:
        """The JSON file that says that the task is finished."""

    @property
    def label(self) -> str:
        """The name that a person sees when the task is finished."""
        return self.marker.stem

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Files without which the task is not finished, whatever its marker says."""
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the task leaves."""
        return *self.outputs, self.marker

    @abstractmethod
    def run(self) -> R:
        """Write the outputs."""

    @abstractmethod
    def to_plain(self, result: R) -> dict[str, object]:
        """What the marker records of the result, as JSON data."""

    @abstractmethod
    def from_plain(self, plain: Mapping[str, Any]) -> R:
        """The result that `to_plain` recorded."""

    def size_of(self, result: R) -> int:
        """Bytes of text that the task processed, for progress reports."""
        del result
        return 0

    def finished(self) -> R | None:
        """The result of a finished task; None where the task must run.

        Raises:
            StoreError: the marker is broken.
        """
        plain = read_marker(self.marker)
        if plain is None or plain["fingerprint"] != self.fingerprint:
            return None
        if not all(path.exists() for path in self.outputs):
            return None
        return self.from_plain(plain)

    def complete(self) -> R:
        """The result, from the marker if the task is finished, else from running it.

        Raises:
            StorageError: the disk is full or a folder is not writable.
        """
        done = self.finished()
        if done is not None:
            return done
        with storage_errors(self.marker, "preparing a task"):
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            self.marker.unlink(missing_ok=True)
        result = self.run()
        # Only now: all outputs are on the disk under their own names.
        write_marker(self.marker, self.fingerprint, **self.to_plain(result))
        return result


def read_marker(path: Path) -> dict[str, Any] | None:
    """The content of a marker; None where it is missing or of another schema.

    Raises:
        StoreError: the file is not a marker.
    """
    try:
        marker = json.loads(path.read_bytes())
        if marker["schema"] != SCHEMA:
            return None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            "a completion marker cannot be read", got=str(path), fix="delete it and build again"
        ) from error
    return dict(marker)


def write_marker(path: Path, fingerprint: str, **content: object) -> None:
    """Write a marker in one step."""
    plain = {"schema": SCHEMA, "fingerprint": fingerprint, **content}
    write_atomically(path, json.dumps(plain, indent=1, sort_keys=True))


class TaskProgress:
    """Counts finished tasks of a stage and reports them.

    Args:
        listener: receives the reports.
        stage: the name of the stage.
        total: tasks in all, as far as known.
    """

    def __init__(self, listener: BuildListener, stage: str, total: int) -> None:
        self._listener, self._stage, self.total = listener, stage, total
        self._done = self._bytes = 0
        self._report("")

    def add(self, note: str, size: int = 0) -> None:
        """Report a finished task."""
        self._done += 1
        self._bytes += size
        self._report(note)

    def _report(self, note: str) -> None:
        self._listener(
            BuildProgress(
                stage=self._stage,
                done=self._done,
                total=self.total,
                note=note,
                bytes=self._bytes,
            )
        )


def run_tasks(
    executor: Executor, tasks: Sequence[ResumableTask[R]], progress: TaskProgress
) -> list[R]:
    """Complete tasks on an executor; their results, in the order of the tasks."""
    results: dict[int, R] = {}
    for index, result in executor.map(_complete, tasks):
        results[index] = result
        progress.add(tasks[index].label, tasks[index].size_of(result))
    return [results[index] for index in range(len(tasks))]


def delete_except(folder: Path, files: Collection[Path]) -> None:
    """Delete all files in the folder of a stage but these, and folders that are then empty.

    What goes are intermediate files, and what an interrupted or earlier run left.
    """
    with storage_errors(folder, "deleting intermediate files"):
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in files:
                path.unlink()


def _complete(task: ResumableTask[R]) -> R:
    return task.complete()
