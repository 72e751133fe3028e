"""Threads within the limits of a program, in a place where there is one process for good.

Locks of `multiprocessing` are named semaphores of the kernel, whose files lie in /dev/shm; a
program has none. But `multiprocessing.pool.ThreadPool` makes some for its own threads, and
queues and values that never meet a second process work elsewhere too. Where no process can be
started, a lock among threads is all that such a lock can be.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import importlib
import os
import threading
from typing import NoReturn

__all__ = ["fit_threads", "lock_among_threads"]

STACK_BYTES = 2 << 20
"""Of a thread that does not ask for another size: a hundred threads have a fifth of the usual
memory for their stacks, where the system's own size would take more than all of it."""

_RECURSIVE = 0


class SemLock:
    """What `_multiprocessing.SemLock` is, for threads of this process alone."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:  # noqa: ARG002
        self.kind, self.maxvalue = kind, maxvalue
        self.name: str | None = None
        self.handle = id(self)
        self._value = value
        self._depth = 0
        self._owner: int | None = None
        self._changed = threading.Condition(threading.Lock())

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take it; whether that was possible within `timeout` seconds."""
        me = threading.get_ident()
        with self._changed:
            if self.kind == _RECURSIVE and self._owner == me:
                self._depth += 1
                return True
            wait = None if timeout is None else max(0.0, timeout)
            if not self._value and not (
                block and self._changed.wait_for(lambda: self._value > 0, wait)
            ):
                return False
            self._value -= 1
            self._owner = me
            self._depth += 1
            return True

    def release(self) -> None:
        """Give it back.

        Raises:
            AssertionError: a recursive lock belongs to another thread.
            ValueError: it was not taken.
        """
        with self._changed:
            if self.kind == _RECURSIVE:
                if self._owner != threading.get_ident():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                if self._depth > 1:
                    self._depth -= 1
                    return
                self._owner = None
            elif self._value >= self.maxvalue:
                raise ValueError("semaphore or lock released too many times")
            self._depth -= 1
            self._value += 1
            self._changed.notify()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _count(self) -> int:
        return self._depth

    def _is_mine(self) -> bool:
        return self._depth > 0 and self._owner == threading.get_ident()

    def _get_value(self) -> int:
        return self._value

    def _is_zero(self) -> bool:
        return self._value == 0

    def _after_fork(self) -> None:
        """Nothing: there is no fork."""


def lock_among_threads() -> None:
    """Have `multiprocessing` make locks of that kind, and refuse memory for several processes."""
    for module, name, stand_in in (
        ("_multiprocessing", "SemLock", SemLock),
        ("_posixshmem", "shm_open", _refuse),
        ("multiprocessing.heap", "Arena._dir_candidates", []),
    ):
        with contextlib.suppress(ImportError, AttributeError):
            *parts, last = name.split(".")
            setattr(
                functools.reduce(getattr, parts, importlib.import_module(module)), last, stand_in
            )


def _refuse(path: str, flags: int, mode: int = 0o777) -> NoReturn:  # noqa: ARG001
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)


def fit_threads() -> None:
    """Have a thread's stack reserve no more of the address space, which is limited, than it needs.

    Where nobody says otherwise it is as large as the main thread's may be.
    """
    libc = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        attributes = ctypes.create_string_buffer(256)
        libc.pthread_attr_init(attributes)
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(STACK_BYTES))
        libc.pthread_setattr_default_np(attributes)
