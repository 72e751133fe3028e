"""Names in a zip, as they were meant."""

from __future__ import annotations

import struct
import zipfile
import zlib

__all__ = ["name_of"]

_UTF8 = 1 << 11
_UNICODE_PATH = 0x7075


def name_of(info: zipfile.ZipInfo) -> str:
    """A member's name as it was meant.

    Where the flag for UTF-8 is missing, zipfile takes a name for CP437, as DOS wrote them. Many
    programs forget the flag: bytes beyond ASCII that are UTF-8 are never anything else. Others
    put the name into an extra field.
    """
    # zipfile cuts `filename` at a null byte, which would make a name of another ending.
    name = info.orig_filename
    if info.flag_bits & _UTF8 or name.isascii():
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name  # this Python has looked for the name already
    try:
        return _unicode_path(info.extra, raw) or raw.decode("utf-8")
    except UnicodeDecodeError:
        return name


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in Info-ZIP's extra field, if it is of this member; else empty."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<2H", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and field[:1] == b"\x01":
            if int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
                return field[5:].decode("utf-8")
            break
    return ""
