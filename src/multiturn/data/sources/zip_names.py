"""The names of members of a zip, in their real encoding."""

from __future__ import annotations

import struct
import zipfile
import zlib

__all__ = ["name_of"]

_UTF8 = 1 << 11
_UNICODE_PATH = 0x7075


def name_of(info: zipfile.ZipInfo) -> str:
    """A member's name in its real encoding.

    Where the flag for UTF-8 is missing, zipfile decodes a name as CP437, the encoding of DOS. Many
    programs forget the flag, so a name that is valid UTF-8 is decoded as UTF-8. Other programs put
    the name into an extra field.
    """
    # zipfile cuts `filename` at a null byte, which would give the name another ending.
    name = info.orig_filename
    if info.flag_bits & _UTF8 or name.isascii():
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name  # this version of zipfile has decoded the name already
    try:
        return _unicode_path(info.extra, raw) or raw.decode("utf-8")
    except UnicodeDecodeError:
        return name


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in Info-ZIP's extra field, if it belongs to this member; else empty."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<2H", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and field[:1] == b"\x01":
            if int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
                return field[5:].decode("utf-8")
            break
    return ""
