"""One call of the engine: threads of the engine fill a buffer, the event loop empties it.

The threads never wait for the client. Text that it does not read stays in the buffer, up to a
limit, beyond which the generation is cancelled. The turn at the engine ends when the engine is
done, not when the client has read everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from threading import Event as Flag
from threading import Lock
from typing import Self

from multiturn.apps.server.admission import Admission
from multiturn.apps.server.errors import ApiError
from multiturn.engines.protocol import Completion, Delta, Engine, Event, Request

__all__ = ["MAX_EVENTS", "EngineCall", "GenerationListener", "Item"]

MAX_EVENTS = 64
"""That are taken at once: what is made of them is computed in the event loop."""

_EVENT_BYTES = 200
"""About what an event takes besides its text."""

Item = tuple[int, Event]
"""The number of the request, and one of its events."""


class GenerationListener:
    """Is called with what happens to a generation; this one ignores it."""

    def on_first_token(self, seconds: float) -> None:
        """The first text arrived, so long after the call."""

    def on_completion(self, completion: Completion) -> None:
        """A continuation is complete."""

    def on_end(self, outcome: str) -> None:
        """It has ended: ``completed``, ``cancelled``, ``slow_reader``, ``stopped``, ``failed``."""


class EngineCall:
    """The continuations of some requests, as an asynchronous iterator over lists of their events.

    `start` begins it, `close` cancels what is unfinished. Belongs to one event loop.

    Args:
        engine: generates.
        requests: of one call.
        admission: decides when it begins.
        threads: one is used for each request.
        max_buffered_bytes: see `ServerSettings`.
        listener: called on the event loop.

    Iterating raises what the engine raises, and `ApiError` if the client reads too slowly or the
    server stops.
    """

    def __init__(
        self,
        engine: Engine,
        requests: Sequence[Request],
        *,
        admission: Admission,
        threads: Executor,
        max_buffered_bytes: int,
        listener: GenerationListener,
    ) -> None:
        self._engine = engine
        self._requests = requests
        self._admission = admission
        self._threads = threads
        self._max_buffered_bytes = max_buffered_bytes
        self._listener = listener
        self._weight = admission.clamp(sum(request.n for request in requests))
        self._cancel = Flag()
        self._lock = Lock()
        self._posted: list[tuple[int, Event | BaseException | None]] = []
        self._items: deque[Item] = deque()
        self._buffered = 0
        """Bytes that threads have posted and the client has not read."""
        self._overflowed = False
        self._arrived = asyncio.Event()
        self._open = 0
        """Threads that have not ended."""
        self._fault: BaseException | None = None
        self._outcome = "completed"
        self._called = time.perf_counter()
        self._began = self._called
        self._has_text = False

    async def start(self) -> None:
        """Wait for a turn at the engine, begin, and wait for the first event.

        Raises:
            ApiError: the call is refused.
            MultiturnError: the engine refuses it.
        """
        await self._admission.enter(self._weight)
        self._began = time.perf_counter()
        loop = asyncio.get_running_loop()
        self._open = len(self._requests)
        for number, request in enumerate(self._requests):
            self._threads.submit(self._run, loop, number, request)
        try:
            await self._wait()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Cancel what is unfinished. Safe to call twice."""
        if self._open and not self._cancel.is_set():
            self._end_early("cancelled", None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Item]:
        """The events that wait, up to `MAX_EVENTS`; at least one.

        Successive deltas of a continuation are joined.
        """
        await self._wait()
        if not self._items:
            raise StopAsyncIteration
        found: list[Item] = []
        while self._items and len(found) < MAX_EVENTS:
            number, event = self._items.popleft()
            if isinstance(event, Delta):
                event = self._joined(number, event)
            found.append((number, event))
        return found

    def stop(self) -> None:
        """Cancel it because the server stops; the client learns that it may ask again."""
        self._end_early(
            "stopped", ApiError(503, "the server is stopping", code="stopping", retry_after=5)
        )

    async def _wait(self) -> None:
        """Wait for an event, or for the end."""
        while not self._items and (self._open or self._fault is not None):
            if self._fault is not None:
                raise self._fault
            self._arrived.clear()
            await self._arrived.wait()

    def _joined(self, number: int, delta: Delta) -> Delta:
        more: list[Delta] = []
        while self._items:
            other, event = self._items[0]
            if other != number or not isinstance(event, Delta) or event.index != delta.index:
                break
            self._items.popleft()
            more.append(event)
        with self._lock:
            self._buffered -= _size(delta) + sum(map(_size, more))
        if not more:  # as usual
            return delta
        every = (delta, *more)
        tokens = tuple(token for each in every for token in each.tokens)
        return Delta(delta.index, "".join(each.text for each in every), tokens)

    def _end_early(self, outcome: str, fault: BaseException | None) -> None:
        if self._fault is None and self._open:
            self._outcome, self._fault = outcome, fault
        self._cancel.set()
        self._arrived.set()

    def _run(self, loop: asyncio.AbstractEventLoop, number: int, request: Request) -> None:
        """Generate one request, on a thread."""
        try:
            if not self._cancel.is_set():
                for event in self._engine.stream(request, cancel=self._cancel):
                    self._post(loop, number, event)
        except BaseException as error:  # any error: the client must not wait forever
            self._post(loop, number, error)
        finally:
            self._post(loop, number, None)

    def _post(
        self, loop: asyncio.AbstractEventLoop, number: int, item: Event | BaseException | None
    ) -> None:
        """Hand an item to the event loop. One wake-up serves all items that wait for it."""
        with self._lock:
            self._posted.append((number, item))
            if isinstance(item, Delta):
                self._buffered += _size(item)
                if self._buffered > self._max_buffered_bytes:
                    self._overflowed = True
                    self._cancel.set()
            if len(self._posted) > 1:
                return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        """Take what the threads posted, on the event loop."""
        with self._lock:
            posted, self._posted = self._posted, []
        if self._overflowed and self._fault is None:
            self._items.clear()
            message = "the client reads more slowly than the model writes; it was cut off"
            self._end_early("slow_reader", ApiError(503, message, code="slow_reader"))
        for number, item in posted:
            if item is None:
                self._open -= 1
            elif isinstance(item, BaseException):
                self._end_early("failed", item)
            else:
                self._buffer(number, item)
        self._arrived.set()
        if not self._open:
            self._admission.leave(self._weight, time.perf_counter() - self._began)
            self._listener.on_end(self._outcome)

    def _buffer(self, number: int, event: Event) -> None:
        if isinstance(event, Completion):
            self._listener.on_completion(event)
        if self._cancel.is_set():
            return
        if isinstance(event, Delta) and not self._has_text:
            self._has_text = True
            self._listener.on_first_token(time.perf_counter() - self._called)
        self._items.append((number, event))


def _size(delta: Delta) -> int:
    return len(delta.text) + _EVENT_BYTES * (1 + len(delta.tokens))
