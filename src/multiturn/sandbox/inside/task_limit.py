"""How many threads a program may have: RLIMIT_NPROC, which counts all tasks of an account.

The kernel counts tasks (threads and processes) by account and user namespace. Where a program gets
a user namespace to itself, only its own threads count. Elsewhere the account's other tasks count
too, so the limit has to lie above their number; without /proc, that is found by trying.
"""

from __future__ import annotations

import os
import resource
import time

from multiturn.sandbox.linux import namespaces as ns

__all__ = ["MAX_THREADS", "TaskLimit", "count_tasks_separately", "can_count_tasks_separately"]

MAX_THREADS = 256
"""More threads than the stacks of an honest program have room for."""

_GRAIN = 64
"""The precision to which the tasks of an account are counted."""
_HIGHEST = 1 << 22
"""The kernel's own limit of process numbers."""
_FRESH_SECONDS = 5.0


def count_tasks_separately() -> None:
    """Have the tasks of this process counted separately from now on.

    The account stays the same. No limit on tasks may be set before: it would hold for everything
    in the new namespace.

    Raises:
        OSError: no user namespace may be made here.
    """
    ns.unshare(ns.NEW_USER)


def can_count_tasks_separately() -> bool:
    """Whether tasks of programs can be counted separately, found by trying in a child."""
    pid = os.fork()
    if pid == 0:
        held = False
        try:
            count_tasks_separately()
            ns.drop_capabilities(bounding=False)
            # There is one task, and one more is too many.
            _set(1, hard=2)
            held = not _can_fork()
            _set(2, hard=2)
            held = held and _can_fork()
        except OSError:
            held = False
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(pid, 0)[1] == 0


class TaskLimit:
    """The limit for a program whose account has other tasks that count too."""

    def __init__(self) -> None:
        self._limit: int | None = None
        self._counted_at = float("-inf")

    def get(self) -> int | None:
        """The tasks of the account plus a program's threads; None where they cannot be counted."""
        if time.monotonic() - self._counted_at > _FRESH_SECONDS:
            present = _count()
            self._limit = None if present is None else present + MAX_THREADS
            self._counted_at = time.monotonic()
        return self._limit


def _count() -> int | None:
    """How many tasks the account has, rounded up; None where the kernel does not count them."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    highest = _HIGHEST if before[1] == resource.RLIM_INFINITY else min(_HIGHEST, before[1])
    try:
        _set(0, hard=before[1])
        if _can_fork():
            return None
        # A limit at which no task can be added, and one at which one can.
        low, high = 0, _GRAIN
        while high < highest:
            _set(high, hard=before[1])
            if _can_fork():
                break
            low, high = high, 2 * high
        high = min(high, highest)
        while high - low > _GRAIN:
            middle = (low + high) // 2
            _set(middle, hard=before[1])
            low, high = (low, middle) if _can_fork() else (middle, high)
        return high
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, before)


def _set(tasks: int, *, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, hard))


def _can_fork() -> bool:
    try:
        pid = os.fork()
    except BlockingIOError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True
