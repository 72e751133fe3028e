"""Threads of a program that cannot start processes, and has limited memory for their stacks.

Locks of `multiprocessing` are named semaphores with files in /dev/shm, which a program does not
have. But `multiprocessing.pool.ThreadPool` makes such locks for its own threads, and so do queues
and values that never leave the process. Without other processes, a lock among threads is enough.
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
"""The default stack of a thread. A hundred such stacks take a fifth of the default memory limit;
at the system's own size they would take more than all of it."""

_RECURSIVE = 0


class SemLock:
    """Replaces `_multiprocessing.SemLock`, for the threads of this process."""

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
        """Acquire it; returns whether that was possible within `timeout` seconds."""
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
        """Release it.

        Raises:
            AssertionError: a recursive lock belongs to another thread.
            ValueError: it was not acquired.
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
        """Nothing, as programs cannot fork."""


def lock_among_threads() -> None:
    """Make `multiprocessing` use such locks, and refuse memory shared between processes."""
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
    """Make stacks of threads smaller, as address space is limited.

    By default a stack may be as large as the main thread's.
    """
    libc = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        attributes = ctypes.create_string_buffer(256)
        libc.pthread_attr_init(attributes)
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(STACK_BYTES))
        libc.pthread_setattr_default_np(attributes)
