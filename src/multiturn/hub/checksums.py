"""Checksums of files, of the kinds that hubs report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from multiturn.core.errors import InputError

__all__ = ["Checksum", "Hasher", "hash_file"]

READ_BYTES = 1 << 20

_LENGTHS = {"sha256": 64, "git-blob-sha1": 40}


class Hasher(Protocol):
    """A hash object of `hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """The hash of all bytes so far."""
        ...


@dataclass(frozen=True, slots=True)
class Checksum:
    """The expected hash of a file.

    Attributes:
        kind: ``sha256``, or ``git-blob-sha1``: git's hash of a file's content, the only one that
            a model hub reports for small files.
        value: lower-case hexadecimal.
    """

    kind: Literal["sha256", "git-blob-sha1"]
    value: str

    def __post_init__(self) -> None:
        good = len(self.value) == _LENGTHS[self.kind] and set(self.value) <= set("0123456789abcdef")
        if not good:
            raise InputError(
                f"not a {self.kind} checksum",
                got=self.value,
                allowed=f"{_LENGTHS[self.kind]} lower-case hexadecimal digits",
            )

    def hasher(self, size: int) -> Hasher:
        """A new hasher for a file of `size` bytes."""
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def hash_file(
    path: Path, checksum: Checksum, *, on_bytes: Callable[[int], None] | None = None
) -> str:
    """The hash of a file, of the same kind as `checksum`.

    Args:
        path: the file.
        checksum: for its kind.
        on_bytes: called with the number of bytes read so far.

    Raises:
        OSError: the file cannot be read.
    """
    hasher = checksum.hasher(path.stat().st_size)
    done = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(READ_BYTES):
            hasher.update(chunk)
            done += len(chunk)
            if on_bytes is not None:
                on_bytes(done)
    return hasher.hexdigest()
