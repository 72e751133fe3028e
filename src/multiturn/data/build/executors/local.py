"""Where the pieces of a stage run: in this process, on all cores, or on a cluster."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol, TypeVar

from multiturn.core.errors import InputError, MultiturnError

__all__ = ["Executor", "ProcessExecutor", "SequentialExecutor", "local_executor"]

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Calls a function on each item, anywhere, in any order.

    The function and the items can be pickled, and the function is idempotent: it writes its
    result to disk in one step, and is called again after a crash.
    """

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result) as they are finished.

        Raises:
            MultiturnError: what the function raised, of the first item that failed. The
                others in flight are stopped.
        """
        ...


@dataclass(frozen=True, slots=True)
class SequentialExecutor:
    """In this process, one after the other."""

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result), in order."""
        for index, item in enumerate(items):
            yield index, function(item)


@dataclass(frozen=True, slots=True)
class ProcessExecutor:
    """In processes of this machine.

    Attributes:
        workers: how many.
    """

    workers: int

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result) as they are finished."""
        # A forked copy of a process with threads may hang; a fresh one costs half a second.
        context = multiprocessing.get_context("forkserver")
        pool = concurrent.futures.ProcessPoolExecutor(self.workers, mp_context=context)
        try:
            futures = {pool.submit(function, item): index for index, item in enumerate(items)}
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise MultiturnError(
                "a worker process died",
                fix="it may have run out of memory: give fewer --workers, then run the same "
                "command again; what was finished is kept",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def local_executor(workers: int | None) -> Executor:
    """An executor for this machine.

    Args:
        workers: processes; None for one on each core that this process may use.

    Raises:
        InputError: fewer than one.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    if workers < 1:
        raise InputError("too few workers", got=workers, allowed="1 or more")
    return SequentialExecutor() if workers == 1 else ProcessExecutor(workers)
