"""The members of a zip. Each has a checksum, so a broken member loses itself alone."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import IO

from multiturn.data.sources.archive_members import (
    BROKEN,
    ArchiveError,
    Member,
    MemberError,
    clean_path,
)
from multiturn.data.sources.zip_names import name_of
from multiturn.data.sources.zip_without_directory import (
    LOCAL_SIGNATURE,
    ZIP_FAULTS,
    Allowance,
    members_without_directory,
)

__all__ = ["zip_members"]

_BROKEN_MEMBER = "a broken member of an archive"
_ENCRYPTED = 1
_IN_ZIP64 = 0xFFFF
_MAX_END_BYTES = (1 << 16) + 256
"""Bytes after the directory: a comment of up to 64 KiB, and a few records."""


def zip_members(file: IO[bytes], name: str, limit: int) -> Iterator[Member]:
    """The members of a zip, from its directory; where that is lost, from the local headers.

    Args:
        file: to read; its position changes.
        name: of the file.
        limit: bytes that it may unpack to.

    Raises:
        ArchiveError: see `open_members`.
    """
    del name
    allowance = Allowance(limit)
    try:
        archive = zipfile.ZipFile(file)
    except ZIP_FAULTS as error:
        yield from members_without_directory(file, allowance, str(error))
        return
    with archive:
        infos = archive.infolist()
        for info in infos:
            yield from _member(archive, info, allowance)
        named = _named_by_end(file)
        if named not in (None, len(infos)):
            offsets = frozenset(info.header_offset for info in infos)
            reason = f"its directory has {len(infos)} entries in place of {named}"
            yield from members_without_directory(file, allowance, reason, known=offsets)
        _check_before(file, min((info.header_offset for info in infos), default=archive.start_dir))


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: Allowance
) -> Iterator[Member]:
    path, fault = clean_path(name_of(info))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name_of(info).endswith(("/", "\\")):
        if not info.file_size:
            return
        fault = fault or "a folder with content"
    if fault is None and info.flag_bits & _ENCRYPTED:
        fault = "an encrypted file"
    if fault is None and kind not in (0, stat.S_IFREG):
        fault = "a link" if kind == stat.S_IFLNK else "a device"

    def read() -> bytes:
        allowance.take(info.file_size)
        try:
            with archive.open(info) as file:
                # The checksum, known at the end of the content, reveals a wrong size.
                data = file.read(info.file_size)
                more = file.read(1)
        except NotImplementedError as error:
            raise MemberError("a compression that is not read", str(error)) from error
        except ZIP_FAULTS as error:
            raise MemberError(_BROKEN_MEMBER, str(error)) from error
        if more or len(data) != info.file_size:
            raise MemberError(_BROKEN_MEMBER, "its size is another than the archive says")
        return data

    yield Member(path, info.file_size, fault, read)


def _named_by_end(file: IO[bytes]) -> int | None:
    """The number of members according to the end of the file; None where it is missing.

    zipfile reads the directory as far as it can, and stops silently at a broken entry.
    """
    file.seek(0, 2)
    file.seek(max(0, file.tell() - _MAX_END_BYTES))
    end = file.read()
    place = end.rfind(b"PK\x05\x06")
    (count,) = struct.unpack_from("<H", end, place + 10)
    if count != _IN_ZIP64:
        return int(count)
    place = end.rfind(b"PK\x06\x06", 0, place)
    return int(struct.unpack_from("<Q", end, place + 32)[0]) if place >= 0 else None


def _check_before(file: IO[bytes], begin: int) -> None:
    """Raise where there are members before the first one in the directory.

    Concatenated zips look like this: the directory is that of the last zip.
    """
    file.seek(0)
    if begin > 0 and file.read(4) == LOCAL_SIGNATURE:
        raise ArchiveError(
            BROKEN, "its directory does not name what stands at its beginning", lost=begin
        )
