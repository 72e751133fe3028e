"""Compressed files as streams in which a fault at any byte is noticed.

A stream that was cut differs from one that was changed: the first is right up to the cut, while
nothing of the second can be trusted, because its checksum is at the end.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import IO, Protocol, cast

__all__ = ["COMPRESSIONS", "BrokenStreamError", "Decompressed", "compression_of"]

COMPRESSIONS = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x28\xb5\x2f\xfd": "zst",
    b"\x50\x2a\x4d\x18": "zst",  # begins with a frame to skip, as parallel compressors write
}
"""The supported compressions, by the first bytes of their files."""

_BY_ENDING = {
    "gz": "gz", "tgz": "gz", "bz2": "bz2", "tbz": "bz2", "tbz2": "bz2", "xz": "xz", "txz": "xz",
    "lzma": "lzma", "zst": "zst", "zstd": "zst", "tzst": "zst",
}  # fmt: skip

_MAX_MAGIC = max(map(len, COMPRESSIONS))
_USTAR_AT = 257
_CHUNK = 256 << 10
_MAX_MEMORY = 512 << 20
"""Bytes for the window of a decompressor; `xz -9` and `zstd --ultra` need an eighth."""
_TAR_BLOCK = 512
_NEAR = 64 << 10
"""Bytes by which a decoder of a changed stream may miss the size of the stream."""


class BrokenStreamError(Exception):
    """A stream cannot be read further. Says why.

    Attributes:
        trusted: bytes from its beginning that are certainly right.
    """

    def __init__(self, reason: str, trusted: int) -> None:
        super().__init__(reason)
        self.trusted = trusted


def compression_of(name: str, begin: bytes = b"") -> str:
    """The compression of a file, by its first bytes, else by its name; empty without one.

    Args:
        name: of the file.
        begin: its first bytes; a tar is recognized in the first 512.

    Example:
        >>> compression_of("a.tar.GZ"), compression_of("a.tgz", b"BZh9"), compression_of("a.tar")
        ('gz', 'bz2', '')
    """
    if begin[_USTAR_AT:].startswith(b"ustar"):
        return ""  # a tar, whatever its name
    for magic, found in COMPRESSIONS.items():
        if begin.startswith(magic):
            return found
    return _BY_ENDING.get(name.lower().rpartition(".")[2], "")


class _Decoder(Protocol):
    """The interface of `bz2.BZ2Decompressor` and `lzma.LZMADecompressor`: one stream of a file."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gunzip:
    """The same interface for gzip."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not (self.eof or self._full or self._decoder.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        found = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        self._full = len(found) == max_length
        return found


class Decompressed:
    """The content of a file in one of `COMPRESSIONS`, or uncompressed.

    Streams that follow each other in one file are read as one, as `gzip` and `xz` do.

    Args:
        file: to read, at its beginning.
        compression: a value of `COMPRESSIONS`; empty for none.
        of_tar: whether the content is a tar, which consists of blocks of 512 bytes.
    """

    def __init__(self, file: IO[bytes], compression: str, *, of_tar: bool = False) -> None:
        self._file, self._compression, self._of_tar = file, compression, of_tar
        self._decoder: _Decoder | None = None
        self._input = b""
        self._last = b""
        self._vouched = 0
        self._begun = False
        self._ready, self._given = b"", 0
        self._direct: _Plain = file
        self.position = 0
        """Bytes read so far."""
        if compression == "zst":
            import pyarrow

            # Unlike the module `zstandard`, this one reports a truncated file and reads the next
            # frame.
            packed = pyarrow.PythonFile(file, mode="r")
            self._direct = cast(_Plain, pyarrow.CompressedInputStream(packed, "zstd"))

    def read(self, size: int) -> bytes:
        """The next bytes; fewer than `size` only at the end.

        Raises:
            BrokenStreamError: the stream was cut or changed, or cannot be read.
        """
        found = []
        while size > 0:
            if self._given == len(self._ready):
                # Small reads come from a large chunk, because each call of a decoder costs.
                self._ready, self._given = self._more(), 0
                if not self._ready:
                    break
            part = self._ready[self._given : self._given + size]
            found.append(part)
            size -= len(part)
            self._given += len(part)
            self.position += len(part)
        return b"".join(found)

    def _more(self) -> bytes:
        """The next chunk; empty at the end. All earlier chunks have been returned."""
        try:
            if self._compression in ("", "zst"):
                return self._direct.read(_CHUNK)
            return self._unpacked(_CHUNK)
        except (zlib.error, lzma.LZMAError, OSError, ValueError, MemoryError) as error:
            cut = self._compression == "zst" and "runcated" in str(error)
            trusted = self.position if cut or not self._compression else self._vouched
            raise BrokenStreamError(_words(error), trusted) from error

    def _unpacked(self, size: int) -> bytes:
        while True:
            if self._decoder is None:
                if not self._next_stream():
                    return b""
                self._decoder = self._new_decoder()
            elif self._decoder.needs_input and not self._input and not self._fill():
                self._raise_cut()
            part = self._decoder.decompress(self._input, size)
            self._input = b""
            if self._decoder.eof:
                # The checksum is right, so this much is certain, whatever comes after.
                self._input = self._decoder.unused_data
                self._vouched = self.position + len(part)
                self._decoder = None
            if part:
                return part

    def _next_stream(self) -> bool:
        """Whether another stream begins here; zeros between streams are padding."""
        first = not self._begun
        self._begun = True
        while True:
            if not first:
                self._input = self._input.lstrip(b"\0")
            if len(self._input) >= _MAX_MAGIC or not self._fill():
                break
        if not self._input:
            if first:
                raise BrokenStreamError("an empty file", 0)
            return False
        if not first and compression_of("", self._input) != self._compression:
            raise BrokenStreamError("something else follows its end", self.position)
        return True

    def _new_decoder(self) -> _Decoder:
        if self._compression == "gz":
            return _Gunzip()
        if self._compression == "bz2":
            return bz2.BZ2Decompressor()
        kind = lzma.FORMAT_XZ if self._compression == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(kind, memlimit=_MAX_MEMORY)

    def _fill(self) -> bool:
        more = self._file.read(_CHUNK)
        self._last = (self._last + more)[-4:]
        self._input += more
        return bool(more)

    def _raise_cut(self) -> None:
        """Raise, because the file ended within a stream: it was cut, or its end was changed."""
        trusted = self.position
        if self._compression == "gz" and self._has_end():
            trusted = self._vouched
        raise BrokenStreamError("it ends in the middle", trusted)

    def _has_end(self) -> bool:
        """Whether the last bytes are the size of the stream, with which a complete stream ends.

        A changed bit can make the decoder miss the end of the stream. Only this check tells such a
        file, whose content is wrong, from one that was cut. The bytes before a cut look like such a
        size in one case of five hundred; then too much counts as lost.
        """
        size = int.from_bytes(self._last, "little")
        if len(self._last) < 4 or not size:
            return False
        like_a_tar = self._of_tar and size % _TAR_BLOCK == 0
        return like_a_tar or abs(size - (self.position - self._vouched)) <= _NEAR


class _Plain(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _words(error: BaseException) -> str:
    words = str(error).strip().split("\n")[0] or type(error).__name__
    return words[:200]
