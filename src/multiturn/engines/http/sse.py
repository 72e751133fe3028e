"""Parses server-sent events from bytes as they arrive.

This is not a library, because real servers deviate from the standard: some leave out blank
lines, some send errors as a field of their own, some never close the connection.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from multiturn.engines.http.errors import StreamInterruptedError

__all__ = ["DONE", "MAX_EVENT_BYTES", "SSEParser", "ServerEvent"]

MAX_EVENT_BYTES = 8 * 2**20
"""Limit of a line and of an event; a token with twenty alternatives takes a few thousand."""

DONE = "[DONE]"
"""The data of the last event of a stream in OpenAI's API."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of an answer."""

    data: str
    name: str = ""
    """The event type, where the server sends one: ``error``."""


class SSEParser:
    r"""Turns bytes, in pieces of any size, into events.

    Lines end with LF, CR or both, and are decoded once complete, so a piece may end inside a
    character. A data line that is a complete JSON object is an event at once, because some servers
    leave out the blank line after it. An event without data is dropped. A field `error`, which
    some servers send, becomes an event of that name.

    Example:
        >>> reader = SSEParser()
        >>> reader.feed(b'data: {"a"')
        []
        >>> [event.data for event in reader.feed(b': 1}\n\n: a comment\n\ndata: [DONE]\n\n')]
        ['{"a": 1}', '[DONE]']
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_return = False
        self._first = True
        self._data: list[str] = []
        self._size = 0
        self._name = ""

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """The events that `piece` completes.

        Raises:
            StreamInterruptedError: a line or an event is too long, or is not UTF-8.
        """
        found: list[ServerEvent] = []
        if not piece:
            return found
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]  # of CR LF
        self._after_return = piece.endswith(b"\r")
        *lines, rest = _LINE_END.split(piece)
        for line in lines:
            self._line += line
            self._check(len(self._line))
            self._take(bytes(self._line), found)
            self._line.clear()
        self._line += rest
        self._check(len(self._line))
        return found

    def end(self) -> list[ServerEvent]:
        """The event that the end of the stream completes.

        Raises:
            StreamInterruptedError: the last line is not UTF-8.
        """
        found: list[ServerEvent] = []
        self._take(bytes(self._line), found)
        self._line.clear()
        self._take(b"", found)
        return found

    def _check(self, size: int) -> None:
        if size > MAX_EVENT_BYTES:
            raise StreamInterruptedError(
                f"it sent a line or an event of more than {MAX_EVENT_BYTES:,} bytes"
            )

    def _take(self, line: bytes, found: list[ServerEvent]) -> None:
        if self._first:
            line, self._first = line.removeprefix(_BYTE_ORDER_MARK), False
        if not line:
            self._give("\n".join(self._data), found)
            self._name = ""
            return
        try:
            name, _, value = line.decode("utf-8").partition(":")
        except UnicodeDecodeError as error:
            raise StreamInterruptedError(f"it sent what is not UTF-8 ({error.reason})") from error
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value.strip()
        elif name == "error":
            found.append(ServerEvent(value, "error"))
        elif name == "data":
            self._data.append(value)
            self._size += len(line)
            self._check(self._size)
            if len(self._data) == 1 and _is_complete(value):
                self._give(value, found)

    def _give(self, data: str, found: list[ServerEvent]) -> None:
        self._data.clear()
        self._size = 0
        if data.strip():
            found.append(ServerEvent(data, self._name))


def _is_complete(data: str) -> bool:
    """Whether the first data line of an event is the entire event."""
    data = data.strip()
    if data == DONE:
        return True
    if not (data.startswith("{") and data.endswith("}")):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
