"""The manifest of a model of several files, saved with them on the first pull."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import InputError, ModelFileError
from multiturn.core.files import write_atomically
from multiturn.core.records import read_record, to_plain
from multiturn.hub.checksums import Checksum

__all__ = ["DownloadManifest", "ManifestFile", "read_manifest", "write_manifest"]

_NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a pinned model.

    Raises:
        InputError: its name could escape the model's directory.
    """

    path: str
    bytes: int
    checksum: Checksum

    def __post_init__(self) -> None:
        plain = Path(self.path).name == self.path
        if not plain or self.path.startswith(".") or set("\\\0") & set(self.path):
            raise InputError("not a plain file name", got=self.path)
        if self.bytes < 0:
            raise InputError("a file's size cannot be negative", got=self.bytes)


@dataclass(frozen=True, slots=True)
class DownloadManifest:
    """The files of a repository at a commit, as the hub reported them."""

    repository: str
    commit: str
    files: tuple[ManifestFile, ...]


def read_manifest(directory: Path) -> DownloadManifest | None:
    """The manifest of a model that was pulled before, or None.

    Raises:
        ModelFileError: it exists but cannot be read.
    """
    path = directory / _NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return read_record(data, DownloadManifest, where=_NAME)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, InputError) as error:
        raise ModelFileError(
            f"the manifest of a model cannot be read ({error})",
            got=str(path),
            fix="delete it and pull the model again",
        ) from error


def write_manifest(directory: Path, manifest: DownloadManifest) -> None:
    """Save a manifest with the files it describes.

    Raises:
        StorageError: the directory cannot be written.
    """
    write_atomically(directory / _NAME, json.dumps(to_plain(manifest), indent=1) + "\n")
