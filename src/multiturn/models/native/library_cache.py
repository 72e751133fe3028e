"""The directory of compiled libraries: only intact ones are found, and unused ones are removed.

A library is a file with a checksum beside it. `find` notes, once a day, that it is used. `prune`
removes libraries that were not used for `UNUSED_DAYS`, by that note and by the time of the last
access, which tells of readers of earlier versions; and what killed compilations have left.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from multiturn.core.files import sha256_file, write_atomically

__all__ = ["UNUSED_DAYS", "find", "is_intact", "new_build_directory", "prune", "store"]

UNUSED_DAYS = 30
"""Two versions side by side, each in use, keep their libraries."""

_DAY = 24 * 3600.0
_BUILDING = ".building-"
_FILES = re.compile(r"([\w-]+)\.(?:so|sha256|removed|so\.lock)")
"""What belongs to a library; earlier versions had a lock for each."""
_LEFT_OVER = re.compile(rf"{re.escape(_BUILDING)}\w+|\.[\w-]+\.(?:so|sha256)\.\w+")
"""What a killed process leaves: its build directory, a file that `store` had begun."""


def find(path: Path) -> bool:
    """Whether a library is there and intact. Loading a truncated one would crash the process."""
    # Before the file is read: then either this note keeps `prune` from removing it, or the
    # checksum is gone when it is compared.
    with suppress(OSError):
        if _age(path.with_suffix(".sha256")) > _DAY:
            os.utime(path.with_suffix(".sha256"))
    return is_intact(path)


def is_intact(path: Path) -> bool:
    """Whether the file has its checksum."""
    try:
        checksum = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
        return sha256_file(path) == checksum
    except (OSError, UnicodeDecodeError):
        return False


def new_build_directory(directory: Path) -> tempfile.TemporaryDirectory[str]:
    """A place for the compiler's files, beside the libraries."""
    return tempfile.TemporaryDirectory(dir=directory, prefix=_BUILDING)


def store(path: Path, data: bytes) -> None:
    """Write a library and its checksum.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomically(path, data, mode=0o755)
    write_atomically(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest())


def prune(directory: Path, *, keep: Path) -> None:
    """Remove libraries that are not used, and what killed compilations left.

    A process that has loaded a library keeps it. What cannot be removed stays.

    Args:
        directory: of the libraries. The caller holds its lock, so that nothing is stored meanwhile.
        keep: a library that stays in any case.
    """
    libraries: dict[str, list[Path]] = defaultdict(list)
    for path in [] if not directory.is_dir() else list(directory.iterdir()):
        if (belongs := _FILES.fullmatch(path.name)) is not None:
            libraries[belongs[1]].append(path)
        elif _LEFT_OVER.fullmatch(path.name):
            with suppress(OSError):
                _remove_left_over(path)
    libraries.pop(keep.stem, None)
    for stem, files in libraries.items():
        with suppress(OSError):
            if min(_age(path) for path in files) > UNUSED_DAYS * _DAY:
                _remove(directory / f"{stem}.so", files)


def _remove_left_over(path: Path) -> None:
    # No compilation takes a day. The time of access of a directory is that of its last listing.
    if time.time() - path.stat().st_mtime <= _DAY:
        return
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _remove(library: Path, files: list[Path]) -> None:
    """Remove the files of a library, unless a process has just found it."""
    checksum, aside = library.with_suffix(".sha256"), library.with_suffix(".removed")
    if checksum in files:
        checksum.rename(aside)  # whoever looks for the library from now on does not find it
        if _age(aside) <= UNUSED_DAYS * _DAY:
            aside.rename(checksum)
            return
        aside.unlink()
    for path in files:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    """Seconds since a file was last written, read or noted as used."""
    status = path.stat()
    return time.time() - max(status.st_mtime, status.st_atime)
