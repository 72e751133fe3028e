"""The pieces of a stage: each is made once, and marked when it is whole.

A piece writes its files first and its marker last; with a marker of the right fingerprint, the
piece is not made again. What was killed has no marker, and its files are overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from multiturn.core.errors import StoreError, storage_errors
from multiturn.core.files import atomic_file, write_atomically
from multiturn.data.build.pipeline import read_marker
from multiturn.data.build.progress import BuildProgress
from multiturn.data.build.stage import StageContext

__all__ = ["TaskProgress", "finished", "keep_only", "load_array", "mark", "run_tasks", "save_array"]

SCHEMA = 1
"""That `pipeline.read_marker` reads."""

Numbers = np.ndarray[Any, Any]
T = TypeVar("T", bound="HasText")
R = TypeVar("R")


class HasText(Protocol):
    """A piece that says how it is called."""

    @property
    def label(self) -> str:
        """For a person."""
        ...


def finished(marker: Path, fingerprint: str, *outputs: Path) -> dict[str, Any] | None:
    """What `mark` wrote, if it has this fingerprint and the outputs are there."""
    found = read_marker(marker)
    if found is None or found["fingerprint"] != fingerprint:
        return None
    return found if all(path.exists() for path in outputs) else None


def mark(marker: Path, fingerprint: str, **more: object) -> None:
    """Say that a piece is whole."""
    plain = {"schema": SCHEMA, "fingerprint": fingerprint, **more}
    with storage_errors(marker, "writing a marker"):
        marker.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(marker, json.dumps(plain, indent=1, sort_keys=True))


def save_array(path: Path, array: Numbers) -> None:
    """Write an array as ``.npy``, whole or not at all, without a copy of it in memory."""
    with storage_errors(path, "writing"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def load_array(path: Path) -> Numbers:
    """The array of a file, mapped into memory: only what is touched is read.

    Raises:
        StoreError: the file is missing or broken.
    """
    try:
        array: Numbers = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        # An empty array cannot be mapped.
        try:
            whole: Numbers = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise _unreadable(path) from error
        return whole
    except (OSError, EOFError) as error:
        raise _unreadable(path) from error
    return array


def keep_only(folder: Path, wanted: Collection[Path]) -> None:
    """Delete everything in the folder of a stage but these files: work that is done with, and
    what an interrupted or an earlier run left behind.
    """
    with storage_errors(folder, "deleting files of work"):
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in wanted:
                path.unlink()


class TaskProgress:
    """Counts the pieces of a stage and tells its listener.

    Args:
        context: of the stage.
        stage: its name.
        total: pieces in all its phases, as far as known.
    """

    def __init__(self, context: StageContext, stage: str, total: int) -> None:
        self._context, self._stage, self.total = context, stage, total
        self._done = self._bytes = 0
        self._tell("")

    def one(self, note: str, size: int = 0) -> None:
        """A piece is finished."""
        self._done += 1
        self._bytes += size
        self._tell(note)

    def _tell(self, note: str) -> None:
        self._context.progress(
            BuildProgress(
                stage=self._stage,
                done=self._done,
                total=self.total,
                note=note,
                bytes=self._bytes,
            )
        )


def run_tasks(
    context: StageContext,
    function: Callable[[T], R],
    pieces: Sequence[T],
    progress: TaskProgress,
) -> list[R]:
    """Run pieces on the executor; their results, in the order of the pieces."""
    results: dict[int, R] = {}
    for index, result in context.executor.map(function, pieces):
        results[index] = result
        progress.one(pieces[index].label)
    return [results[index] for index in range(len(pieces))]


def _unreadable(path: Path) -> StoreError:
    return StoreError(
        "a file of the corpus cannot be read",
        got=str(path),
        fix="delete the folder of its stage and build again",
    )
