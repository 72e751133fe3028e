"""The thread that this project's own engines compute on, and the queue that leads to it."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any, ClassVar, TypeVar

from multiturn.core.errors import EngineError, MultiturnError
from multiturn.engines.pending_request import PendingRequest

__all__ = ["SchedulerThread"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Call:
    """A function to run on the scheduler's thread."""

    function: Callable[[], Any]
    result: Future[Any]


class SchedulerThread(ABC):
    """Takes requests and calls from any thread to one that computes.

    A subclass calls `_start` at the end of its constructor, and takes messages with `_receive`.
    """

    engine_name: ClassVar[str]
    """For messages about faults."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[PendingRequest | _Call | None] = queue.SimpleQueue()
        self._closing = False
        self._ended: MultiturnError | None = None
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="multiturn-scheduler", daemon=True)

    def submit(self, pending: PendingRequest) -> None:
        """Queue a request; its events arrive in `pending.events`."""
        self._send(pending)

    @abstractmethod
    def score(self, tokens: list[int]) -> list[float]:
        """The log-probability of each token but the first, given those before it.

        Computed between two steps, on the scheduler's thread.
        """

    def close(self) -> None:
        """Stop the thread; open streams fail. Safe to call twice."""
        with self._lock:
            self._closing = True
            self._inbox.put(None)
        self._thread.join()

    @abstractmethod
    def _loop(self) -> None:
        """Compute until `_closing` is set."""

    @abstractmethod
    def _open_requests(self) -> Iterable[PendingRequest]:
        """The requests that were received and are not finished; a request may come twice."""

    @abstractmethod
    def _free(self) -> None:
        """Drop all sequences and free the memory; nothing is computed any more."""

    def _start(self) -> None:
        self._thread.start()

    def _call(self, function: Callable[[], Result]) -> Result:
        """Run a function on the scheduler's thread between two steps, and wait for its result."""
        result: Future[Result] = Future()
        self._send(_Call(function, result))
        return result.result()

    def _receive(self, *, block: bool) -> PendingRequest | None:
        """Take the next message, and run it if it is a call.

        Args:
            block: whether to wait for one.

        Returns:
            The message if it is a request.

        Raises:
            queue.Empty: there is none.
        """
        message = self._inbox.get(block=block)
        if isinstance(message, _Call):
            self._answer(message)
            return None
        return message

    def _send(self, message: PendingRequest | _Call) -> None:
        with self._lock:
            if self._ended is not None:
                raise EngineError(self._ended.what) from self._ended
            self._inbox.put(message)

    def _run(self) -> None:
        error: MultiturnError = EngineError("the engine was closed", fix="open it again")
        try:
            self._loop()
        except MultiturnError as fault:
            error = fault
        except BaseException as fault:  # any error: no caller may wait forever
            error = self._as_engine_error(fault)
        self._end(error)

    def _end(self, error: MultiturnError) -> None:
        """Fail every open request and call, and free the memory."""
        with self._lock:
            self._ended = error
        open_requests = dict.fromkeys(self._open_requests())
        while not self._inbox.empty():
            message = self._inbox.get()
            if isinstance(message, PendingRequest):
                open_requests[message] = None
            elif message is not None:
                message.result.set_exception(error)
        for pending in open_requests:
            pending.fail(error)
        self._free()

    def _answer(self, call: _Call) -> None:
        try:
            call.result.set_result(call.function())
        except MultiturnError as error:
            call.result.set_exception(error)
        except Exception as fault:
            call.result.set_exception(self._as_engine_error(fault))

    def _as_engine_error(self, fault: BaseException) -> EngineError:
        what = f"the {self.engine_name} engine failed: {type(fault).__name__}: {fault}"
        error = EngineError(what)
        error.__cause__ = fault
        return error
