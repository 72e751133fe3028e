"""The pieces of a build on a cluster, by datatrove's executors for SLURM, Ray and one machine.

    from datatrove.executor.slurm import SlurmPipelineExecutor

    def slurm(pipeline, tasks, logs):
        return SlurmPipelineExecutor(
            pipeline, tasks, time="04:00:00", partition="cpu", logging_dir=logs
        )

    build(recipe, out, executor=Datatrove(slurm, Path("/shared/pieces")), downloads=downloads)

Why datatrove and not Ray Data: docs/decisions/0029-cluster.md. The folders of the build and of
the pieces must be on a disk that all machines share.
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

_SECONDS_BETWEEN_LOOKS = 0.5


class Runnable(Protocol):
    """What is asked of an executor of datatrove: a `datatrove.executor.PipelineExecutor`."""

    def run(self) -> object:
        """Run all tasks, or hand them to a scheduler and come back."""
        ...


@dataclass(frozen=True, slots=True)
class Datatrove:
    """An `Executor` whose pieces are tasks of datatrove.

    Attributes:
        make: an executor of datatrove from a pipeline, the number of tasks, and the folder of
            its logs. It is called once for each round of pieces.
        folder: for results and logs; every machine can write it.
        patience: seconds without a new result after which the tasks are taken to be lost.
    """

    make: Callable[[list[Any], int, str], Runnable]
    folder: Path
    patience: float = 24 * 3600.0

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result) as the results appear.

        Raises:
            MultiturnError: what a piece raised, or no result came in time.
        """
        if not items:
            return
        with storage_errors(self.folder, "making the folder of the pieces"):
            self.folder.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix="round-", dir=self.folder))
        # A pipeline of one step, without documents: the pieces read and write their own.
        pipeline = [_Piece(function, tuple(items), place)]
        self.make(pipeline, len(items), str(place / "logs")).run()
        yield from _results(place, len(items), self.patience)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What datatrove calls in each task."""

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
            # An error of any other class may not be there where it is read.
            outcome = ("failed", traceback.format_exc())
        write_atomically(_result(self.place, rank), pickle.dumps(outcome))


def _results(place: Path, count: int, patience: float) -> Iterator[tuple[int, Any]]:
    missing = set(range(count))
    last = time.monotonic()
    while missing:
        there = sorted(rank for rank in missing if _result(place, rank).exists())
        for rank in there:
            # Written by this project's own tasks a moment ago.
            how, value = pickle.loads(_result(place, rank).read_bytes())
            if how == "raised":
                raise value
            if how == "failed":
                raise MultiturnError(
                    f"piece {rank} failed, {value.strip().splitlines()[-1]}",
                    fix=f"see the logs in {place / 'logs'}",
                )
            yield rank, value
        missing.difference_update(there)
        if there:
            last = time.monotonic()
        elif missing:
            if time.monotonic() - last > patience:
                raise MultiturnError(
                    f"{len(missing)} of {count} pieces gave no result",
                    got=f"nothing for {patience:.0f} s",
                    fix=f"see the logs in {place / 'logs'}, then run the same command again; "
                    "what was finished is kept",
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _result(place: Path, rank: int) -> Path:
    return place / f"{rank:06d}.pickle"
