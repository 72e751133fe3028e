"""Connections that a client opened and does not use: their number and their time are bounded.

uvicorn waits for the first request of a connection without a limit, so that connections that send
nothing, or a byte now and then, would use up the process's file descriptors. It also takes apart
all that has arrived at once, which may be forty thousand chunks of a byte.
"""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from multiturn.apps.server.settings import ServerSettings

__all__ = ["bounded_protocol", "raise_descriptor_limit"]

_PART_BYTES = 4096
_PART_SECONDS = 0.005


def bounded_protocol(settings: ServerSettings) -> type[H11Protocol]:
    """The protocol class of a server with these limits."""

    class BoundedProtocol(H11Protocol):
        """HTTP/1.1 whose idle connections are closed."""

        _deadline: asyncio.TimerHandle | None = None
        _waits_since = 0.0
        _unread: asyncio.TimerHandle | None = None
        _received = b""
        """What has arrived and is not taken apart yet; while there is some, no more is read."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                self._close_longest_idle()
            self._await_request()

        def data_received(self, data: bytes) -> None:
            """Take it apart for a moment, and the rest after the others' turn."""
            goes_on_anyway, self._received = bool(self._received), self._received + data
            if not goes_on_anyway:
                self._take_apart()

        def _take_apart(self) -> None:
            data, at, until = self._received, 0, time.thread_time() + _PART_SECONDS
            while at < len(data) and not self.transport.is_closing():
                super().data_received(data[at : at + _PART_BYTES])
                at += _PART_BYTES
                if at < len(data) and time.thread_time() > until:
                    self._received = data[at:]
                    self.transport.pause_reading()
                    self.loop.call_soon(self._take_apart)
                    return
            if self._received:
                self._received = b""
                if not self.flow.read_paused:
                    self.transport.resume_reading()

        def handle_events(self) -> None:
            super().handle_events()
            if self._reads_request():
                if self._deadline is None:
                    self._await_request()
            else:
                self._stop_waiting()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._waits_since = self.loop.time()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.loop.call_later(settings.write_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._read()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self._read()
            super().connection_lost(exc)

        def _read(self) -> None:
            """The client reads again, or is gone."""
            if self._unread is not None:
                self._unread.cancel()
                self._unread = None

        def _reads_request(self) -> bool:
            """Whether a request, or the rest of one, is yet to arrive."""
            cycle = cast(RequestResponseCycle | None, self.cycle)  # None before the first request
            return cycle is None or cycle.response_complete or cycle.more_body

        def _await_request(self) -> None:
            self._waits_since = self.loop.time()
            self._deadline = self.loop.call_later(settings.read_seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            if not self.transport.is_closing() and self._reads_request():
                self.transport.abort()

        def _close_longest_idle(self) -> None:
            idle = [
                each
                for each in self.connections
                if isinstance(each, BoundedProtocol) and each is not self and each._reads_request()
            ]
            if idle:
                min(idle, key=lambda each: each._waits_since).transport.abort()
            else:
                self.transport.abort()

    return BoundedProtocol


def raise_descriptor_limit(wanted: int) -> None:
    """Let this process open `wanted` files more than usual, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    target: Any = wanted + 1024
    if soft != unlimited and soft < target:
        limit = target if hard == unlimited else min(target, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
