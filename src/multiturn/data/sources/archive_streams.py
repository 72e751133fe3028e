"""Archives read as streams of members: nothing is unpacked to disk, nothing grows unbounded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from multiturn.data.sources.wanted import unsafe_path

__all__ = ["ARCHIVE_ENDINGS", "ArchiveError", "Member", "open_members"]

ARCHIVE_ENDINGS = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip", ".whl",
)  # fmt: skip

_SLACK_BYTES = 64 << 20
_MOST_RATIO = 120
"""Text packs to a tenth, seldom to a fiftieth; what a bomb unpacks to is a thousand times it."""
_MOST_MEMBERS = 1_000_000
_MOST_READ = 32 << 20
_ZIP_FLAG_ENCRYPTED = 1

_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
    OverflowError,
    RuntimeError,
)


class ArchiveError(Exception):
    """An archive cannot be read on from here: it is broken, or a bomb. Says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive.

    Attributes:
        path: as the archive has it.
        size: in bytes, as the archive claims.
        fault: why it cannot be a document (it leads out of the archive, it is a link, a
            device ...); None for a plain file. Folders are not given at all.
        read: gives at most `size` bytes; must be called before the next member.
    """

    path: str
    size: int
    fault: str | None
    read: Callable[[], bytes]


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@contextmanager
def open_members(path: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in its order.

    Raises:
        ArchiveError: from the iterator or a member's `read`: it is broken, encrypted, or
            unpacks to more than 120 times its size and 64 MiB.
    """
    try:
        packed = path.stat().st_size
        limit = packed * _MOST_RATIO + _SLACK_BYTES
        if path.name.lower().endswith((".zip", ".whl")):
            with zipfile.ZipFile(path) as archive:
                yield _guarded(_zip_members(archive, limit))
        else:
            with path.open("rb") as file, _decompressed(path.name.lower(), file) as stream:
                bounded = _Bounded(cast(_Readable, stream), limit)
                with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|") as tar:
                    yield _guarded(_tar_members(tar))
    except _BROKEN as error:
        raise ArchiveError(_reason(error)) from error


def _guarded(members: Iterator[Member]) -> Iterator[Member]:
    try:
        for number, member in enumerate(members):
            if number >= _MOST_MEMBERS:
                raise ArchiveError("an archive of too many members")
            yield member
    except _BROKEN as error:
        raise ArchiveError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, _BombError):
        return "an archive that unpacks to far too much"
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return "an encrypted archive"
    return "a broken archive"


class _BombError(ValueError):
    """More came out of an archive than can be meant."""


class _Bounded:
    """Reads on until more came than allowed."""

    def __init__(self, stream: _Readable, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_READ:
            raise _BombError
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _BombError
        return data


@contextmanager
def _decompressed(name: str, file: IO[bytes]) -> Iterator[object]:
    if name.endswith((".gz", ".tgz")):
        with gzip.open(file) as stream:
            yield stream
    elif name.endswith(".bz2"):
        with bz2.open(file) as stream:
            yield stream
    elif name.endswith(".xz"):
        with lzma.open(file) as stream:
            yield stream
    elif name.endswith(".zst"):
        import zstandard

        try:
            with zstandard.ZstdDecompressor().stream_reader(file) as stream:
                yield stream
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from error
    else:
        yield file


def _tar_members(tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        # A stream cannot go back, so what was read of it need not be remembered.
        tar.members = []  # type: ignore[attr-defined]
        if info.isdir():
            continue
        path = info.name.removeprefix("./")
        fault = _fault_of_path(path)
        if fault is None and not info.isreg():
            fault = "a link" if info.issym() or info.islnk() else "a device"
        yield Member(path, max(info.size, 0), fault, _tar_reader(tar, info))


def _tar_reader(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            file = tar.extractfile(info)
            if file is None:
                raise ArchiveError("a broken archive")
            data = file.read(info.size)
        except _BROKEN as error:
            raise ArchiveError(_reason(error)) from error
        if len(data) != info.size:
            raise ArchiveError("a broken archive")
        return data

    return read


def _zip_members(archive: zipfile.ZipFile, limit: int) -> Iterator[Member]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        # Members may overlap in the file, so their sum is bounded, not each by itself.
        limit -= info.file_size
        if limit < 0:
            raise _BombError
        path = info.filename.removeprefix("./")
        kind = stat.S_IFMT(info.external_attr >> 16)
        fault = _fault_of_path(path)
        if fault is None and info.flag_bits & _ZIP_FLAG_ENCRYPTED:
            fault = "an encrypted file"
        if fault is None and kind not in (0, stat.S_IFREG):
            fault = "a link" if kind == stat.S_IFLNK else "a device"
        yield Member(path, info.file_size, fault, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with archive.open(info) as file:
                # A size that was a lie is noticed by the checksum, which is known at the end.
                data = file.read(info.file_size)
                more = file.read(1)
        except _BROKEN as error:
            raise ArchiveError(_reason(error)) from error
        if more or len(data) != info.file_size:
            raise ArchiveError("a broken archive")
        return data

    return read


def _fault_of_path(path: str) -> str | None:
    return "a path that leads out of the archive" if unsafe_path(path) else None
