"""Parses the body of an answer, whatever its form, into events.

The engine requests a stream of server-sent events. Servers answer with that under any content
type, with one JSON object, with a JSON object on each line, or with a web page. The first byte
distinguishes these; the content type does not.
"""

from __future__ import annotations

import json

from multiturn.engines.http.errors import StreamInterruptedError, message_in
from multiturn.engines.http.sse import ServerEvent, SSEParser

__all__ = ["MAX_RESPONSE_BYTES", "ResponseParser"]

MAX_RESPONSE_BYTES = 64 * 2**20
"""Limit of an answer that is not a stream."""

_MAX_TRIES = 64
"""How often to try to parse an incomplete object, before waiting for the end of the answer."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ResponseParser:
    r"""Turns bytes, in pieces of any size, into events.

    Example:
        >>> reader = ResponseParser()
        >>> reader.feed(b'{"choices": ['), reader.feed(b']}')
        ([], [ServerEvent(data='{"choices": []}', name='answer')])
    """

    def __init__(self) -> None:
        self._events: SSEParser | None = None
        self._held = bytearray()
        self._in_lines = True
        self._tries = 0

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """The events that `piece` completes.

        Raises:
            StreamInterruptedError: it is too long, or is not UTF-8.
        """
        if self._events is not None:
            return self._events.feed(piece)
        self._held += piece
        if len(self._held) > MAX_RESPONSE_BYTES:
            raise StreamInterruptedError(f"its answer has more than {MAX_RESPONSE_BYTES:,} bytes")
        first = self._held.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
        if not first or (len(self._held) < 3 and _BYTE_ORDER_MARK.startswith(self._held)):
            return []
        if first not in b"{[<":
            self._events = SSEParser()
            held, self._held = bytes(self._held), bytearray()
            return self._events.feed(held)
        return self._objects() if first != b"<" else []

    def end(self) -> list[ServerEvent]:
        """The events that the end of the answer completes.

        Raises:
            StreamInterruptedError: the answer is a web page, or is not UTF-8.
        """
        if self._events is not None:
            return self._events.end()
        rest = bytes(self._held).removeprefix(_BYTE_ORDER_MARK).strip()
        self._held.clear()
        if not rest:
            return []
        text = rest.decode("utf-8", "replace")
        if rest.startswith(b"<"):
            raise StreamInterruptedError(f"it answered with a web page ({message_in(text)[:160]})")
        return [ServerEvent(text, "answer")]

    def _objects(self) -> list[ServerEvent]:
        """The complete objects so far: one on each line, or one over several lines."""
        found: list[ServerEvent] = []
        while self._in_lines and b"\n" in self._held:
            line, _, rest = bytes(self._held).partition(b"\n")
            if line.strip() and not _is_object(line):
                self._in_lines = False
                break
            self._held = bytearray(rest)
            if line.strip():
                found.append(_event(line))
        if self._tries < _MAX_TRIES and self._held.rstrip().endswith(b"}"):
            self._tries += 1
            held = bytes(self._held)
            if _is_object(held):
                self._held.clear()
                self._tries = 0
                found.append(_event(held))
        return found


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data.removeprefix(_BYTE_ORDER_MARK)), dict)
    except (ValueError, RecursionError):
        return False


def _event(data: bytes) -> ServerEvent:
    text = data.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace").strip()
    return ServerEvent(text, "answer")
