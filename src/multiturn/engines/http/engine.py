"""`HttpEngine`: servers with OpenAI's API behind the `Engine` protocol."""

from __future__ import annotations

import asyncio
import queue
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event as Flag

from multiturn.core.closing import Closing
from multiturn.core.errors import RetriesExhaustedError
from multiturn.engines.continuation import Continuation
from multiturn.engines.http.dialects import completion_body
from multiturn.engines.http.errors import StreamInterruptedError
from multiturn.engines.http.event_loop import BackgroundLoop
from multiturn.engines.http.generation import GenerationTask, generate_with_retries
from multiturn.engines.http.identity import Identity, tokenize
from multiturn.engines.http.parameters import ServerParameters
from multiturn.engines.http.server_pool import ServerPool
from multiturn.engines.http.settings import HttpSettings
from multiturn.engines.protocol import (
    Completion,
    EngineInfo,
    Event,
    FinishReason,
    Request,
    Timings,
)
from multiturn.engines.validation import check_features, check_open, check_text, check_window

__all__ = ["HttpEngine"]

_POLL_SECONDS = 0.05
"""How often the engine checks whether a request was cancelled."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A continuation ended without a completion."""

    index: int
    error: BaseException


_Events = queue.SimpleQueue[Event | _Ended]


class HttpEngine(Closing):
    """An `Engine` over one or several servers; made by `multiturn.engines.http.open.open_http`.

    The n continuations of a request are n concurrent requests to the servers, with seeds
    ``seed + i``. Whether the same seed gives the same text is up to the server:
    docs/http-engine.md says which servers do.
    """

    def __init__(
        self,
        background: BackgroundLoop,
        pool: ServerPool,
        identity: Identity,
        settings: HttpSettings,
        info: EngineInfo,
        parameters: ServerParameters,
    ) -> None:
        self._background = background
        self._pool = pool
        self._slots = asyncio.Semaphore(info.slots)
        self._identity = identity
        self._settings = settings
        self._parameters = parameters
        self._info = info
        self._closed = False
        # Ends the thread of an engine that is collected, or open at exit.
        self._end = weakref.finalize(self, background.close)

    @property
    def info(self) -> EngineInfo:
        """What the servers run."""
        return self._info

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """The number of tokens of `text` as a prompt.

        Where the servers do not count (`EngineInfo.exact_counts`), it is the number of bytes and
        one more, which no tokenizer over bytes or characters exceeds.
        """
        return self._count(text, parse_special)[0]

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """Generate all continuations concurrently. See `Engine.stream`."""
        started = time.perf_counter()
        check_features(request, self._info)
        prompt_tokens, prompt = self._count(request.prompt, request.parse_special)
        exact = self._info.exact_counts
        # An upper bound proves nothing; the server refuses a prompt that is too long.
        check_window(
            prompt_tokens if exact or not prompt_tokens else 1,
            request.max_tokens,
            self._info.context_window,
        )
        chat = self._settings.api == "chat"
        events: _Events = queue.SimpleQueue()
        tasks = [
            GenerationTask(
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
                emit=events.put,
            )
            for index in range(request.n)
        ]
        return self._stream(tasks, events, cancel or Flag())

    def close(self) -> None:
        """Cancel all requests. Safe to call twice."""
        self._closed = True
        self._end()

    def _count(self, text: str, parse_special: bool) -> tuple[int, str | list[int]]:
        """The number of tokens of a prompt, and the form in which it is sent."""
        check_open(self._closed)
        check_text(text)
        if not text:
            return 0, text
        if not self._info.exact_counts:
            return len(text.encode()) + 1, text
        tokens = self._background.run(self._tokenize(text, parse_special))
        # As ids the server cannot split the text otherwise, nor parse special tokens unasked.
        return len(tokens), tokens if self._settings.api == "completions" else text

    async def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        attempts = self._settings.retry.attempts
        for attempt in range(1, attempts + 1):
            server = await self._pool.choose()
            try:
                return await tokenize(
                    server.connection,
                    self._identity,
                    self._settings,
                    text,
                    parse_special=parse_special,
                )
            except StreamInterruptedError as fault:
                self._pool.report_failure(server, fault)
                if attempt == attempts:
                    raise RetriesExhaustedError(
                        f"no server counted tokens ({server.connection.address}: {fault.reason})",
                        fix="see to the server, and ask again",
                    ) from fault
        raise AssertionError("the last attempt returns or raises")

    async def _write(self, task: GenerationTask) -> None:
        async with self._slots:
            await generate_with_retries(task, self._pool, self._settings, self._parameters)

    def _stream(
        self, tasks: Sequence[GenerationTask], events: _Events, cancel: Flag
    ) -> Iterator[Event]:
        missing = {task.index: task for task in tasks}
        if cancel.is_set():
            yield from map(_nothing, tasks)
            return
        cancels = [
            self._background.start(self._write(task), partial(_tell_end, task.index, events))
            for task in tasks
        ]
        cancelled = False
        try:
            while missing:
                if cancel.is_set() and not cancelled:
                    cancelled = True
                    for stop in cancels:
                        stop()
                try:
                    event = events.get(timeout=_POLL_SECONDS)
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


def _nothing(task: GenerationTask) -> Completion:
    """The completion of what was cancelled before it began."""
    total = time.perf_counter() - task.started
    return Continuation(task.index, task.request.stop).completion(
        FinishReason.CANCELLED,
        prompt_tokens=task.prompt_tokens or 0,
        cached_tokens=0,
        timings=Timings(total, total),
        logprobs=task.request.logprobs,
    )
