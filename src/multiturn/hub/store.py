"""Where models lie on this machine, and what is known about each file.

<models>/<name>/<file>                 the model, under its own file name
<models>/<name>/<file>.verified.json   what it was when its fingerprint was checked
<models>/<name>/.partial/              what is still being pulled
<models>/.locks/<name>.lock            held by the process that pulls it
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from filelock import FileLock, Timeout

from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import InputError, StorageError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.core.records import read_record, to_plain
from multiturn.hub.checksums import Checksum, hash_file
from multiturn.hub.progress import human_size

__all__ = ["FileState", "ModelStore", "check_file", "mark_verified", "quick_state", "require_room"]

# Room left to the rest of the system when a download is begun.
_MARGIN_BYTES = 16 << 20


class FileState(Enum):
    """What is known about a model's file."""

    ABSENT = "absent"
    VERIFIED = "verified"
    """Its fingerprint was checked, and it has not been touched since."""
    UNCHECKED = "unchecked"
    """The right size, but nobody has read it since it came or changed."""
    DAMAGED = "damaged"
    """Not the file it should be."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """The record beside a checked file: while size and time stay, it is not read again."""

    size: int
    mtime_ns: int
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The directory of models.

    Attributes:
        root: the directory; made when the first model is pulled.
    """

    root: Path

    @classmethod
    def of_user(cls, directory: Path | None = None) -> ModelStore:
        """The person's own, or the one in `directory`."""
        return cls(app_dirs().models if directory is None else directory.absolute())

    def directory(self, name: str) -> Path:
        """Where the files of a model lie."""
        return self.root / name

    def partial(self, name: str) -> Path:
        """Where what is still coming lies."""
        return self.root / name / ".partial"

    @contextmanager
    def locked(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold a model, so that only one process writes its files.

        The lock is the operating system's, so it ends with the process that holds it.

        Args:
            name: the model.
            on_wait: called once if another process holds it; then this one waits.

        Raises:
            StorageError: the lock's file cannot be made.
        """
        path = self.root / ".locks" / f"{name}.lock"
        with storage_errors(path, "locking the model"):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire(poll_interval=0.1)
        try:
            yield
        finally:
            lock.release()

    def remove(self, name: str) -> int:
        """Delete a model's files, partial ones too; returns the bytes freed.

        Raises:
            InputError: nothing of it is here, or another process is pulling it.
            StorageError: a file cannot be deleted.
        """
        directory = self.directory(name)
        if not directory.is_dir():
            raise InputError(f"nothing of the model {name!r} is on this machine")

        def refuse() -> None:
            raise InputError(
                f"another process is pulling {name!r}", fix="let it end, or stop it, first"
            )

        with self.locked(name, refuse):
            freed = sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
            with storage_errors(directory, "deleting the model"):
                shutil.rmtree(directory)
        return freed


def quick_state(path: Path, size: int, checksum: Checksum) -> FileState:
    """What is known about a file without reading it.

    Args:
        path: the file.
        size: bytes it should have.
        checksum: fingerprint it should have.
    """
    try:
        stat = path.stat()
    except OSError:
        return FileState.ABSENT
    if not path.is_file() or stat.st_size != size:
        return FileState.DAMAGED
    known = _Verified(size, stat.st_mtime_ns, checksum.kind, checksum.value)
    return FileState.VERIFIED if _read_sidecar(path) == known else FileState.UNCHECKED


def check_file(
    path: Path,
    size: int,
    checksum: Checksum,
    *,
    again: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> FileState:
    """Whether a file is the one it should be: never `UNCHECKED`.

    It is read only if it was not yet, or has changed since, or `again` is set.

    Raises:
        StorageError: it cannot be read.
    """
    state = quick_state(path, size, checksum)
    if state is FileState.UNCHECKED or (state is FileState.VERIFIED and again):
        with storage_errors(path, "reading the model"):
            # Taken before, so that a change during the reading shows afterwards.
            mtime_ns = path.stat().st_mtime_ns
            right = hash_file(path, checksum, on_bytes=on_bytes) == checksum.value
        if not right:
            with suppress(OSError):
                _sidecar(path).unlink(missing_ok=True)
            return FileState.DAMAGED
        _write_sidecar(path, _Verified(size, mtime_ns, checksum.kind, checksum.value))
        return FileState.VERIFIED
    return state


def mark_verified(path: Path, size: int, checksum: Checksum) -> None:
    """Note that a file was just hashed, while it was written, and was right."""
    with suppress(OSError):
        _write_sidecar(
            path, _Verified(size, path.stat().st_mtime_ns, checksum.kind, checksum.value)
        )


def require_room(directory: Path, needed: int, what: str) -> None:
    """See that the disk has room before a long download begins.

    Raises:
        StorageError: it has not; says how much is needed and free.
    """
    with storage_errors(directory, "looking for room on the disk"):
        free = shutil.disk_usage(directory).free
    if needed and free < needed + _MARGIN_BYTES:
        raise StorageError(
            f"not enough room on the disk for {what}: it needs "
            f"{human_size(needed + _MARGIN_BYTES)} more ({needed + _MARGIN_BYTES} bytes), "
            f"{human_size(free)} ({free} bytes) are free in {directory}",
            fix="free some disk space, or set MULTITURN_HOME to a place with room",
        )


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified.json")


def _write_sidecar(path: Path, record: _Verified) -> None:
    # A directory that cannot be written costs a reading each time, not the model.
    with suppress(StorageError):
        write_atomically(_sidecar(path), json.dumps(to_plain(record)))


def _read_sidecar(path: Path) -> _Verified | None:
    try:
        data = json.loads(_sidecar(path).read_text(encoding="utf-8"))
        return read_record(data, _Verified, where="sidecar")
    except (OSError, ValueError, RecursionError, InputError):
        return None
