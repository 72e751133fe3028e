"""Files by path or address, local or in object storage, through fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import fsspec
import fsspec.core

from multiturn.core.errors import MissingDependencyError
from multiturn.data.build.source import SourceError

__all__ = ["expand", "open_remote"]


def expand(patterns: Sequence[str], endings: tuple[str, ...]) -> list[str]:
    """The files that paths, globs and folders name, sorted within each.

    Args:
        patterns: as fsspec takes them: ``data/*.parquet``, ``gs://bucket/export/``,
            ``hf://datasets/owner/name@revision/data/*.parquet``.
        endings: of the files to read from a folder, in lower case; case does not matter.

    Raises:
        SourceError: a pattern names nothing, or its storage cannot be reached.
        MissingDependencyError: the package for its kind of storage is not installed.
    """
    found: list[str] = []
    for pattern in patterns:
        with _explained(pattern):
            system, path = fsspec.core.url_to_fs(pattern)
            if any(sign in path for sign in "*?["):
                names = system.glob(path)
            elif system.isdir(path):
                names = [name for name in system.find(path) if name.lower().endswith(endings)]
            else:
                names = [path] if system.exists(path) else []
            found += [system.unstrip_protocol(name) for name in sorted(names)]
        if not names:
            raise SourceError("no such file", got=pattern, fix="check the path and its permissions")
    return found


@contextmanager
def open_remote(address: str) -> Iterator[IO[bytes]]:
    """A file to read, seekable where the storage allows it.

    Raises:
        SourceError: the file cannot be opened.
    """
    with _explained(address):
        opened = fsspec.open(address, "rb").open()
    with opened as file:
        yield file


@contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0] or "fsspec's driver"
        raise MissingDependencyError(package, extra="data", purpose=f"reading {address}") from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"the file cannot be opened, {reason}", got=address) from error
