"""The members of a zip whose directory is lost, because the file was cut or changed.

Each member has a local header before its content, with name, sizes and checksum. So the members
before a cut are found and checked without the directory at the end.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from multiturn.data.sources.archive_members import (
    BROKEN,
    ArchiveError,
    Member,
    MemberError,
    clean_path,
)
from multiturn.data.sources.zip_names import name_of

__all__ = ["LOCAL_SIGNATURE", "ZIP_FAULTS", "Allowance", "members_without_directory"]

LOCAL_SIGNATURE = b"PK\x03\x04"
ZIP_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError,
    RuntimeError, NotImplementedError, struct.error, LookupError,
)  # fmt: skip

_HEADER = struct.Struct("<4s5H3L2H")
_TRAILER_SIGNATURE = b"PK\x07\x08"
_ENCRYPTED, _SIZES_IN_TRAILER, _UTF8 = 1, 8, 1 << 11
_STORED, _DEFLATED = 0, 8
_ZIP64 = 0xFFFFFFFF
_CHUNK = 256 << 10


@dataclass(slots=True)
class Allowance:
    """The number of bytes that may still be unpacked, since members may overlap in the file.

    Attributes:
        left: bytes.
    """

    left: int

    def take(self, size: int) -> None:
        """Count `size` more bytes.

        Raises:
            ArchiveError: the archive unpacks to too much.
        """
        self.left -= size
        if self.left < 0:
            raise ArchiveError("an archive that unpacks to far too much")


def members_without_directory(
    file: IO[bytes],
    allowance: Allowance,
    reason: str,
    *,
    known: frozenset[int] = frozenset(),
) -> Iterator[Member]:
    """The members up to the first one that is cut.

    Args:
        file: to read; its position changes.
        allowance: of bytes to unpack, both to find where members end and to read them.
        reason: why there is no directory.
        known: positions of members that a part of the directory names; they are not repeated.

    Raises:
        ArchiveError: always, at the end, because the directory is missing.
    """
    place = count = 0
    while (header := _Header.read(file, place)) is not None:
        content = _measured(file, header, allowance)
        if content is None:
            # Its end is unknown, because the file was cut within it.
            if place not in known:
                yield Member(*_path(header, BROKEN, header.size), lambda: b"")
            break
        is_folder = header.name.endswith(("/", "\\")) and not content.size
        if not is_folder:
            fault = "an encrypted file" if header.flags & _ENCRYPTED else None
            if fault is None and header.method not in (_STORED, _DEFLATED):
                fault = "a compression that is not read"
            if fault is None and not content.sound:
                fault = BROKEN
            path, size, fault = _path(header, fault, content.size)
            if place not in known:
                yield Member(path, size, fault, _reader(file, header, content, allowance))
            count += 1
        place = content.following
    file.seek(0, 2)
    raise ArchiveError(BROKEN, f"{reason}, after {count} members", lost=file.tell() - place)


@dataclass(frozen=True, slots=True)
class _Header:
    """The header before a member."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    content: int

    @classmethod
    def read(cls, file: IO[bytes], place: int) -> _Header | None:
        """The header at a position; None where it is missing or cut."""
        file.seek(place)
        fixed = file.read(_HEADER.size)
        if len(fixed) < _HEADER.size or not fixed.startswith(LOCAL_SIGNATURE):
            return None
        _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _HEADER.unpack(fixed)
        raw, extra = file.read(name_size), file.read(extra_size)
        if len(raw) < name_size or len(extra) < extra_size:
            return None
        info = zipfile.ZipInfo()
        info.orig_filename = raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        info.flag_bits, info.extra = flags, extra
        content = place + _HEADER.size + name_size + extra_size
        return cls(name_of(info), flags, method, crc, packed, size, content)


@dataclass(frozen=True, slots=True)
class _Content:
    """A member's content: its size, whether it is right, and where the next member begins."""

    size: int
    sound: bool
    following: int


def _measured(file: IO[bytes], header: _Header, allowance: Allowance) -> _Content | None:
    """Measure a member's content; None where its end is unknown."""
    sized = not header.flags & _SIZES_IN_TRAILER
    if _ZIP64 in (header.packed, header.size):
        return None
    if sized and (header.method != _DEFLATED or header.flags & _ENCRYPTED):
        file.seek(0, 2)
        following = header.content + header.packed
        if following > file.tell():
            return None
        sound = (
            header.method != _STORED
            or header.flags & _ENCRYPTED
            or (header.packed == header.size and _crc(file, header) == header.crc)
        )
        return _Content(header.size, bool(sound), following)
    if header.method != _DEFLATED or header.flags & _ENCRYPTED:
        return None
    size = crc = 0
    inflating = _Inflating(file, header.content)
    try:
        for part in inflating:
            size += len(part)
            allowance.take(len(part))
            crc = zlib.crc32(part, crc)
    except ZIP_FAULTS:
        # With a size in the header, the members after this one can still be found.
        following = header.content + header.packed
        return _Content(header.size, sound=False, following=following) if sized else None
    if sized:
        sound = (size, crc, inflating.end - header.content) == (
            header.size, header.crc, header.packed,
        )  # fmt: skip
        return _Content(header.size, sound, header.content + header.packed)
    past = _past_sizes(file, inflating.end, crc, size)
    return None if past is None else _Content(size, sound=True, following=past)


def _crc(file: IO[bytes], header: _Header) -> int:
    file.seek(header.content)
    left, crc = header.packed, 0
    while left and (part := file.read(min(left, _CHUNK))):
        crc = zlib.crc32(part, crc)
        left -= len(part)
    return crc


class _Inflating:
    """The chunks of deflated content, and afterwards its end.

    Raises:
        EOFError: the content is cut.
    """

    def __init__(self, file: IO[bytes], place: int) -> None:
        self._file, self.end = file, place

    def __iter__(self) -> Iterator[bytes]:
        decoder = zlib.decompressobj(-zlib.MAX_WBITS)
        while not decoder.eof:
            if decoder.unconsumed_tail:
                taken = decoder.unconsumed_tail
            else:
                self._file.seek(self.end)
                taken = self._file.read(_CHUNK)
                self.end += len(taken)
            part = decoder.decompress(taken, _CHUNK)
            if not part and not taken:
                raise EOFError("it ends in the middle")
            yield part
        self.end -= len(decoder.unused_data)


def _past_sizes(file: IO[bytes], place: int, crc: int, size: int) -> int | None:
    """The end of a member that is followed by its checksum and sizes; None if they differ."""
    file.seek(place)
    trailer = file.read(24)
    begin = 4 if trailer.startswith(_TRAILER_SIGNATURE) else 0
    for sizes, length in (("<3L", 12), ("<L2Q", 20)):
        fields = trailer[begin : begin + length]
        if len(fields) == length:
            stated_crc, _, stated_size = struct.unpack(sizes, fields)
            if (stated_crc, stated_size) == (crc, size):
                return place + begin + length
    return None


def _reader(
    file: IO[bytes], header: _Header, content: _Content, allowance: Allowance
) -> Callable[[], bytes]:
    def read() -> bytes:
        allowance.take(content.size)
        try:
            if header.method == _STORED:
                file.seek(header.content)
                return file.read(content.size)
            return b"".join(_Inflating(file, header.content))
        except ZIP_FAULTS as error:
            raise MemberError(BROKEN, str(error)) from error

    return read


def _path(
    header: _Header, fault: str | None, size: int | None = None
) -> tuple[str, int, str | None]:
    path, of_path = clean_path(header.name)
    return path, header.size if size is None else size, of_path or fault
