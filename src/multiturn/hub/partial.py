"""A partially downloaded file.

The bytes are collected under a temporary name. After their hash is verified, the file is renamed
atomically. A process killed at any moment leaves the partial file, and the next process resumes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from multiturn.core.errors import NetworkError, storage_errors
from multiturn.core.files import fsync_directory, write_atomically
from multiturn.hub.checksums import READ_BYTES, Checksum, Hasher

__all__ = ["PartialFile", "SourceFailedError"]


class SourceFailedError(NetworkError):
    """A source failed. `what` is the reason, without the source's name."""


class PartialFile:
    """A growing prefix of a file of known size and hash. Use it as a context manager.

    Its name comes from the hash, so every source of the same bytes, also after a crash, resumes
    the same partial file.

    Args:
        directory: of the partial file; created if missing.
        size: bytes of the complete file.
        checksum: of the complete file.

    Raises:
        StorageError: the directory cannot be written.
    """

    def __init__(self, directory: Path, *, size: int, checksum: Checksum) -> None:
        self.path = directory / f"{checksum.value[:16]}.partial"
        self.size = size
        self.checksum = checksum
        self.have = 0
        """The number of bytes so far."""
        self._note = self.path.with_suffix(".etag")
        self._descriptor = -1
        # The running hash covers the first `_hashed` bytes, which are read again only after a
        # resume or a truncation.
        self._hasher: Hasher = checksum.hasher(size)
        self._hashed = 0

    def __enter__(self) -> Self:
        with storage_errors(self.path, "making the partial file"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self.have = os.fstat(self._descriptor).st_size
            if self.have > self.size:
                self.restart()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.have:
            self._close()
        else:
            self.discard()

    @property
    def missing(self) -> int:
        """The number of remaining bytes."""
        return self.size - self.have

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            SourceFailedError: more bytes than the file has.
            StorageError: the disk is full or failing; earlier bytes remain.
        """
        if self.have + len(data) > self.size:
            raise SourceFailedError(f"sent more than the {self.size} bytes of the file")
        with storage_errors(self.path, "writing the partial file"):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor, view, self.have)
                if self._hashed == self.have:
                    self._hasher.update(view[:written])  # type: ignore[arg-type]
                    self._hashed += written
                self.have += written
                view = view[written:]

    def truncate(self, size: int) -> None:
        """Drop everything after the first `size` bytes."""
        with storage_errors(self.path, "cutting the partial file"):
            os.ftruncate(self._descriptor, size)
        self.have = size
        if self._hashed > size:
            self._hasher = self.checksum.hasher(self.size)
            self._hashed = 0

    def restart(self) -> None:
        """Drop all bytes and the ETag."""
        self.truncate(0)
        self.remember_etag(None)

    def digest(self, on_bytes: Callable[[int], None] | None = None) -> str:
        """The hash of the bytes so far.

        Args:
            on_bytes: called with the number of bytes hashed, if some must be read again.
        """
        with storage_errors(self.path, "reading the partial file"):
            while self._hashed < self.have:
                wanted = min(READ_BYTES, self.have - self._hashed)
                chunk = os.pread(self._descriptor, wanted, self._hashed)
                if not chunk:
                    raise OSError(0, "the file shrank while it was read")
                self._hasher.update(chunk)
                self._hashed += len(chunk)
                if on_bytes is not None:
                    on_bytes(self._hashed)
        return self._hasher.hexdigest()

    def sync(self) -> None:
        """Flush the bytes to the disk."""
        with storage_errors(self.path, "writing the partial file"):
            os.fsync(self._descriptor)

    def finish(self, path: Path) -> None:
        """Rename the complete and verified file atomically."""
        self.sync()
        with storage_errors(path, "naming the file"):
            self.path.replace(path)
            fsync_directory(path.parent)
        self._close()
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the partial file."""
        self._close()
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def etag(self) -> str | None:
        """The strong ETag of the bytes so far."""
        with suppress(OSError, UnicodeDecodeError):
            return self._note.read_text(encoding="utf-8") or None
        return None

    def remember_etag(self, etag: str | None) -> None:
        """Save the ETag with the bytes; None or a weak one deletes it."""
        if etag and not etag.startswith("W/"):
            write_atomically(self._note, etag)
        else:
            self._note.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
