"""Errors of the session store, with their fixes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from multiturn.core.errors import (
    InputError,
    MultiturnError,
    StorageError,
    StoreError,
    storage_errors,
)

__all__ = [
    "as_damaged",
    "damaged",
    "check_magic",
    "as_multiturn_error",
    "deleted_elsewhere",
    "move_aside",
    "primary_code",
]

MAGIC = b"SQLite format 3\x00"
SIDECARS = ("-wal", "-shm", "-journal")


def move_aside(path: Path) -> Path:
    """Rename a damaged store and its journal files; returns the new path.

    Nothing is deleted, so that data can be recovered by hand.

    Raises:
        StorageError: the directory cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    with storage_errors(path, "moving the store aside"):
        path.rename(aside)
        for suffix in SIDECARS:
            sidecar = path.with_name(path.name + suffix)
            if sidecar.exists():
                sidecar.rename(aside.with_name(aside.name + suffix))
    return aside


def check_magic(path: Path) -> None:
    """Refuse a file that is obviously not a database before SQLite opens it."""
    if path.exists():
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
        if start and start != MAGIC:
            raise damaged(path, "it is not a database")


def damaged(path: Path, reason: str) -> StoreError:
    """The error for a damaged file."""
    return StoreError(
        f"the store of sessions {path} is broken ({reason})",
        fix=f"move it aside, mv {path} {path}.broken, and start again; nothing in it was changed",
    )


def deleted_elsewhere() -> StoreError:
    """The error for a session or turn that no longer exists."""
    return StoreError(
        "this session, or the turn, is no longer in the store: another program deleted it",
        fix="open another session",
    )


@contextmanager
def as_damaged(path: Path) -> Iterator[None]:
    """Reports unreadable rows as damage, not as a mistake of the person."""
    try:
        yield
    except (InputError, ValueError, KeyError) as error:
        raise damaged(path, str(error)) from error


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary error code."""
    # The low byte is the primary code; the rest gives details.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def as_multiturn_error(path: Path, error: sqlite3.Error) -> MultiturnError:
    """The error of this project for an SQLite error."""
    code, reason = primary_code(error), str(error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, reason)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"the store of sessions {path} is in use ({reason})",
            fix="wait for the other program that writes to it, and try again",
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return deleted_elsewhere()
    if code == sqlite3.SQLITE_FULL:
        return StorageError(
            f"saving to {path} failed, no space left on device",
            fix="free some disk space, or set MULTITURN_HOME to a disk with space; "
            "earlier sessions are safe",
        )
    if code in (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
    ):
        return StorageError(
            f"reading or writing {path} failed ({reason})",
            fix="free some disk space and make it writable, or set MULTITURN_HOME to another "
            "directory",
        )
    return StoreError(f"the store of sessions {path} failed ({reason})", fix="try again")
