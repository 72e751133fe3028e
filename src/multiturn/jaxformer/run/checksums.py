"""Checksums of checkpoints, so a run never resumes from a damaged one.

checksums/STEP.json has the size and the SHA-256 of each file of checkpoints/STEP. Orbax's formats
detect most damage, but not a flipped bit in an array. A checkpoint without checksums, from an
older version or from a run killed right after the save, is not verified.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from multiturn.core.errors import storage_errors
from multiturn.core.files import sha256_file, write_atomically

__all__ = ["Checksums", "find_damage"]

SCHEMA = 1
_DOING = "saving a checkpoint"


class Checksums:
    """Computes checksums in a background thread while training continues.

    Args:
        checkpoints: the directory with a directory for each step.
    """

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints
        self._pool = ThreadPoolExecutor(1, "checksums")
        self._running: list[Future[None]] = []

    def start(self, step: int) -> None:
        """Start computing the checksums of a saved checkpoint.

        Raises:
            StorageError: earlier checksums could not be written.
        """
        for done in [each for each in self._running if each.done()]:
            self._running.remove(done)
            done.result()
        self._running.append(self._pool.submit(self._work, step))

    def close(self) -> None:
        """Wait for all checksums.

        Raises:
            StorageError: some could not be written.
        """
        self._pool.shutdown()
        for each in self._running:
            each.result()

    def _work(self, step: int) -> None:
        folder = _checksum_directory(self._checkpoints)
        try:
            files = _hash_files(self._checkpoints / str(step))
        except FileNotFoundError:
            return  # already deleted in favour of a newer one
        with storage_errors(folder, _DOING):
            folder.mkdir(exist_ok=True)
            plain = {"schema": SCHEMA, "files": files}
            text = json.dumps(plain, indent=1) + "\n"
            write_atomically(folder / f"{step}.json", text, doing=_DOING)
            for path in folder.glob("*.json"):
                if not (self._checkpoints / path.stem).exists():
                    path.unlink(missing_ok=True)


def find_damage(checkpoints: Path, step: int) -> str | None:
    """What is wrong with the files of a checkpoint, in words; None if no damage is known.

    Args:
        checkpoints: the directory with a directory for each step.
        step: of the checkpoint.
    """
    try:
        plain: Any = json.loads((_checksum_directory(checkpoints) / f"{step}.json").read_bytes())
        files = {
            str(name): (int(size), str(digest)) for name, (size, digest) in plain["files"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # the checksums are missing or damaged
    folder = checkpoints / str(step)
    for name, (size, digest) in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
        if sha256_file(path) != digest:
            return f"{name} was changed"
    return None


def _checksum_directory(checkpoints: Path) -> Path:
    return checkpoints.parent / "checksums"


def _hash_files(folder: Path) -> dict[str, tuple[int, str]]:
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, sha256_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
