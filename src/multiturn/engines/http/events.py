"""Server-sent events, from bytes as they arrive."""

from __future__ import annotations

from multiturn.engines.http.faults import BrokenOffError

__all__ = ["MOST_LINE_BYTES", "EventReader"]

MOST_LINE_BYTES = 8 * 2**20
"""Of one line. A token with twenty alternatives takes a few thousand."""


class EventReader:
    r"""Takes bytes in pieces of any size and gives the data of each event.

    Lines are decoded when they are whole, so a character may be split between pieces. Of the
    fields only `data` counts; `error`, which some servers send as a field of its own, is given
    as data.

    Example:
        >>> reader = EventReader()
        >>> reader.feed(b'data: {"a"')
        []
        >>> reader.feed(b': 1}\n\n: a comment\n\ndata: [DONE]\n\n')
        ['{"a": 1}', '[DONE]']
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that `piece` completes.

        Raises:
            BrokenOffError: a line is too long, or is not UTF-8.
        """
        found: list[str] = []
        *whole, rest = piece.split(b"\n")
        for line in whole:
            self._line += line
            self._check()
            self._take(self._line.removesuffix(b"\r"), found)
            self._line.clear()
        self._line += rest
        self._check()
        return found

    def _check(self) -> None:
        if len(self._line) > MOST_LINE_BYTES:
            raise BrokenOffError(f"it sent a line of more than {MOST_LINE_BYTES:,} bytes")

    def _take(self, line: bytearray, found: list[str]) -> None:
        if not line:
            if self._data:
                found.append("\n".join(self._data))
                self._data.clear()
            return
        try:
            name, _, value = line.decode("utf-8").partition(":")
        except UnicodeDecodeError as error:
            raise BrokenOffError(f"it sent what is not UTF-8 ({error.reason})") from error
        if name in ("data", "error"):
            self._data.append(value.removeprefix(" "))
