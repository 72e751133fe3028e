"""The file of a model that is a part of this package."""

from __future__ import annotations

from pathlib import Path

from multiturn.core.errors import ModelFileError, storage_errors
from multiturn.hub.checksums import hash_file
from multiturn.hub.entries import ModelEntry
from multiturn.hub.store import FileState

__all__ = ["installed_file", "installed_state"]


def installed_state(entry: ModelEntry) -> FileState:
    """The state of the file. It is small, and read each time: nothing is written beside it.

    Raises:
        StorageError: it cannot be read.
    """
    if entry.installed is None or not entry.installed.path.is_file():
        return FileState.ABSENT
    with storage_errors(entry.installed.path, "reading the model"):
        right = (
            entry.checksum is None
            or hash_file(entry.installed.path, entry.checksum) == entry.checksum.value
        )
    return FileState.VERIFIED if right else FileState.DAMAGED


def installed_file(entry: ModelEntry) -> Path:
    """The file of an installed model.

    Raises:
        ModelFileError: it is missing or damaged.
        StorageError: it cannot be read.
    """
    if entry.installed is None:
        raise ValueError(f"{entry.name} is not a part of the package")
    state = installed_state(entry)
    if state is not FileState.VERIFIED:
        missing = "is missing" if state is FileState.ABSENT else "is damaged"
        raise ModelFileError(
            f"the file of the model {entry.name!r}, a part of multiturn, {missing}",
            got=str(entry.installed.path),
            fix="install multiturn again",
        )
    return entry.installed.path
