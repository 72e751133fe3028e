"""Archives as streams of members: nothing is unpacked to disk, and memory is bounded.

The first bytes of an archive determine its kind, and its name only where they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiturn.data.sources.archive_members import BROKEN, ArchiveError, Member, MemberError
from multiturn.data.sources.compressed import compression_of
from multiturn.data.sources.tar_members import tar_members
from multiturn.data.sources.zip_members import zip_members

__all__ = [
    "ARCHIVE_ENDINGS",
    "UNREAD_ENDINGS",
    "ArchiveError",
    "Member",
    "MemberError",
    "is_archive",
    "kind_of",
    "open_members",
]

ARCHIVE_ENDINGS = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.lzma",
    ".tar.zst", ".tar.zstd", ".tzst", ".zip", ".whl", ".jar", ".egg", ".crate", ".gem",
)  # fmt: skip
"""Endings of archives that are read."""
_PACKED_ENDINGS = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".zstd")
"""Endings of compressed files, which may be tars."""
UNREAD_ENDINGS = (
    ".7z", ".rar", ".tar.z", ".tar.lz", ".tlz", ".tar.lz4", ".tar.lzo", ".tar.br", ".cpio",
    ".z", ".lz", ".lz4", ".lzo", ".br", ".ar", ".deb", ".rpm", ".cab", ".iso", ".dmg",
)  # fmt: skip
"""Endings of archives that are not read, but dropped with a reason."""

_UNREAD = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x9d": "compress (.Z)",
    b"LZIP": "lzip",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x89LZO": "lzop",
    b"!<arch>\n": "ar",
    b"070701": "cpio",
    b"MSCF": "cab",
    b"\xed\xab\xee\xdb": "rpm",
}
_ZIP_BEGINS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ZIP_ENDINGS = (".zip", ".whl", ".jar", ".egg")

SLACK_BYTES = 64 << 20
MAX_RATIO = 120
"""Text is compressed to a tenth, seldom to a fiftieth; a bomb, to a thousandth."""
_MAX_MEMBERS = 1_000_000


def is_archive(name: str) -> bool:
    """Whether a file is an archive or compressed by its name, of any kind.

    Example:
        >>> is_archive("a.TAR.GZ"), is_archive("a.rar"), is_archive("a.py")
        (True, True, False)
    """
    return name.lower().endswith((*ARCHIVE_ENDINGS, *_PACKED_ENDINGS, *UNREAD_ENDINGS))


def kind_of(path: Path) -> str:
    """``zip``, ``tar``, or the name of another kind."""
    with path.open("rb") as file:
        begin = file.read(512)
    for magic, found in _UNREAD.items():
        if begin.startswith(magic):
            return found
    name = path.name.lower()
    if begin.startswith(_ZIP_BEGINS):
        return "zip"
    if name.endswith(_ZIP_ENDINGS):
        from_name = "zip"
    else:
        from_name = next((end for end in UNREAD_ENDINGS if name.endswith(end)), "tar")
    return "tar" if compression_of("", begin) else from_name


@contextmanager
def open_members(path: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in its order.

    Raises:
        ArchiveError: (from the iterator, after all members that can be read) the archive is
            broken, of a kind that is not read, or unpacks to more than 120 times its size and
            64 MiB.
    """
    try:
        kind = kind_of(path)
        if kind not in ("zip", "tar"):
            raise ArchiveError("an archive of a kind that is not read", kind)
        reader = zip_members if kind == "zip" else tar_members
        with path.open("rb") as file:
            limit = path.stat().st_size * MAX_RATIO + SLACK_BYTES
            yield _bounded(reader(file, path.name, limit))
    except OSError as error:
        raise ArchiveError(BROKEN, error.strerror or str(error)) from error


def _bounded(members: Iterator[Member]) -> Iterator[Member]:
    for number, member in enumerate(members):
        if number >= _MAX_MEMBERS:
            raise ArchiveError("an archive of too many members")
        yield member
