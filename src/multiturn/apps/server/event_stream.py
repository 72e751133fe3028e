"""Answers as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiturn.apps.server.clients import ClientLeftError, while_connected

__all__ = ["DONE", "EventStream", "event", "json_text"]

json_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Plain data as JSON on one line. (`json.dumps` would make an encoder for each call.)"""

DONE = b"data: [DONE]\n\n"
"""What OpenAI's clients take for the end of a stream."""


def event(data: Any, *, name: str | None = None, number: str | None = None) -> bytes:
    r"""One event, whose data is JSON on one line.

    Args:
        data: plain data.
        name: of the event; clients take none for ``message``.
        number: its id, with which a client may ask for what follows.

    Example:
        >>> event({"n": 1}, name="turn")
        b'event: turn\ndata: {"n":1}\n\n'
    """
    lines = [] if number is None else [f"id: {number}"]
    if name is not None:
        lines.append(f"event: {name}")
    lines.append(f"data: {json_text(data)}")
    return ("\n".join(lines) + "\n\n").encode("utf-8", "backslashreplace")


class EventStream(Response):
    """An answer that consists of events. If the client leaves, the generator is closed.

    Args:
        events: as bytes, from `event`, one or several at a time. Errors must be events too: the
            status is sent.
        close: called when nothing is sent any more.
        headers: besides the usual ones.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        close: Callable[[], None] = lambda: None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._events = events
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events as they come."""
        del scope
        try:
            async with aclosing(self._events):
                await while_connected(receive, self._send(send))
        except ClientLeftError:
            pass
        finally:
            self._close()

    async def _send(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async for each in self._events:
            await send({"type": "http.response.body", "body": each, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
