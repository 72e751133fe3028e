"""Lines of JSON lines and other line files, which end at line feeds and nowhere else.

`str.splitlines` and files opened as text also end lines at carriage returns, form feeds and the
separators of Unicode, all of which may stand in a line, in a JSON string for example.
"""

from __future__ import annotations

import io
from typing import AnyStr

__all__ = ["split_lines"]


def split_lines(text: AnyStr, *, keepends: bool = False) -> list[AnyStr]:
    r"""The lines of a text, without what follows the last line feed if that is nothing.

    Args:
        text: as it was read, as bytes or decoded from them: not through a file that was opened as
            text, which changes the ends of lines.
        keepends: leave the line feeds where they are.

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
