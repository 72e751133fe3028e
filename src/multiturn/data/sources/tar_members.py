"""The members of a tar. A broken header loses its own member, not those after it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Any, cast

from multiturn.data.sources.archive_members import (
    BROKEN,
    ArchiveError,
    Member,
    MemberError,
    clean_path,
)
from multiturn.data.sources.compressed import BrokenStreamError, Decompressed, compression_of

__all__ = ["tar_members"]

_BLOCK = tarfile.BLOCKSIZE
_MAX_HEADER_BYTES = 1 << 20
"""Of a header's extension; a name of a megabyte is not a name."""
_NAME_BYTES = 100
_CHUNK = 1 << 20


def tar_members(file: IO[bytes], name: str, limit: int) -> Iterator[Member]:
    """The members of a tar, compressed or not.

    A tar ends with two blocks of zeros. A tar that follows them is read too: `cat a.tar b.tar` has
    the members of both.

    Args:
        file: to read, at its beginning.
        name: of the file, for its compression where its first bytes do not determine it.
        limit: bytes that it may unpack to.

    Raises:
        ArchiveError: see `open_members`.
    """
    compression = compression_of(name, file.read(_BLOCK))
    file.seek(0)
    stream = _Stream(Decompressed(file, compression, of_tar=True), limit)
    reader = _Reader(stream, packed=bool(compression))
    try:
        yield from reader.members()
    except BrokenStreamError as error:
        trusted = error.trusted if error.trusted < stream.position else None
        lost = stream.position - (reader.good if trusted is None else trusted)
        raise ArchiveError(
            BROKEN, f"{error}, {reader.so_far}", trusted=trusted, lost=lost
        ) from error


class _Stream:
    """The stream for `tarfile`: bounded, and forward only."""

    mode = "rb"

    def __init__(self, packed: Decompressed, limit: int) -> None:
        self._packed, self._limit = packed, limit

    @property
    def position(self) -> int:
        return self._packed.position

    def tell(self) -> int:
        return self.position

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or fewer at the end."""
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.TarError("a header of more than a mebibyte")
        return self.take(size)

    def take(self, size: int) -> bytes:
        """The same for the content of a member, whose size is checked elsewhere."""
        data = self._packed.read(size)
        if self.position > self._limit:
            raise ArchiveError("an archive that unpacks to far too much")
        return data

    def skip_to(self, place: int) -> bool:
        """Skip to a position; whether the stream is that long."""
        while self.position < place:
            if not self.take(min(place - self.position, _CHUNK)):
                return False
        return True


class _Tar(tarfile.TarFile):
    """The state that `TarInfo.fromtarfile` needs; `_Reader` iterates over the members."""

    def next(self) -> None:
        return None


class _Reader:
    def __init__(self, stream: _Stream, *, packed: bool) -> None:
        self._stream, self._packed = stream, packed
        self._tar = _Tar(fileobj=cast(Any, stream), mode="r")
        self._fault: BrokenStreamError | None = None
        self.count = 0
        self.good = 0
        """The position where the last complete member ends."""

    @property
    def so_far(self) -> str:
        return f"after {self.count} members and {self._stream.position} bytes"

    def members(self) -> Iterator[Member]:
        zeros = 0
        lost_from = -1
        while True:
            begin = self._stream.position
            try:
                info = tarfile.TarInfo.fromtarfile(self._tar)
                if self._tar.offset < self._stream.position or info.size < 0:
                    raise tarfile.TarError("a negative size")
            except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError) as error:  # type: ignore[attr-defined]
                if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
                    zeros += 1
                    if lost_from < 0:
                        self.good = self._stream.position
                    continue
                yield from self._lost_at_end(lost_from, begin)
                if zeros < 2:
                    raise self._broken("it has no end mark") from error
                return
            except tarfile.TruncatedHeaderError as error:  # type: ignore[attr-defined]
                yield from self._lost_at_end(lost_from, begin)
                raise self._broken("it ends in the middle of a block") from error
            except _NO_HEADER:
                # A block with the checksum of a header ends the lost bytes.
                lost_from = begin if lost_from < 0 else lost_from
                zeros = 0
                self._realign()
                continue
            doubtful = lost_from >= 0 and len(_raw_name(info)) >= _NAME_BYTES
            yield from self._lost(lost_from, begin)
            zeros, lost_from = 0, -1
            if not info.isdir():
                yield self._member(info, doubtful=doubtful)
            self._raise_fault()
            if not self._stream.skip_to(self._tar.offset):
                raise self._broken(f"it ends in the middle of {info.name[:200]}")
            self.count += not info.isdir()
            self.good = self._stream.position

    def _realign(self) -> None:
        self._raise_fault()
        past = self._stream.position % _BLOCK
        if past:
            self._stream.skip_to(self._stream.position + _BLOCK - past)

    def _member(self, info: tarfile.TarInfo, *, doubtful: bool) -> Member:
        path, fault = clean_path(info.name)
        if doubtful:
            # The header with the rest of its name is lost.
            fault = BROKEN
        if fault is None and info.sparse is not None:
            fault = "a file with holes"
        elif fault is None and not info.isreg():
            fault = "a link" if info.issym() or info.islnk() else "a device"
        return Member(
            path, info.size, fault, lambda: self._content(info), self._stream.position + info.size
        )

    def _content(self, info: tarfile.TarInfo) -> bytes:
        try:
            data = self._stream.take(info.size)
        except BrokenStreamError as error:
            # This member is lost; the next step of the iterator reports the members after it.
            self._fault = error
            raise MemberError(BROKEN, str(error)) from error
        if len(data) != info.size:
            raise MemberError(BROKEN, "it ends in the middle of this member")
        return data

    def _lost(self, begin: int, end: int) -> Iterator[Member]:
        """The bytes between two readable headers, as a member."""
        if begin >= 0:
            yield Member(f"bytes {begin} to {end}", end - begin, BROKEN, lambda: b"", end)

    def _lost_at_end(self, begin: int, end: int) -> Iterator[Member]:
        if begin >= 0 and not self.count:
            if self._packed:
                raise ArchiveError("a compressed file that is no tar", lost=end)
            raise self._broken("it is no tar")
        yield from self._lost(begin, end)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _broken(self, detail: str) -> ArchiveError:
        lost = self._stream.position - self.good
        return ArchiveError(BROKEN, f"{detail}, {self.so_far}", lost=lost)


_NO_HEADER = (tarfile.TarError, ValueError, OverflowError, ArithmeticError, LookupError)


def _raw_name(info: tarfile.TarInfo) -> bytes:
    return info.name.encode("utf-8", "surrogateescape")
