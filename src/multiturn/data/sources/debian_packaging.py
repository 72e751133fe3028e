"""The ``debian/copyright`` of a source package, from the file that holds the packaging."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from multiturn.data.sources.archive_members import ArchiveError, MemberError
from multiturn.data.sources.archive_streams import open_members

__all__ = ["added_file", "copyright_file"]

_COPYRIGHT = "debian/copyright"
_MAX_BYTES = 4 << 20
_MAX_DIFF_BYTES = 256 << 20
_MAX_LINE_BYTES = 1 << 20


def copyright_file(packaging: Path) -> bytes:
    """The content of ``debian/copyright``; empty where it is missing or cannot be read.

    Args:
        packaging: a ``.debian.tar.*``, the ``.diff.gz`` of the older format, or the archive of a
            native package.
    """
    if packaging.name.endswith(".diff.gz"):
        try:
            with gzip.open(packaging) as file:
                return b"\n".join(added_file(_lines(file), _COPYRIGHT))
        except (OSError, EOFError, zlib.error):
            return b""
    try:
        with open_members(packaging) as members:
            for member in members:
                below_top = member.path.partition("/")[2]
                if _COPYRIGHT in (member.path, below_top) and not member.fault:
                    return member.read() if member.size <= _MAX_BYTES else b""
    except (ArchiveError, MemberError):
        pass
    return b""


def added_file(lines: Iterable[bytes], path: str) -> Iterator[bytes]:
    """The lines of a file that a unified diff adds; `path` is below the top folder of the diff."""
    inside = False
    for line in lines:
        if line.startswith(b"+++ "):
            name = line[4:].split(b"\t")[0].strip()
            inside = name.partition(b"/")[2] == path.encode()
        elif inside and line.startswith(b"+"):
            yield line[1:].rstrip(b"\r\n")
        elif inside and line.startswith(b"--- "):
            return


def _lines(file: gzip.GzipFile) -> Iterator[bytes]:
    """The lines of a diff; the length of lines and of the diff is bounded."""
    left = _MAX_DIFF_BYTES
    while left > 0 and (line := file.readline(_MAX_LINE_BYTES)):
        left -= len(line)
        yield line
