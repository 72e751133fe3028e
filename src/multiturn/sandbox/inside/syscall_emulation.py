"""Emulates, in a program's own process, some system calls that the filter refuses.

The filter refuses locks on files: other processes of the machine would see a lock on a library,
and wait for it. Honest programs do lock files of their own (sqlite does for each transaction). No
other process can open those, so the lock needs to do nothing: it is answered here with success,
and with EPERM for any other file. Where no namespace gives the machine a neutral name, uname is
answered with one.

The filter turns these calls into SIGSYS. Isolation does not depend on this module, because the
call itself is never made: a program that replaces the handler gains nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
from collections.abc import Iterator

from multiturn.sandbox.linux.libc import machine
from multiturn.sandbox.linux.syscalls import GUARDED

__all__ = ["HOST_NAME", "emulate_syscalls"]

HOST_NAME = "sandbox"
"""The name of the machine that programs see."""

_SA_SIGINFO, _SA_NODEFER = 0x4, 0x40000000
_FIELD = 65
"""Length of each of the six fields that uname(2) fills."""
_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
_MAX_FILES = 10_000
"""How many of a program's files are searched for the one to be locked."""

_CALL_AT = 24
"""Offset of the call's number in siginfo_t."""
_REGISTERS = {
    "x86_64": (40 + 8 * 13, 40 + 8 * 8, 40 + 8 * 9),  # rax, rdi, rsi
    "aarch64": (184, 184, 184 + 8),  # x0, x0, x1
}
"""Offsets of a call's result and of its first two arguments in ucontext_t."""

_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Action(ctypes.Structure):
    """Struct sigaction, the same on both machines."""

    _fields_ = (
        ("handler", _HANDLER),
        ("mask", ctypes.c_uint8 * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_installed: list[object] = []
"""The handler: the kernel refers to it, and nothing in Python does."""


def emulate_syscalls() -> bool:
    """Install the handler, for this process and those it forks.

    Returns:
        Whether it is installed. If not, the filter has to make the calls fail.
    """
    result_at, *arguments_at = _REGISTERS[machine()]
    column = 0 if machine() == "x86_64" else 1
    flock, fcntl, uname = (GUARDED[name][column] for name in ("flock", "fcntl", "uname"))
    names = _neutral_names()

    def answer(_signal: int, info: int, context: int) -> None:
        result = -errno.EPERM
        try:
            number = ctypes.c_int.from_address(info + _CALL_AT).value
            first, second = (ctypes.c_int64.from_address(context + at).value for at in arguments_at)
            if number == uname:
                ctypes.memmove(first, names, len(names))
                result = 0
            elif (number == flock or (number == fcntl and second in _LOCKS)) and _is_own(first):
                result = 0
        except OSError as error:
            result = -(error.errno or errno.EPERM)
        except BaseException:
            result = -errno.EPERM
        ctypes.c_int64.from_address(context + result_at).value = result

    try:
        handler = _HANDLER(answer)
        action = _Action(handler, (ctypes.c_uint8 * 128)(), _SA_SIGINFO | _SA_NODEFER, None)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.sigaction(int(signal.SIGSYS), ctypes.byref(action), None) != 0:
            return False
    except (OSError, MemoryError, AttributeError):
        return False
    _installed.extend((handler, action))
    return True


def _neutral_names() -> bytes:
    """What uname(2) writes, with neutral names of the machine and its domain."""
    real = os.uname()
    fields = (real.sysname, HOST_NAME, real.release, real.version, real.machine, "(none)")
    return b"".join(field.encode()[: _FIELD - 1].ljust(_FIELD, b"\0") for field in fields)


def _is_own(descriptor: int) -> bool:
    """Whether a descriptor belongs to a file or directory of the program's own.

    Raises:
        OSError: there is no such descriptor.
    """
    found = os.fstat(descriptor)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return False
    if found.st_nlink == 0:
        # Only this process can have made or removed a file without a name.
        return True
    wanted = (found.st_dev, found.st_ino)
    return any(wanted == each for each in _own_files())


def _own_files() -> Iterator[tuple[int, int]]:
    """Device and inode of each file below the program's directory; links are not followed."""
    waiting = [os.environ.get("HOME", ".")]
    left = _MAX_FILES
    top = os.stat(waiting[0])  # noqa: PTH116
    yield top.st_dev, top.st_ino
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                left -= 1
                if not left:
                    return
                status = entry.stat(follow_symlinks=False)
                yield status.st_dev, status.st_ino
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry.path)
