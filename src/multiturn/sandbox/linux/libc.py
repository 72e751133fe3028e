"""Raw system calls by number, on x86_64 and aarch64."""

from __future__ import annotations

import ctypes
import functools
import os
import platform

__all__ = ["MACHINES", "call", "machine", "prctl"]

MACHINES = ("x86_64", "aarch64")

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] * 7

_ZEROS = (0, 0, 0, 0, 0, 0)

PRCTL = {"x86_64": 157, "aarch64": 167}


@functools.cache
def machine() -> str:
    """The machine's name, as the kernel gives it."""
    return platform.machine()


def call(number: int, *arguments: int) -> int:
    """Make a system call; all arguments are integers or addresses.

    Raises:
        OSError: the call failed.
    """
    result: int = _syscall(number, *arguments, *_ZEROS[len(arguments) :])
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """Make a call of prctl with up to two arguments."""
    return call(PRCTL[machine()], option, first, second)
