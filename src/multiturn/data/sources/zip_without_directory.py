"""A zip whose directory is lost, because it was cut or changed: its members one by one.

Each member has a header of its own in front of its content, with name, sizes and checksum. So
what lies before a cut is found, and checked, without the directory at the end.
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
_BEHIND_SIGNATURE = b"PK\x07\x08"
_ENCRYPTED, _SIZES_BEHIND, _UTF8 = 1, 8, 1 << 11
_STORED, _DEFLATED = 0, 8
_ZIP64 = 0xFFFFFFFF
_CHUNK = 256 << 10


@dataclass(slots=True)
class Allowance:
    """How much may still be read: members may overlap in the file, so their sum is bounded.

    Attributes:
        left: bytes.
    """

    left: int

    def take(self, size: int) -> None:
        """Read `size` bytes more.

        Raises:
            ArchiveError: those are too many.
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
    """The members up to the first that is cut.

    Args:
        file: to read; it is moved about in.
        allowance: for what is unpacked, to find where members end and to give them.
        reason: why there is no directory.
        known: where members begin that a part of the directory named: not given again.

    Raises:
        ArchiveError: always, at last: a directory is missing.
    """
    place = whole = 0
    while (header := _Header.read(file, place)) is not None:
        content = _measured(file, header, allowance)
        if content is None:
            # Nobody knows where it ends: it is the one in which the file was cut.
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
            whole += 1
        place = content.following
    file.seek(0, 2)
    raise ArchiveError(BROKEN, f"{reason}, after {whole} members", lost=file.tell() - place)


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before a member."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    content: int

    @classmethod
    def read(cls, file: IO[bytes], place: int) -> _Header | None:
        """The header at a place; None where there is none, or only a part of one."""
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
    """A member's content, looked at: its size, whether it is right, where the next begins."""

    size: int
    sound: bool
    following: int


def _measured(file: IO[bytes], header: _Header, allowance: Allowance) -> _Content | None:
    """None where nobody can say where the content ends."""
    told = not header.flags & _SIZES_BEHIND
    if _ZIP64 in (header.packed, header.size):
        return None
    if told and (header.method != _DEFLATED or header.flags & _ENCRYPTED):
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
        # Where its size is told, those behind it can still be found.
        following = header.content + header.packed
        return _Content(header.size, sound=False, following=following) if told else None
    if told:
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
    """The parts of deflated content, and then where it ends.

    Raises:
        EOFError: it is cut.
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
    """Where the member ends whose checksum and sizes stand behind it; None if they differ."""
    file.seek(place)
    behind = file.read(24)
    begin = 4 if behind.startswith(_BEHIND_SIGNATURE) else 0
    for sizes, length in (("<3L", 12), ("<L2Q", 20)):
        fields = behind[begin : begin + length]
        if len(fields) == length:
            told_crc, _, told_size = struct.unpack(sizes, fields)
            if (told_crc, told_size) == (crc, size):
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
