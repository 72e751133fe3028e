"""Which processes write to a store: each holds a lock that ends with it, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from multiturn.core.closing import Closing
from multiturn.core.errors import storage_errors

__all__ = ["OwnerLock", "owner_lives"]


class OwnerLock(Closing):
    """Shows other processes that the one which is known as `owner` runs.

    Args:
        store: the file of the store.
        owner: what stands for this process; letters and digits.

    Raises:
        StorageError: the directory of the store cannot be written.
    """

    def __init__(self, store: Path, owner: str) -> None:
        self._path = _path(store, owner)
        with storage_errors(self._path, "marking the store as in use"):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._open = True

    def close(self) -> None:
        """End the mark. Safe to call twice."""
        if self._open:
            self._open = False
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)


def owner_lives(store: Path, owner: str) -> bool:
    """Whether the process that made an `OwnerLock` runs; removes the file of one that is gone."""
    path = _path(store, owner)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _path(store: Path, owner: str) -> Path:
    return store.with_name(f"{store.name}.{owner}.lock")
