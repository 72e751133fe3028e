"""Splits text into lines at line feeds only, as JSON Lines requires.

`str.splitlines` and files opened as text also split at carriage returns, form feeds and Unicode
separators, which may be part of a line, for example inside a JSON string.
"""

from __future__ import annotations

import io
from typing import AnyStr

__all__ = ["split_lines"]


def split_lines(text: AnyStr, *, keepends: bool = False) -> list[AnyStr]:
    r"""The lines of a text. A final line feed does not start another, empty line.

    Args:
        text: bytes, or text decoded from bytes. A file opened as text changes the line ends.
        keepends: keep the line feeds.

    Example:
        >>> split_lines("a\u2028b\r\nc"), split_lines(b"a\n\nb\n", keepends=True)
        (['a\u2028b\r', 'c'], [b'a\n', b'\n', b'b\n'])
    """
    lines: list[AnyStr]
    if isinstance(text, str):
        feed = "\n"
        lines = io.StringIO(text, newline="\n").readlines()
    else:
        feed = b"\n"
        lines = io.BytesIO(text).readlines()
    return lines if keepends else [line.removesuffix(feed) for line in lines]
