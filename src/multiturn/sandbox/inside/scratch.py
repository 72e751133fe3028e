"""Working directories of children where there are no private mounts, and their removal."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from pathlib import Path

from multiturn.sandbox.inside.confine import die_with_parent

__all__ = ["Scratch", "remove_tree"]


class Scratch:
    """Hands out empty directories under one root, and takes them away again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._removers: set[int] = set()
        self._names = (f"{os.getpid()}-{number}" for number in itertools.count())

    def make(self) -> Path:
        """A new, empty directory for one child."""
        place = self.root / next(self._names)
        place.mkdir(mode=0o700)
        return place

    def remove(self, place: Path) -> None:
        """Take a directory away with all that a program left in it.

        A program can leave so much that removing it takes a disk a minute; other programs
        do not wait for that, so it is done by a process of its own.
        """
        self._reap()
        try:
            place.rmdir()
        except OSError:
            self._removers.add(self._start_remover(place))

    def _start_remover(self, place: Path) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                die_with_parent(parent)
                os.closerange(0, 1024)
                remove_tree(place)
            finally:
                os._exit(0)
        return pid

    def _reap(self) -> None:
        for pid in list(self._removers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._removers.remove(pid)


def remove_tree(place: Path) -> None:
    """Remove a directory that a hostile program has filled.

    Never follows a link, needs no recursion and no long path, however deep the tree: what
    lies in a directory of the tree is moved up to `place` and then emptied from there.
    Directories without permissions are opened up first. What cannot be removed stays.
    """
    try:
        root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    names = itertools.count()
    try:
        while True:
            entries = os.listdir(root)  # noqa: PTH208
            stuck = sum(not _remove_entry(root, name, names) for name in entries)
            if not entries or stuck == len(entries):
                break
    finally:
        os.close(root)
    with contextlib.suppress(OSError):
        place.rmdir()


def _remove_entry(root: int, name: str, names: itertools.count[int]) -> bool:
    """Remove a file, or empty a directory by one level; whether anything was done."""
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=root)
            return True
        try:
            os.rmdir(name, dir_fd=root)
            return True
        except OSError:
            pass
        os.chmod(name, 0o700, dir_fd=root)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
    except OSError:
        return False
    try:
        for child in os.listdir(inner):  # noqa: PTH208
            if stat.S_ISDIR(os.stat(child, dir_fd=inner, follow_symlinks=False).st_mode):
                # A directory can only be moved by who may write it: ".." changes.
                os.chmod(child, 0o700, dir_fd=inner)
                fresh = f"{os.getpid()}.{next(names)}"
                os.rename(child, fresh, src_dir_fd=inner, dst_dir_fd=root)
            else:
                os.unlink(child, dir_fd=inner)
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    finally:
        os.close(inner)
    return True
