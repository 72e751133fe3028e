"""The standard streams of a program, as in an interpreter that was started for it alone.

A child inherits the fork-server's streams, which were opened on the null device and treat
their descriptors as seekable. So each program gets fresh ones.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import errno
import io
import os
import re
import sys
from typing import Any, NamedTuple, TextIO

from multiturn.sandbox.specs import IPC_FD

__all__ = ["Streams", "name_descriptors", "open_streams"]

_NAMED = re.compile(
    r"/dev/(?:(stdin|stdout|stderr)|fd/(\d{1,9}))|/proc/(?:self|thread-self)/fd/(\d{1,9})"
)
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}


class Streams(NamedTuple):
    """The three streams that a program starts with, and may replace."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    def flush(self) -> None:
        """Flush these streams, their replacements, and the C library's."""
        for stream in (sys.stdout, sys.stderr, self.stdout, self.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        with contextlib.suppress(BaseException):
            _LIBC.fflush(None)


_LIBC = ctypes.CDLL(None)


def open_streams() -> Streams:
    """Open `sys.stdin`, `sys.stdout` and `sys.stderr` on the descriptors 0, 1 and 2.

    Encoding and error handlers are the interpreter's own for this locale. Output is not
    buffered, as with ``python -u``, so a crash loses none.
    """
    found: list[Any] = [_open(number, stream) for number, stream in enumerate(_inherited())]
    sys.stdin, sys.stdout, sys.stderr = found
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = found  # type: ignore[misc]
    return Streams(*found)


def _inherited() -> tuple[Any, Any, Any]:
    return sys.__stdin__, sys.__stdout__, sys.__stderr__


class _Writer(io.BufferedWriter):
    """Flushes after each write."""

    def write(self, data: Any) -> int:
        written = super().write(data)
        self.flush()
        return written


# So that programs that print it print the same as elsewhere.
_Writer.__name__ = _Writer.__qualname__ = "_io.BufferedWriter"


def _open(number: int, inherited: TextIO) -> TextIO:
    mode = "w" if number else "r"
    raw: Any = io.FileIO(number, mode, closefd=False)
    raw.name = inherited.name
    stream: Any = io.TextIOWrapper(
        _Writer(raw) if number else io.BufferedReader(raw),
        encoding=inherited.encoding,
        errors=inherited.errors,
        newline="\n",
        line_buffering=number == 2,
        write_through=number > 0,
    )
    stream.mode = mode
    return stream  # type: ignore[no-any-return]


def name_descriptors() -> None:
    """Let the program open its descriptors by name, such as ``/dev/stdin``.

    The kernel has those names in /proc, which a program does not see. So Python's functions
    that take a path resolve them. Only a program that mentions such a name gets these
    functions, since a replaced `open` shows in tracebacks.
    """
    plain_open, os_open, os_stat = io.open, os.open, os.stat

    def open(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if opener is None and _number(file) is not None:
            opener = opened
        return plain_open(file, mode, buffering, encoding, errors, newline, closefd, opener)

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        number = _number(path)
        if number is None:
            return os_open(path, flags, mode, dir_fd=dir_fd)
        return os.dup(_checked(number, path))

    def stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> Any:
        number = _number(path)
        if number is None:
            return os_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        return os.fstat(_checked(number, path))

    open.__doc__, open.__module__, open.__qualname__ = plain_open.__doc__, "io", "open"
    builtins.open = io.open = open
    os.open, os.stat = opened, stat


def _number(path: Any) -> int | None:
    """The descriptor that a path names, if any."""
    if isinstance(path, int):
        return None
    try:
        match = _NAMED.fullmatch(os.fsdecode(path))
    except TypeError:
        return None
    if match is None:
        return None
    word, *digits = match.groups()
    return _STANDARD[word] if word else int(next(filter(None, digits)))


def _checked(number: int, path: Any) -> int:
    """The descriptor, if the program has it."""
    try:
        if number == IPC_FD:
            raise OSError
        os.fstat(number)
    except OSError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    return number
