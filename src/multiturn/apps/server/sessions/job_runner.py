"""Runs jobs, each in a thread of its own: a client that leaves does not stop its turn."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event as Flag

from multiturn.apps.server.sessions.event_log import EventLog
from multiturn.apps.server.sessions.job_events import event_data
from multiturn.core.errors import MultiturnError
from multiturn.synthesis.events import LoopEvent, TurnCancelled
from multiturn.synthesis.jobs import Job, JobState, NewEvent

__all__ = ["JobRunner", "RunningJob", "StepStarted"]

_SLOT_POLL_SECONDS = 0.1
_JOIN_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A stale turn begins to follow the current one."""

    turn: int
    prompt: str


JobEvents = Iterator[LoopEvent | StepStarted]


@dataclass(slots=True)
class RunningJob:
    """A job of this process."""

    session: str
    id: str
    cancel: Flag = field(default_factory=Flag)
    is_interrupted: bool = False
    """Whether the server ends it, and not a person."""
    error: MultiturnError | None = None
    """Of the store, in another thread."""
    thread: threading.Thread | None = None
    ended: Flag = field(default_factory=Flag)


class JobRunner:
    """The running jobs of this process.

    Args:
        log: stores and shows events.
        max_at_once: how many run; further ones wait.
        on_end: called with the session of a job that has ended.
    """

    def __init__(self, log: EventLog, *, max_at_once: int, on_end: Callable[[str], None]) -> None:
        self._log = log
        self._slots = threading.Semaphore(max_at_once)
        self._on_end = on_end
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], RunningJob] = {}
        self._mean_seconds = 5.0

    def __len__(self) -> int:
        return len(self._running)

    @property
    def mean_seconds(self) -> float:
        """How long a job takes, about."""
        return self._mean_seconds

    def is_running(self, session: str, job_id: str) -> bool:
        """Whether a job runs in this process, or is about to."""
        with self._lock:
            return (session, job_id) in self._running

    def reserve(self, session: str, job_id: str) -> RunningJob | None:
        """Make a place for a job, before it is in the store; None where it has one already."""
        with self._lock:
            if (session, job_id) in self._running:
                return None
            running = self._running[session, job_id] = RunningJob(session, job_id)
            return running

    def release(self, running: RunningJob) -> None:
        """Give back a place."""
        with self._lock:
            self._running.pop((running.session, running.id), None)
        running.ended.set()

    def start(self, running: RunningJob, job: Job, events: JobEvents) -> None:
        """Run a job until its events end."""
        running.thread = threading.Thread(
            target=self._run, args=(running, job, events), name="multiturn-job", daemon=True
        )
        running.thread.start()

    def cancel(self, session: str, job_id: str) -> RunningJob | None:
        """Ask a job to end soon; returns it if it runs here."""
        with self._lock:
            running = self._running.get((session, job_id))
        if running is not None:
            running.cancel.set()
        return running

    def fail(self, session: str, job_id: str, error: MultiturnError) -> None:
        """End a job whose events cannot be stored."""
        with self._lock:
            running = self._running.get((session, job_id))
        if running is not None:
            running.error = error
            running.cancel.set()

    def stop(self, seconds: float) -> None:
        """Let the jobs finish for so many seconds, then interrupt them: they can be retried."""
        deadline = time.monotonic() + seconds
        with self._lock:
            left = list(self._running.values())
        for running in left:
            running.ended.wait(max(deadline - time.monotonic(), 0))
        for running in left:
            if not running.ended.is_set():
                running.is_interrupted = True
                running.cancel.set()
        deadline = time.monotonic() + _JOIN_SECONDS
        for running in left:
            running.ended.wait(max(deadline - time.monotonic(), 0))

    def _run(self, running: RunningJob, job: Job, events: JobEvents) -> None:
        state: JobState = "failed"
        error: dict[str, str] | None = None
        started = time.monotonic()
        try:
            with _slot(self._slots, running.cancel) as has_slot:
                state = self._follow(job, events) if has_slot else "cancelled"
        except MultiturnError as fault:
            error = {"message": str(fault), "kind": type(fault).__name__}
        except Exception:
            _log.exception("a bug in job %s of session %s", job.id, job.session)
            error = {"message": "a bug in the server; its log has the traceback", "kind": "Bug"}
        if running.error is not None:
            state = "failed"
            error = {"message": str(running.error), "kind": type(running.error).__name__}
        elif state == "cancelled" and running.is_interrupted:
            state = "interrupted"
        try:
            self._log.end(job, state, error)
        finally:
            self._mean_seconds += 0.2 * (time.monotonic() - started - self._mean_seconds)
            self.release(running)
            self._on_end(job.session)

    def _follow(self, job: Job, events: JobEvents) -> JobState:
        started = {
            "kind": job.kind,
            "prompt": job.request.get("prompt"),
            "turn": job.request.get("turn"),
        }
        self._log.put(NewEvent(job.session, job.id, "started", started))
        state: JobState = "saved"
        for event in events:
            if isinstance(event, StepStarted):
                data = {"turn": event.turn, "prompt": event.prompt}
                self._log.put(NewEvent(job.session, job.id, "step", data))
                continue
            if isinstance(event, TurnCancelled):
                state = "cancelled"
            found = event_data(event)
            if found is not None:
                self._log.put(NewEvent(job.session, job.id, *found))
        return state


class _slot:  # noqa: N801 - reads as a statement: `with _slot(...) as has_slot:`
    """A slot of a semaphore; none where `cancel` is set first."""

    def __init__(self, slots: threading.Semaphore, cancel: Flag) -> None:
        self._slots = slots
        self._cancel = cancel
        self._has_slot = False

    def __enter__(self) -> bool:
        while not self._has_slot and not self._cancel.is_set():
            self._has_slot = self._slots.acquire(timeout=_SLOT_POLL_SECONDS)
        return self._has_slot

    def __exit__(self, *_error: object) -> None:
        if self._has_slot:
            self._slots.release()
