"""The protocol of executors, and those for one machine."""

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

    The function and the items can be pickled. The function is idempotent, because it is called
    again after a crash.
    """

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result) as items finish.

        Raises:
            MultiturnError: what the function raised for the first item that failed. The other
                items in flight are stopped.
        """
        ...


@dataclass(frozen=True, slots=True)
class SequentialExecutor:
    """Runs in this process, one item after the other."""

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result), in order."""
        for index, item in enumerate(items):
            yield index, function(item)


@dataclass(frozen=True, slots=True)
class ProcessExecutor:
    """Runs in processes of this machine.

    Attributes:
        workers: number of processes.
    """

    workers: int

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield (index of the item, result) as items finish."""
        # A forked copy of a process with threads may hang. A fresh process takes half a second.
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
                "command again, which continues with what is unfinished",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def local_executor(workers: int | None) -> Executor:
    """An executor for this machine.

    Args:
        workers: number of processes; None for one on each core that this process may use.

    Raises:
        InputError: fewer than one worker.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    if workers < 1:
        raise InputError("too few workers", got=workers, allowed="1 or more")
    return SequentialExecutor() if workers == 1 else ProcessExecutor(workers)
