"""The engine over HTTP: prompts go to servers, continuations come back as they are written."""

from __future__ import annotations

import asyncio
import queue
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event as Flag
from types import TracebackType
from typing import Self

from multiturn.core.errors import EngineError
from multiturn.engines.continuation import Continuation
from multiturn.engines.http.background import Background
from multiturn.engines.http.dialects import completion_body
from multiturn.engines.http.faults import BrokenOffError
from multiturn.engines.http.fleet import Fleet
from multiturn.engines.http.identity import Identity, tokenize
from multiturn.engines.http.parameters import ServerParameters
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.http.writing import Order, write
from multiturn.engines.protocol import (
    Completion,
    EngineInfo,
    Event,
    FinishReason,
    Request,
    Timings,
)
from multiturn.engines.validation import check_open, check_text, check_window

__all__ = ["HttpEngine"]

_LOOK = 0.05
"""Seconds between two looks at whether a request was cancelled."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A continuation ended without a completion."""

    index: int
    error: BaseException


_Events = queue.SimpleQueue[Event | _Ended]


class HttpEngine:
    """An `Engine` over one or several servers; made by `multiturn.engines.http.open.open_http`.

    The n continuations of a request are n requests to the servers, with seeds ``seed + i``, side
    by side. What the same seed gives is the server's promise, not this engine's:
    docs/http-engine.md says which servers keep it.
    """

    def __init__(
        self,
        background: Background,
        fleet: Fleet,
        identity: Identity,
        settings: HttpSettings,
        info: EngineInfo,
        parameters: ServerParameters,
    ) -> None:
        self._background = background
        self._fleet = fleet
        self._slots = asyncio.Semaphore(info.slots)
        self._identity = identity
        self._settings = settings
        self._parameters = parameters
        self._info = info
        self._closed = False
        # An engine that is forgotten, or open when the program ends, leaves no thread.
        self._end = weakref.finalize(self, background.close)

    @property
    def info(self) -> EngineInfo:
        """What the servers run."""
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """How many tokens `text` takes as a prompt.

        Where the servers do not count (`EngineInfo.exact_counts`), the number of its bytes and
        one more, which no tokenizer that starts from bytes or characters exceeds.
        """
        return self._count(text, parse_special)[0]

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Write the continuations side by side. See `Engine.stream`."""
        started = time.perf_counter()
        prompt_tokens, prompt = self._count(request.prompt, request.parse_special)
        exact = self._info.exact_counts
        # A bound that does not fit proves nothing; the server then refuses what is too long.
        check_window(
            prompt_tokens if exact or not prompt_tokens else 1,
            request.max_tokens,
            self._info.context_window,
        )
        chat = self._settings.api == "chat"
        events: _Events = queue.SimpleQueue()
        orders = [
            Order(
                index=index,
                request=request,
                path="chat/completions" if chat else "completions",
                body=completion_body(
                    self._identity.kind,
                    self._settings,
                    self._identity.model,
                    request,
                    index,
                    prompt,
                ),
                prompt_tokens=prompt_tokens if exact else None,
                started=started,
                live=self._settings.live,
                give=events.put,
            )
            for index in range(request.n)
        ]
        return self._stream(orders, events, cancel or Flag())

    def close(self) -> None:
        """Break off what is being written and end. Safe to call twice."""
        self._closed = True
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _count(self, text: str, parse_special: bool) -> tuple[int, str | list[int]]:
        """How many tokens a prompt has, and the form in which it is sent."""
        check_open(self._closed)
        check_text(text)
        if not text:
            return 0, text
        if not self._info.exact_counts:
            return len(text.encode()) + 1, text
        tokens = self._background.run(self._tokenize(text, parse_special))
        # Ids mean the same to the server however it would split the text by itself; special
        # tokens are in them only where they were asked for.
        return len(tokens), tokens if self._settings.api == "completions" else text

    async def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        patience = self._settings.patience
        for attempt in range(1, patience.attempts + 1):
            server = await self._fleet.choose()
            try:
                return await tokenize(
                    server.connection,
                    self._identity,
                    self._settings,
                    text,
                    parse_special=parse_special,
                )
            except BrokenOffError as fault:
                self._fleet.failed(server, fault)
                if attempt == patience.attempts:
                    raise EngineError(
                        f"no server counted tokens ({server.connection.address}: {fault.reason})",
                        fix="see to the server, and ask again",
                    ) from fault
        raise AssertionError("the last attempt returns or raises")

    async def _write(self, order: Order) -> None:
        async with self._slots:
            await write(order, self._fleet, self._settings.patience, self._parameters)

    def _stream(self, orders: Sequence[Order], events: _Events, cancel: Flag) -> Iterator[Event]:
        missing = {order.index: order for order in orders}
        if cancel.is_set():
            yield from map(_nothing, orders)
            return
        cancels = [
            self._background.start(self._write(order), partial(_tell_end, order.index, events))
            for order in orders
        ]
        cancelled = False
        try:
            while missing:
                if cancel.is_set() and not cancelled:
                    cancelled = True
                    for stop in cancels:
                        stop()
                try:
                    event = events.get(timeout=_LOOK)
                except queue.Empty:
                    check_open(self._closed)
                    continue
                if isinstance(event, _Ended):
                    if event.index not in missing:
                        continue
                    if not isinstance(event.error, asyncio.CancelledError):
                        raise event.error
                    check_open(self._closed)
                    yield _nothing(missing.pop(event.index))  # it still waited for a slot
                    continue
                if isinstance(event, Completion):
                    if event.finish_reason is FinishReason.CANCELLED:
                        check_open(self._closed)
                    del missing[event.index]
                yield event
        finally:
            for stop in cancels:
                stop()


def _tell_end(index: int, events: _Events, error: BaseException | None) -> None:
    if error is not None:
        events.put(_Ended(index, error))


def _nothing(order: Order) -> Completion:
    """The completion of what was cancelled before it began."""
    total = time.perf_counter() - order.started
    return Continuation(order.index, order.request.stop).completion(
        FinishReason.CANCELLED,
        prompt_tokens=order.prompt_tokens or 0,
        cached_tokens=0,
        timings=Timings(total, total),
        logprobs=order.request.logprobs,
    )
