"""The thread that owns the device: who joins the batch, what is read, what is decoded.

It goes round in one loop: take in new requests; drop those that nobody wants any more; read
prompts and let their continuations join; start a block; and, while the device works on it,
look at the text of the block before. Tokens that were decoded past a stop are discarded.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any, TypeVar

import jax
import numpy as np

from multiturn.core.errors import EngineError, MultiturnError
from multiturn.engines.continuation import Continuation
from multiturn.engines.jax import steps
from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.batch import Batch, Written
from multiturn.engines.jax.reading import Reader, Reading
from multiturn.engines.jax.tickets import Job, Ticket
from multiturn.engines.protocol import FinishReason

__all__ = ["Scheduler"]

_TOKENS_BETWEEN_BLOCKS = 256
"""How much is read, about, while others wait for their next token."""

_BLOCK_SECONDS = 0.04
"""How long a block should take: long beside what the host does, short to somebody reading."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Call:
    """Something to be done on the scheduler's thread."""

    what: Callable[[], Any]
    answer: Future[Any]


class Scheduler:
    """Writes the continuations of tickets; made, asked and closed from any thread.

    Args:
        backend: what computes the model.
        weights: for the backend.
        ends: tokens that end a text.
        token_bytes: the bytes of a token.
        cache_bytes: how much memory may keep prefixes that were read.
    """

    def __init__(
        self,
        backend: Backend,
        weights: Any,
        *,
        ends: tuple[int, ...],
        token_bytes: Callable[[int], bytes],
        cache_bytes: int,
    ) -> None:
        self._backend = backend
        self._ends = frozenset(ends)
        self._token_bytes = token_bytes
        self._reader = Reader(backend, weights, cache_bytes)
        self._batch = Batch(backend, weights, ends)
        self._inbox: queue.SimpleQueue[Ticket | _Call | None] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._reading: dict[Job, Reading] = {}
        self._running: deque[Written] = deque()
        self._step_seconds = _BLOCK_SECONDS
        self._settled: float | None = None
        self._closing = False
        self._ended: MultiturnError | None = None
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="multiturn-sampler", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Begin to write; the events come to the ticket."""
        self._send(ticket)

    def call(self, what: Callable[[Reader], Result]) -> Result:
        """Do something with the device between two blocks, and wait for what comes of it."""
        answer: Future[Result] = Future()
        self._send(_Call(lambda: what(self._reader), answer))
        return answer.result()

    def close(self) -> None:
        """Stop the thread; streams that are still open fail. Safe to call twice."""
        with self._lock:
            self._closing = True
            self._inbox.put(None)
        self._thread.join()

    def _send(self, message: Ticket | _Call) -> None:
        with self._lock:
            if self._ended is not None:
                raise EngineError(self._ended.what) from self._ended
            self._inbox.put(message)

    def _run(self) -> None:
        error: MultiturnError = EngineError("the engine was closed", fix="open it again")
        try:
            self._go_round()
        except MultiturnError as fault:
            error = fault
        except BaseException as fault:  # whatever it is, nobody may wait for ever
            error = _as_engine_error(fault)
        self._end(error)

    def _end(self, error: MultiturnError) -> None:
        """Tell everybody who waits, and let the memory go."""
        with self._lock:
            self._ended = error
        jobs = [*self._waiting, *self._reading, *self._batch.jobs.values()]
        tickets = {id(job.ticket): job.ticket for job in jobs}
        while not self._inbox.empty():
            message = self._inbox.get()
            if isinstance(message, Ticket):
                tickets[id(message)] = message
            elif message is not None:
                message.answer.set_exception(error)
        for ticket in tickets.values():
            ticket.fail(error)
        self._waiting.clear()
        self._running.clear()
        self._reading.clear()
        self._batch.close()
        self._reader.close()

    def _go_round(self) -> None:
        while not self._closing:
            self._take_in()
            self._drop_unwanted()
            self._read_and_join()
            if self._batch.jobs:
                self._running.append(self._batch.decode(self._block_length()))
            # One block runs ahead; the one before it is looked at meanwhile.
            if len(self._running) > 1 or (self._running and not self._batch.jobs):
                self._settle(self._running.popleft())
                if not (self._waiting or self._reading):
                    self._batch.shrink()
            elif not (self._running or self._waiting or self._reading):
                self._batch.shrink()
                self._settled = None

    def _take_in(self) -> None:
        """Take new messages; wait for one where there is nothing else to do."""
        busy = bool(self._waiting or self._batch.jobs or self._running or self._reading)
        while not self._closing:
            if not busy and self._inbox.empty() and self._reader.catch_up():
                continue
            try:
                message = self._inbox.get(block=not busy)
            except queue.Empty:
                return
            if isinstance(message, Ticket):
                for index in range(message.request.n):
                    text = Continuation(index, message.request.stop)
                    self._waiting.append(Job(message, text))
                busy = True
            elif message is not None:
                _answer(message)

    def _drop_unwanted(self) -> None:
        # Asked once: who cancels meanwhile must be neither forgotten nor told twice.
        unwanted = {job for job in (*self._waiting, *self._reading) if job.ticket.unwanted}
        for job in unwanted:
            job.finish(FinishReason.CANCELLED)
        self._forget(unwanted.__contains__)
        for job in list(self._batch.jobs.values()):
            if job.ticket.unwanted:
                self._finish(job, FinishReason.CANCELLED)

    def _forget(self, unwanted: Callable[[Job], bool]) -> None:
        """Neither wait for some jobs any more nor read for them."""
        self._waiting = deque(job for job in self._waiting if not unwanted(job))
        self._reading = {
            job: reading for job, reading in self._reading.items() if not unwanted(job)
        }

    def _read_and_join(self) -> None:
        """Read prompts, many at once, and let jobs join while there is room."""
        self._begin_reading()
        unread = [reading for reading in self._reading.values() if not reading.done]
        self._reader.read_pieces(unread, _TOKENS_BETWEEN_BLOCKS)
        read = [(job, reading) for job, reading in self._reading.items() if reading.done]
        for place, (job, reading) in enumerate(read, start=1):
            del self._reading[job]
            job.prefix = self._reader.finish(reading)
            others = len(read) - place + len(self._reading) + len(self._waiting)
            self._batch.join(job, job.prefix, others=others)

    def _begin_reading(self) -> None:
        """Begin to read for those who wait: for as many as there will be rows for, and no more
        than is soon read, since each takes the memory of its whole prompt.
        """
        later: deque[Job] = deque()
        unread = sum(reading.unread for reading in self._reading.values())
        while (
            self._waiting
            and len(self._reading) < self._batch.free
            and unread < 2 * _TOKENS_BETWEEN_BLOCKS
        ):
            job = self._waiting.popleft()
            tokens, session = job.ticket.prompt[:-1], job.ticket.request.session
            if self._reader.better_later(tokens, session, tuple(self._reading.values())):
                later.append(job)
                continue
            reading = self._reader.begin(tokens, session)
            job.cached_tokens = reading.cached
            self._reading[job] = reading
            unread += reading.unread
        self._waiting = later + self._waiting

    def _block_length(self) -> int:
        steps_in_time = int(_BLOCK_SECONDS / max(self._step_seconds, 1e-6))
        return max(1, min(steps.LONGEST_BLOCK, steps_in_time))

    def _settle(self, written: Written) -> None:
        """Look at what a block wrote."""
        tokens, logprobs = jax.device_get((written.block.tokens, written.block.logprobs))
        self._measure(int(np.sum(np.any(tokens != steps.NOTHING, axis=1))))
        for row, job in written.jobs.items():
            if job.done:
                continue
            count = int(np.sum(tokens[:, row] != steps.NOTHING))
            ids: list[int] = tokens[:count, row].tolist()
            pieces = [self._piece(token) for token in ids]
            try:
                job.write(ids, pieces, logprobs[:count, row].tolist())
            except Exception as error:  # a stop rule is the caller's code
                self._fail(job.ticket, error)
                continue
            reason = self._end_of(job)
            if reason is not None:
                self._finish(job, reason)

    def _piece(self, token: int) -> bytes:
        return b"" if token in self._ends else self._token_bytes(token)

    def _end_of(self, job: Job) -> FinishReason | None:
        written = job.continuation.tokens
        if job.continuation.cut is not None:
            return FinishReason.STOP
        if written and written[-1] in self._ends:
            return FinishReason.END_OF_TEXT
        if len(written) == job.ticket.request.max_tokens:
            return FinishReason.LENGTH
        return None

    def _finish(self, job: Job, reason: FinishReason) -> None:
        request = job.ticket.request
        # Of several continuations nobody knows which one the session goes on from.
        if request.session is not None and request.n == 1 and job.row is not None:
            self._keep_written(job, request.session)
        self._let_go(job)
        job.finish(reason)

    def _keep_written(self, job: Job, session: str) -> None:
        """Let the next turn of the session build on what was written."""
        written = [token for token in job.continuation.tokens if token not in self._ends]
        whole = job.ticket.prompt + written
        if self._backend.seamless:
            # The last token was not read: the next step would have done it.
            self._reader.keep(whole[:-1], self._batch.held(job, len(whole) - 1), session)
        else:
            self._reader.read_later(whole, session)

    def _let_go(self, job: Job) -> None:
        self._batch.leave(job)
        if job.prefix is not None:
            self._reader.release(job.prefix)
            job.prefix = None

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        """End one request whose own code failed; the others go on."""
        for job in [job for job in self._batch.jobs.values() if job.ticket is ticket]:
            self._let_go(job)
            job.done = True
        self._forget(lambda job: job.ticket is ticket)
        ticket.events.put(error)

    def _measure(self, count: int) -> None:
        """Keep a running mean of the time that one step takes."""
        now = time.perf_counter()
        if count and self._settled is not None:
            # A compilation or the reading of a prompt in between says little about a step.
            taken = min((now - self._settled) / count, 10 * _BLOCK_SECONDS)
            self._step_seconds += 0.3 * (taken - self._step_seconds)
        self._settled = now


def _answer(call: _Call) -> None:
    try:
        call.answer.set_result(call.what())
    except MultiturnError as error:
        call.answer.set_exception(error)
    except Exception as fault:
        call.answer.set_exception(_as_engine_error(fault))


def _as_engine_error(fault: BaseException) -> EngineError:
    error = EngineError(f"the sampler failed: {type(fault).__name__}: {fault}")
    error.__cause__ = fault
    return error
