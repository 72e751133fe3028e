"""Files of an untrusted file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.data.licences.projects import ProjectLicences, is_licence_evidence
from multiturn.data.sources.file_filter import FileFilter

__all__ = ["FoundFile", "add_notices", "read_file", "walk"]

_MAX_NOTICE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An entry of a folder that is not a folder itself.

    Attributes:
        path: below the root, with forward slashes.
        size: in bytes.
        plain: whether it is a regular file, not a link, a pipe or a device.
    """

    path: str
    size: int
    plain: bool


def walk(root: Path, *, not_under: tuple[str, ...] = ()) -> Iterator[FoundFile]:
    """The entries below a folder, in the order of their names. Links are not followed.

    Args:
        root: the folder.
        not_under: names of folders that are skipped.
    """
    stack = [(root, "")]
    while stack:
        folder, prefix = stack.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError:
            # The folder itself stands for its entries, which cannot be listed.
            yield FoundFile(f"{prefix}.", 0, plain=False)
            continue
        folders = []
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in not_under:
                    folders.append((Path(entry.path), f"{path}/"))
                continue
            found = entry.stat(follow_symlinks=False)
            yield FoundFile(path, found.st_size, stat.S_ISREG(found.st_mode))
        stack += reversed(folders)


def read_file(path: Path, wanted: FileFilter, name: str) -> tuple[bytes, str | None, int]:
    """A file's content, the reason why it was not read, and its size.

    The file is opened without following a link and without waiting for the other end of a pipe. Its
    size comes from the open file, so that nothing can change in between.

    Args:
        path: of the file.
        wanted: the files that are read.
        name: the path that `wanted` checks.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return b"", "a link" if path.is_symlink() else "a file that cannot be opened", 0
    size = 0
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            # A folder can be opened too, such as one with the name of a notice.
            return b"", "a folder" if stat.S_ISDIR(found.st_mode) else "a device", 0
        size = found.st_size
        reason = wanted.refuses(name, size)
        if reason is not None:
            return b"", reason, size
        content = _read_up_to(descriptor, wanted.max_bytes)
    except OSError:
        return b"", "a file that cannot be read", size
    finally:
        os.close(descriptor)
    return content, None, len(content)


def add_notices(licences: ProjectLicences, root: Path, folder: str) -> None:
    """Add the notices in one folder below `root` to `licences`."""
    try:
        entries = sorted((root / folder).iterdir())
    except OSError:
        return
    limits = FileFilter(max_bytes=_MAX_NOTICE_BYTES, not_under=())
    for entry in entries:
        if is_licence_evidence(entry.name):
            content, reason, _ = read_file(entry, limits, entry.name)
            if reason is None:
                licences.add(f"{folder}/{entry.name}" if folder else entry.name, content)


def _read_up_to(descriptor: int, max_bytes: int) -> bytes:
    chunks = []
    left = max_bytes
    while left and (chunk := os.read(descriptor, min(left, 1 << 20))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)
