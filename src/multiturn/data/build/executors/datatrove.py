"""Tasks on a cluster, by datatrove's executors for SLURM, Ray and one machine.

    from datatrove.executor.slurm import SlurmPipelineExecutor

    def slurm(pipeline, tasks, logs):
        return SlurmPipelineExecutor(
            pipeline, tasks, time="04:00:00", partition="cpu", logging_dir=logs
        )

    build(recipe, out, executor=Datatrove(slurm, Path("/shared/tasks")), downloads=downloads)

Why datatrove and not Ray Data: docs/decisions/0029-cluster.md. The folders of the build and of
the tasks must be on a disk that all machines share.
"""

from __future__ import annotations

import pickle
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from multiturn.core.errors import MultiturnError, storage_errors
from multiturn.core.files import write_atomically

__all__ = ["Datatrove", "Runnable"]

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.5


class Runnable(Protocol):
    """The part of a `datatrove.executor.PipelineExecutor` that is used here."""

    def run(self) -> object:
        """Run all tasks, or hand them to a scheduler and return."""
        ...


@dataclass(frozen=True, slots=True)
class Datatrove:
    """An `Executor` whose items are tasks of datatrove.

    Attributes:
        make: an executor of datatrove from a pipeline, the number of tasks, and the folder of
            its logs. It is called once for each call of `map`.
        folder: for results and logs; every machine can write it.
        timeout: seconds without a new result after which the tasks count as lost.
    """

    make: Callable[[list[Any], int, str], Runnable]
    folder: Path
    timeout: float = 24 * 3600.0

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result) as the results appear.

        Raises:
            MultiturnError: what a task raised, or no result came in time.
        """
        if not items:
            return
        with storage_errors(self.folder, "making the folder of the tasks"):
            self.folder.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix="round-", dir=self.folder))
        # A pipeline of one step, without documents: the tasks read and write their own.
        pipeline = [_Task(function, tuple(items), place)]
        self.make(pipeline, len(items), str(place / "logs")).run()
        yield from _results(place, len(items), self.timeout)


@dataclass(frozen=True, slots=True)
class _Task:
    """The step that datatrove calls in each task."""

    function: Callable[[Any], Any]
    items: tuple[Any, ...]
    place: Path

    def __call__(self, data: object, rank: int = 0, world_size: int = 1) -> None:
        del data, world_size
        try:
            outcome: tuple[str, Any] = ("done", self.function(self.items[rank]))
        except MultiturnError as error:
            outcome = ("raised", error)
        except Exception:
            # The class of any other error may be missing where it is unpickled.
            outcome = ("failed", traceback.format_exc())
        write_atomically(_result(self.place, rank), pickle.dumps(outcome))


def _results(place: Path, count: int, timeout: float) -> Iterator[tuple[int, Any]]:
    missing = set(range(count))
    last = time.monotonic()
    while missing:
        there = sorted(rank for rank in missing if _result(place, rank).exists())
        for rank in there:
            # These pickles were written by this program's own tasks.
            how, value = pickle.loads(_result(place, rank).read_bytes())
            if how == "raised":
                raise value
            if how == "failed":
                raise MultiturnError(
                    f"task {rank} failed, {value.strip().splitlines()[-1]}",
                    fix=f"see the logs in {place / 'logs'}",
                )
            yield rank, value
        missing.difference_update(there)
        if there:
            last = time.monotonic()
        elif missing:
            if time.monotonic() - last > timeout:
                raise MultiturnError(
                    f"{len(missing)} of {count} tasks gave no result",
                    got=f"nothing for {timeout:.0f} s",
                    fix=f"see the logs in {place / 'logs'}, then run the same command again, "
                    "which continues with what is unfinished",
                )
            time.sleep(_POLL_SECONDS)


def _result(place: Path, rank: int) -> Path:
    return place / f"{rank:06d}.pickle"
