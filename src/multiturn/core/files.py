"""Files that appear complete or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiturn.core.errors import storage_errors

__all__ = ["atomic_file", "fsync_directory", "sha256_file", "write_atomically"]


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o644, doing: str = "writing") -> Iterator[Path]:
    """Give a temporary file to write, which replaces `path` when the block ends.

    A reader, or a crash, sees the old file or the complete new one. The temporary file is
    in the same directory. It is synced to disk before it is renamed, and deleted if the block
    raises.

    Args:
        path: the file to write; its directory must exist.
        mode: permission bits of the new file, before the umask.
        doing: what the caller is doing, for the error message: ``"saving the program"``.

    Yields:
        the path of the empty temporary file.

    Raises:
        StorageError: the disk is full or the directory is not writable. `path` is unchanged.

    Example:
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory, "numbers")
        ...     with atomic_file(path) as temporary:
        ...         _ = temporary.write_text("1 2 3")
        ...     path.read_text()
        '1 2 3'
    """
    with storage_errors(path, doing):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            _fsync(temporary, os.O_RDONLY)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(mode & ~umask)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_directory(path.parent)


def write_atomically(
    path: Path, data: bytes | str, *, mode: int = 0o644, doing: str = "writing"
) -> None:
    """Write `data` to `path` through `atomic_file`.

    Args:
        path: the file to write; its directory must exist.
        data: the complete content; text is written as UTF-8.
        mode: permission bits of the new file, before the umask.
        doing: what the caller is doing, for the error message: ``"saving the program"``.

    Raises:
        StorageError: the disk is full or the directory is not writable. `path` is unchanged.
    """
    with atomic_file(path, mode=mode, doing=doing) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in lower-case hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_directory(directory: Path) -> None:
    """Make renames and deletions in `directory` durable."""
    _fsync(directory, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
