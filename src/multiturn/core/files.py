"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from multiturn.core.errors import storage_errors

__all__ = ["fsync_directory", "write_atomically"]


def write_atomically(
    path: Path, data: bytes | str, *, mode: int = 0o644, doing: str = "writing"
) -> None:
    """Write `data` to `path` so that a reader, or a crash, sees the old file or the new one.

    The bytes go to a temporary file in the same directory, reach the disk, and only then
    take the final name.

    Args:
        path: the file to write; its directory must exist.
        data: the whole content; text is written as UTF-8.
        mode: permission bits of a new file, before the umask.
        doing: what is being done, for the error: ``"saving the program"``.

    Raises:
        StorageError: the disk is full or the place cannot be written. `path` is as before.
    """
    payload = data.encode("utf-8") if isinstance(data, str) else data
    with storage_errors(path, doing):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(mode & ~umask)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        fsync_directory(path.parent)


def fsync_directory(directory: Path) -> None:
    """Make renames and deletions in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
