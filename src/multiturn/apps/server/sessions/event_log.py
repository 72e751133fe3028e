"""Writes the events of all jobs, and shows them to whoever listens.

One thread stores what has come from all jobs in one transaction, a few dozen times per second.
Only what is stored is shown, so that a kill of the server loses nothing that anybody saw.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from multiturn.core.closing import Closing
from multiturn.core.errors import MultiturnError
from multiturn.synthesis.jobs import Job, JobEvent, JobState, JobStore, NewEvent

__all__ = ["EventLog", "Listener"]

_BATCH_SECONDS = 0.03
"""Between two transactions, at least: text appears as smoothly as a screen can show it."""

_POLL_SECONDS = 0.5
"""How soon changes by other processes are seen."""

_MAX_BATCH = 500
_MAX_RECENT_CHARACTERS = 1 << 20
_MAX_SESSIONS = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _End:
    job: Job
    state: JobState
    error: Mapping[str, Any] | None
    done: threading.Event


class _Recent:
    """The last events of a session, without a gap."""

    def __init__(self) -> None:
        self._events: deque[JobEvent] = deque()
        self._characters = 0

    def add(self, event: JobEvent) -> None:
        if self._events and self._events[-1].number + 1 != event.number:
            self._events.clear()  # another process wrote in between
            self._characters = 0
        self._events.append(event)
        self._characters += len(event.data)
        while self._characters > _MAX_RECENT_CHARACTERS:
            self._characters -= len(self._events.popleft().data)

    def after(self, number: int, max_count: int) -> tuple[JobEvent, ...] | None:
        """The next events after a number; None if they are not here."""
        if not self._events or self._events[0].number > number + 1:
            return None
        start = max(number + 1 - self._events[0].number, 0)
        return tuple(islice(self._events, start, start + max_count))


class Listener:
    """Wakes one reader of a session, in its event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._changed = True

    def wake(self, *, changed: bool = False) -> None:
        """Wake the reader; any thread may call it. `changed`: not by new events alone."""
        if changed:
            self._changed = True
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._event.set)

    def take(self) -> bool:
        """Forget earlier wakes; returns whether the session may have changed otherwise."""
        self._event.clear()
        changed, self._changed = self._changed, False
        return changed

    async def wait(self, seconds: float) -> bool:
        """Wait to be woken; returns False if nothing woke the reader in so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


class EventLog(Closing):
    """The events of all jobs, on their way to the store and to readers.

    Args:
        jobs: stores them.
        on_failure: called with a job whose events cannot be stored, and the error; from the
            thread that writes.
    """

    def __init__(
        self, jobs: JobStore, on_failure: Callable[[str, str, MultiturnError], None]
    ) -> None:
        self._jobs = jobs
        self._on_failure = on_failure
        self._arrived: SimpleQueue[NewEvent | _End | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Listener]] = {}
        self._recent: OrderedDict[str, _Recent] = OrderedDict()
        self._thread = threading.Thread(target=self._write, name="multiturn-events", daemon=True)
        self._thread.start()

    def put(self, event: NewEvent) -> None:
        """Store an event and show it. Returns at once."""
        self._arrived.put(event)

    def end(self, job: Job, state: JobState, error: Mapping[str, Any] | None = None) -> None:
        """End a job, after the events that were put before. Returns when that is stored."""
        done = threading.Event()
        self._arrived.put(_End(job, state, error, done))
        done.wait()

    def recent(self, session_id: str, after: int, *, max_count: int) -> tuple[JobEvent, ...] | None:
        """The next events after a number, if they are in memory."""
        with self._lock:
            found = self._recent.get(session_id)
            return None if found is None else found.after(after, max_count)

    @contextmanager
    def listen(self, session_id: str) -> Iterator[Listener]:
        """A listener to a session, in the event loop of the caller."""
        listener = Listener()
        with self._lock:
            self._listeners.setdefault(session_id, set()).add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners[session_id].discard(listener)
                if not self._listeners[session_id]:
                    del self._listeners[session_id]

    @property
    def listeners(self) -> int:
        """How many listen."""
        with self._lock:
            return sum(map(len, self._listeners.values()))

    def wake(self, session_id: str | None = None) -> None:
        """Let the readers of a session, or all readers, look whether it changed."""
        with self._lock:
            chosen = [
                listener
                for name, listeners in self._listeners.items()
                if session_id in (None, name)
                for listener in listeners
            ]
        for listener in chosen:
            listener.wake(changed=True)

    def close(self) -> None:
        """Store what has arrived, and end. Safe to call twice."""
        self._arrived.put(None)
        self._thread.join()

    def _write(self) -> None:
        flushed = 0.0
        changes = self._changes()
        while True:
            batch = self._batch(flushed + _BATCH_SECONDS)
            ended = None in batch
            entries = [entry for entry in batch if entry is not None]
            if entries:
                self._flush(entries)
                flushed = time.monotonic()
            if ended:
                return
            if not entries:
                now = self._changes()
                if now != changes:
                    changes = now
                    self.wake()

    def _changes(self) -> int:
        try:
            return self._jobs.changes()
        except MultiturnError:
            return -1

    def _batch(self, until: float) -> list[NewEvent | _End | None]:
        """What has arrived, and what arrives until a time."""
        try:
            batch = [self._arrived.get(timeout=_POLL_SECONDS)]
        except Empty:
            return []
        while len(batch) < _MAX_BATCH and batch[-1] is not None:
            try:
                batch.append(self._arrived.get(timeout=max(until - time.monotonic(), 0.0)))
            except Empty:
                break
        return batch

    def _flush(self, entries: list[NewEvent | _End]) -> None:
        events: list[NewEvent] = []
        for entry in entries:
            if isinstance(entry, NewEvent):
                _add(events, entry)
                continue
            self._store(events)
            events = []
            try:
                self._show(self._jobs.end(entry.job, entry.state, entry.error))
            except MultiturnError as error:
                # It stays `running` in the store; the next start finds it interrupted.
                _log.error("the end of job %s is not stored: %s", entry.job.id, error)
            except Exception:
                _log.exception("a bug while the end of job %s was stored", entry.job.id)
            finally:
                entry.done.set()
        self._store(events)

    def _store(self, events: list[NewEvent]) -> None:
        if not events:
            return
        try:
            self._show(self._jobs.append(events))
        except MultiturnError as error:
            for session, job in {(event.session, event.job) for event in events}:
                self._on_failure(session, job, error)
        except Exception as error:  # the thread serves all sessions
            _log.exception("a bug while events were stored")
            for session, job in {(event.session, event.job) for event in events}:
                self._on_failure(session, job, MultiturnError(f"a bug in the server ({error})"))

    def _show(self, events: tuple[JobEvent, ...]) -> None:
        chosen: set[Listener] = set()
        with self._lock:
            for event in events:
                self._recent.setdefault(event.session, _Recent()).add(event)
                self._recent.move_to_end(event.session)
                chosen |= self._listeners.get(event.session, set())
            while len(self._recent) > _MAX_SESSIONS:
                self._recent.popitem(last=False)
        for listener in chosen:
            listener.wake()


def _add(events: list[NewEvent], event: NewEvent) -> None:
    """Add an event; text that follows text of the same job joins it."""
    last = events[-1] if events else None
    if (
        last is None
        or event.kind != "text"
        or (last.session, last.job, last.kind) != (event.session, event.job, "text")
    ):
        events.append(event)
        return
    texts = [list(each) for each in last.data["texts"]]
    for index, text in event.data["texts"]:
        if texts[-1][0] == index:
            texts[-1][1] += text
        else:
            texts.append([index, text])
    events[-1] = NewEvent(event.session, event.job, "text", {"texts": texts})
