"""The local store of models, and the state of each file.

<models>/<name>/<file>                 the model, with its own file name
<models>/<name>/<file>.verified.json   size, time and hash when it was verified
<models>/<name>/.partial/              partial downloads
<models>/.locks/<name>.lock            held by the process that downloads it
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

__all__ = [
    "FileState",
    "ModelStore",
    "check_file",
    "mark_verified",
    "quick_state",
    "require_disk_space",
]

# Disk space that a download leaves to the rest of the system.
_MARGIN_BYTES = 16 << 20


class FileState(Enum):
    """The state of a model's file."""

    ABSENT = "absent"
    VERIFIED = "verified"
    """Its hash was verified, and it has not changed since."""
    UNCHECKED = "unchecked"
    """The right size, but not verified since it was written or changed."""
    DAMAGED = "damaged"
    """The wrong size or hash."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """The record of a verified file, which is not read again while size and time are the same."""

    size: int
    mtime_ns: int
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The directory of models.

    Attributes:
        root: the directory; created on the first pull.
    """

    root: Path

    @classmethod
    def of_user(cls, directory: Path | None = None) -> ModelStore:
        """The user's store, or the one in `directory`."""
        return cls(app_dirs().models if directory is None else directory.absolute())

    def directory(self, name: str) -> Path:
        """The directory of a model's files."""
        return self.root / name

    def partial(self, name: str) -> Path:
        """The directory of a model's partial downloads."""
        return self.root / name / ".partial"

    @contextmanager
    def locked(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Lock a model, so only one process writes its files.

        The operating system releases the lock when the process ends.

        Args:
            name: the model.
            on_wait: called once if another process holds the lock, before waiting for it.

        Raises:
            StorageError: the lock file cannot be created.
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
        """Delete a model's files, including partial ones; returns the bytes freed.

        Raises:
            InputError: it has no files here, or another process is pulling it.
            StorageError: a file cannot be deleted.
        """
        directory = self.directory(name)
        if not directory.is_dir():
            raise InputError(f"the model {name!r} is not on this machine")

        def refuse() -> None:
            raise InputError(
                f"another process is pulling {name!r}", fix="wait for it, or stop it, first"
            )

        with self.locked(name, refuse):
            freed = sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
            with storage_errors(directory, "deleting the model"):
                shutil.rmtree(directory)
        return freed


def quick_state(path: Path, size: int, checksum: Checksum) -> FileState:
    """The state of a file, without reading it.

    Args:
        path: the file.
        size: expected bytes.
        checksum: expected checksum.
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
    """Verify a file; never returns `UNCHECKED`.

    The file is read only if it was not verified before, has changed, or `again` is set.

    Raises:
        StorageError: it cannot be read.
    """
    state = quick_state(path, size, checksum)
    if state is FileState.UNCHECKED or (state is FileState.VERIFIED and again):
        with storage_errors(path, "reading the model"):
            # Read before hashing, so a change during hashing is detected later.
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
    """Record that a file was verified while it was written."""
    with suppress(OSError):
        _write_sidecar(
            path, _Verified(size, path.stat().st_mtime_ns, checksum.kind, checksum.value)
        )


def require_disk_space(directory: Path, needed: int, what: str) -> None:
    """Check that the disk has enough space before a long download.

    Raises:
        StorageError: it has not; the message has the needed and the free space.
    """
    with storage_errors(directory, "checking the free disk space"):
        free = shutil.disk_usage(directory).free
    if needed and free < needed + _MARGIN_BYTES:
        raise StorageError(
            f"not enough disk space for {what}: it needs "
            f"{human_size(needed + _MARGIN_BYTES)} more ({needed + _MARGIN_BYTES} bytes), "
            f"{human_size(free)} ({free} bytes) are free in {directory}",
            fix="free some disk space, or set MULTITURN_HOME to another disk",
        )


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified.json")


def _write_sidecar(path: Path, record: _Verified) -> None:
    # In a read-only directory the file is hashed each time.
    with suppress(StorageError):
        write_atomically(_sidecar(path), json.dumps(to_plain(record)))


def _read_sidecar(path: Path) -> _Verified | None:
    try:
        data = json.loads(_sidecar(path).read_text(encoding="utf-8"))
        return read_record(data, _Verified, where="sidecar")
    except (OSError, ValueError, RecursionError, InputError):
        return None
