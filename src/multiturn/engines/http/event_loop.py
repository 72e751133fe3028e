"""An asyncio event loop in a background thread, for synchronous callers."""

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
    """Runs coroutines in a background thread; `close` cancels them and ends the thread."""

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
        """Start a coroutine.

        Args:
            work: the coroutine.
            ended: called when it has ended, with the error if it raised one
                (`asyncio.CancelledError` if it was cancelled).

        Returns:
            A function that cancels it.

        Raises:
            EngineError: the loop is closed.
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
        """Run a coroutine and wait for its result.

        Raises:
            EngineError: the loop is closed, or was closed meanwhile.
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
        if threading.current_thread() is not self._thread:  # it is when garbage is collected there
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
    # Host names are resolved in threads.
    await asyncio.get_running_loop().shutdown_default_executor()


def _closed() -> EngineError:
    return EngineError("the engine is closed", fix="open it again")
