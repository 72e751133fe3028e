"""An asyncio loop in a thread of its own, for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from multiturn.core.errors import EngineError

__all__ = ["BackgroundLoop"]

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines beside the program. `close` ends the thread and all that runs in it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def start(
        self,
        work: Coroutine[Any, Any, None],
        ended: Callable[[BaseException | None], None],
    ) -> Callable[[], None]:
        """Begin `work`.

        Args:
            work: what to do.
            ended: is told when it has really ended, and of the error if one ended it;
                `asyncio.CancelledError` where it was cancelled.

        Returns:
            What cancels it.

        Raises:
            EngineError: it is closed.
        """
        task: asyncio.Task[None] | None = None

        def begin() -> None:
            nonlocal task
            task = self._loop.create_task(work)
            task.add_done_callback(
                lambda done: ended(
                    asyncio.CancelledError() if done.cancelled() else done.exception()
                )
            )

        self._soon(begin, otherwise=work.close)
        return lambda: self._soon(lambda: task and task.cancel(), otherwise=lambda: None)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` and wait for it.

        Raises:
            EngineError: it is closed, or was meanwhile.
        """
        with self._closing:
            if self._closed:
                work.close()
                raise _closed()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise _closed() from error
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel everything and end the thread. Safe to call twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            ending = asyncio.run_coroutine_threadsafe(_end_all(), self._loop)
            ending.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        if threading.current_thread() is not self._thread:  # else collected as garbage in it
            self._thread.join()
            self._loop.close()

    def _soon(self, what: Callable[[], object], *, otherwise: Callable[[], None]) -> None:
        with self._closing:
            if not self._closed:
                self._loop.call_soon_threadsafe(what)
                return
        otherwise()


async def _end_all() -> None:
    this = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not this]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # Names of hosts are looked up in threads.
    await asyncio.get_running_loop().shutdown_default_executor()


def _closed() -> EngineError:
    return EngineError("the engine is closed", fix="open it again")
