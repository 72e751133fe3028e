"""Working directories of children without private mounts, and their safe removal."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from pathlib import Path

from multiturn.sandbox.inside.rlimits import die_with_parent

__all__ = ["FILE_NAME", "Scratch", "empty_directory", "remove_tree"]

FILE_NAME = "program.py"
"""The name of a program's own file in its directory."""


class Scratch:
    """Makes empty directories under one root, and removes them again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._removers: set[int] = set()
        self._names = (f"{os.getpid()}-{number}" for number in itertools.count())

    def make(self) -> Path:
        """A new, empty directory for one child."""
        directory = self.root / next(self._names)
        directory.mkdir(mode=0o700)
        return directory

    def remove(self, directory: Path) -> None:
        """Remove a directory with all that a program left in it.

        Removal can take a minute if a program left many files. A process of its own does it, so
        that other programs do not wait.
        """
        self._reap()
        with contextlib.suppress(OSError):
            (directory / FILE_NAME).unlink()
        try:
            directory.rmdir()
        except OSError:
            self._removers.add(self._start_remover(directory))

    def _start_remover(self, directory: Path) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                die_with_parent(parent)
                os.closerange(0, 1024)
                remove_tree(directory)
            finally:
                os._exit(0)
        return pid

    def _reap(self) -> None:
        for pid in list(self._removers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._removers.remove(pid)


def remove_tree(directory: Path) -> None:
    """Remove a directory that a hostile program has filled.

    It never follows a link, and needs no recursion and no long path however deep the tree is:
    subdirectories are moved up to `directory` and emptied there. Those
    without permissions get some first. What cannot be removed stays.
    """
    try:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        empty_directory(root)
    finally:
        os.close(root)
    with contextlib.suppress(OSError):
        directory.rmdir()


def empty_directory(root: int) -> None:
    """Remove everything in the directory behind a descriptor; see `remove_tree`.

    Other file systems that are mounted in it are not touched.
    """
    names = itertools.count()
    device = os.fstat(root).st_dev
    while True:
        entries = os.listdir(root)
        stuck = sum(not _remove_entry(root, name, names, device) for name in entries)
        if not entries or stuck == len(entries):
            break


def _remove_entry(root: int, name: str, names: itertools.count[int], device: int) -> bool:
    """Remove a file, or empty a directory by one level; returns whether anything was removed."""
    try:
        found = os.stat(name, dir_fd=root, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=root)
            return True
        try:
            os.rmdir(name, dir_fd=root)
            return True
        except OSError:
            pass
        if found.st_dev != device:
            return False
        inner = _open_directory(name, root)
    except OSError:
        return False
    try:
        for child in os.listdir(inner):  # noqa: PTH208
            found = os.stat(child, dir_fd=inner, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                fresh = f"{os.getpid()}.{next(names)}"
                try:
                    os.rename(child, fresh, src_dir_fd=inner, dst_dir_fd=root)
                except PermissionError:
                    # Moving a directory changes its "..", so it has to be writable.
                    os.close(_open_directory(child, inner))
                    os.rename(child, fresh, src_dir_fd=inner, dst_dir_fd=root)
            else:
                os.unlink(child, dir_fd=inner)
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    finally:
        os.close(inner)
    return True


def _open_directory(name: str, parent: int) -> int:
    """Open a directory, after making it readable and writable; links are not followed.

    Raises:
        OSError: it is not a directory, or belongs to another account.
    """
    flags = os.O_DIRECTORY | os.O_NOFOLLOW
    handle = os.open(name, os.O_PATH | flags, dir_fd=parent)
    try:
        found = os.fstat(handle)
        if found.st_mode & 0o700 != 0o700 and found.st_uid == os.geteuid():
            # By descriptor, as another file may have taken the name by now.
            behind = f"/proc/self/fd/{handle}"
            if os.path.exists(behind):  # noqa: PTH110
                os.chmod(behind, 0o700)  # noqa: PTH101
            else:
                # Without /proc this is a jail, in which no other process can take the name.
                os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, os.O_RDONLY | flags, dir_fd=parent)
    finally:
        os.close(handle)
