"""Directories for fork-servers and compilers, and the removal of what dead processes left.

Each is a temporary directory of this account, into which only this account can write. Root gives
the unprivileged user, as which programs run, a directory below it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import threading
import time
from pathlib import Path

from multiturn.sandbox.inside.scratch import empty_directory
from multiturn.sandbox.specs import UNPRIVILEGED_ID

__all__ = ["WorkDirectory", "sweep"]

_PREFIX = "multiturn-sandbox-"
_MIN_AGE_SECONDS = 5.0
"""Younger directories are left to the next sweep: one may be about to get its lock."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class WorkDirectory:
    """A directory that is locked while this process lives, and removed by `remove`.

    Attributes:
        path: a directory below it for the directories of programs, which their account can write.
    """

    def __init__(self) -> None:
        self._removing = threading.Lock()
        self._top = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        # The lock tells sweeps in other containers, which cannot see this process, that it lives.
        self._lock = os.open(self._top, _DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = self._top / "work"
        self.path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            self._top.chmod(0o711)
            os.chown(self.path, UNPRIVILEGED_ID, UNPRIVILEGED_ID)

    def remove(self) -> None:
        """Remove it with all that programs left in it.

        Safe to call twice, and from several threads: each one that meets a dead worker closes it.
        """
        with self._removing:
            descriptor, self._lock = self._lock, -1
        if descriptor < 0:
            return
        empty_directory(descriptor)
        with contextlib.suppress(OSError):
            self._top.rmdir()
        os.close(descriptor)


def sweep() -> None:
    """Remove directories that killed processes of this account left.

    Another account may have made a directory or a link with such a name. So only what this account
    owns is removed, by descriptor and without following links.
    """
    try:
        parent = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for name in os.listdir(parent):  # noqa: PTH208
            if name.startswith(_PREFIX) and not _alive(name):
                with contextlib.suppress(OSError):
                    _remove_leftover(parent, name)
    finally:
        os.close(parent)


def _alive(name: str) -> bool:
    """Whether the process whose id is in the name runs; True if there is no id in it."""
    owner = name.removeprefix(_PREFIX).split("-")[0]
    return not (owner.isascii() and owner.isdigit()) or Path(f"/proc/{owner}").exists()


def _remove_leftover(parent: int, name: str) -> None:
    directory = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
            return
        if time.time() - found.st_ctime < _MIN_AGE_SECONDS:
            return
        # Fails if a process in another container holds it.
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        empty_directory(directory)
        os.rmdir(name, dir_fd=parent)
    finally:
        os.close(directory)
