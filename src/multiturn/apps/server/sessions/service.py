"""The sessions of a server: every operation of the API, without HTTP.

The methods block: they write to disk or run programs. Call them from threads.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from multiturn.apps.server.errors import ApiError
from multiturn.apps.server.sessions.event_log import EventLog
from multiturn.apps.server.sessions.job_kinds import JobKind, job_events, planned_saves
from multiturn.apps.server.sessions.job_runner import JobRunner
from multiturn.apps.server.sessions.job_views import JobView, job_view
from multiturn.apps.server.sessions.settings_models import changed_settings
from multiturn.core.closing import Closing
from multiturn.core.errors import ConflictError, InputError, MultiturnError
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.branches import BranchComparison, compare_branches
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.jobs import Job, JobStore
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.operations import Operations
from multiturn.synthesis.owner_lock import OwnerLock, owner_lives
from multiturn.synthesis.records import (
    Candidate,
    Example,
    ProgramRun,
    Session,
    SessionSettings,
    Turn,
)
from multiturn.synthesis.replay import Replay, replay_candidate
from multiturn.synthesis.session_file import read_session_document
from multiturn.synthesis.store import SessionStore
from multiturn.synthesis.store_lists import SessionMatch, SessionSummary

__all__ = ["SessionService"]

_log = logging.getLogger(__name__)

_KEEP_DELETED = timedelta(days=30)
_LOCKS = 64
_RUN_SLOT_SECONDS = 10.0
_MAX_NAME = 200
_SETTINGS_THAT_STAY = ("style", "header", "language")


class SessionService(Closing):
    """All sessions of a store, written by one engine.

    Args:
        engine: generates; many sessions share it. This class does not close it, nor the sandbox
            or the store.
        sandbox: runs programs.
        store: saves the sessions.
        model: the name or path of the engine's model.
        settings: of new sessions.
        max_sessions: in the store.
        max_jobs: that are being written at once.
        max_waiting: that wait for that; further ones are refused.
        max_runs: programs that clients run at once, outside turns.
    """

    def __init__(
        self,
        engine: Engine,
        sandbox: Sandbox,
        store: SessionStore,
        *,
        model: str,
        settings: SessionSettings | None = None,
        max_sessions: int = 10_000,
        max_jobs: int = 32,
        max_waiting: int = 64,
        max_runs: int = 4,
    ) -> None:
        self.store = store
        self._engine = engine
        self._sandbox = sandbox
        self._model = model
        self._settings = settings or SessionSettings()
        self._max_sessions = max_sessions
        self._max_jobs = max_jobs + max_waiting
        self._runs = threading.BoundedSemaphore(max_runs)
        self._locks = [threading.RLock() for _ in range(_LOCKS)]
        self._is_stopping = False
        self._is_closed = False
        self.jobs = JobStore(store)
        self._mark = OwnerLock(store.path, self.jobs.owner)
        self.log = EventLog(self.jobs, self._on_store_failure)
        self._runner = JobRunner(
            self.log, max_at_once=max_jobs, on_end=lambda session: self.log.wake(session)
        )
        self._end_interrupted()
        store.purge((datetime.now(UTC) - _KEEP_DELETED).isoformat(timespec="microseconds"))

    @property
    def running_jobs(self) -> int:
        """How many jobs run or wait in this process."""
        return len(self._runner)

    # Sessions.

    def list(self, *, deleted: bool = False) -> tuple[SessionSummary, ...]:
        """All sessions, or those that can be restored, the most recently used first."""
        return self.store.list(deleted=deleted)

    def search(self, words: str) -> tuple[SessionMatch, ...]:
        """The sessions with `words` in their name, a prompt or the code."""
        return self.store.search(words)

    def load(self, session_id: str) -> Session:
        """A session by its id.

        Raises:
            UnknownNameError: there is none.
        """
        return self.store.load(session_id)

    def create(self, name: str | None = None, change: Mapping[str, Any] | None = None) -> Session:
        """A new session; `change` is what differs from the settings of the server."""
        self._check_room()
        settings = changed_settings(self._settings, change)
        with self._run_slot():  # a header of one's own runs
            return self._synthesizer(self.store).new_session(settings, name=name)

    def add_written(
        self,
        name: str,
        header: str,
        turns: Sequence[tuple[str, str]],
        *,
        language: str = "python",
        expected: Example | None = None,
    ) -> Session:
        """Add a session of turns that a model wrote elsewhere; each runs here.

        Args:
            name: of the session; shortened if it is too long.
            header: of the program.
            turns: prompts and code.
            language: of the program.
            expected: of the last turn.

        Raises:
            InputError: the tools of the language are not installed.
        """
        self._check_room()
        name = "".join(each if each.isprintable() else " " for each in name)[:_MAX_NAME]
        with self._run_slot():
            synthesizer = self._synthesizer(self.store)
            settings = replace(self._settings, header="none", language=language)
            session = synthesizer.new_session(settings, name=name)
            session = self.store.update(replace(session, header=header))
            written = [
                Turn(
                    id=0,
                    parent=None,
                    prompt=prompt,
                    candidates=(Candidate(text=code, raw_text=code),),
                    chosen=0,
                    examples=(expected,) if expected and number == len(turns) else (),
                )
                for number, (prompt, code) in enumerate(turns, start=1)
            ]
            for event in synthesizer.apply_again(session, written):
                if isinstance(event, TurnSaved):
                    session = event.session
        return session

    def add(self, document: object) -> Session:
        """Add the session of a session file.

        Raises:
            InputError: it is none.
        """
        self._check_room()
        return self.store.insert(read_session_document(document))

    def change(
        self,
        session_id: str,
        name: str | None,
        change: Mapping[str, Any] | None,
        *,
        version: int | None = None,
    ) -> Session:
        """Rename a session, or change its settings.

        Raises:
            ConflictError: it has another version.
        """
        fixed = [key for key in _SETTINGS_THAT_STAY if key in (change or {})]
        if fixed:
            raise InputError(
                "these settings belong to the program and stay", got=", ".join(fixed),
                fix="start a new session",
            )  # fmt: skip
        with self._lock(session_id):
            session = self._checked(session_id, version)
            changed = replace(
                session,
                name=session.name if name is None else name,
                settings=changed_settings(session.settings, change),
            )
            return self._changed(self.store.update(changed))

    def delete(self, session_id: str, *, version: int | None = None) -> None:
        """Delete a session; `restore` undoes it for 30 days. A turn that is written is cancelled.

        Raises:
            ConflictError: it has another version.
        """
        with self._lock(session_id):
            self._checked(session_id, version)
            job = self.latest_job(session_id)
            if job is not None and job.state == "running":
                self._runner.cancel(session_id, job.id)
            self.store.mark_deleted(session_id)
        self.log.wake(session_id)

    def restore(self, session_id: str) -> Session:
        """Undo `delete`."""
        with self._lock(session_id):
            self.store.restore(session_id)
            return self._changed(self.store.load(session_id))

    # Turns.

    def move(self, session_id: str, turn_id: int | None, *, version: int | None = None) -> Session:
        """Go to any turn, or to the beginning; the next turn starts a branch there.

        Raises:
            ConflictError: the session has another version, or a turn of it is being written.
        """
        with self._quiet(session_id, version) as session:
            return self._changed(self._synthesizer(self.store).branch(session, turn_id))

    def pick(
        self, session_id: str, turn_id: int, number: int, *, version: int | None = None
    ) -> Session:
        """Choose candidate `number`, from 1, of a turn.

        Raises:
            ConflictError: the session has another version, or a turn of it is being written.
        """
        with self._quiet(session_id, version) as session:
            operations = Operations(self._synthesizer(self.store))
            return self._changed(operations.pick(session, number, turn_id=turn_id))

    def compare(self, session_id: str, left: int | None, right: int | None) -> BranchComparison:
        """Compare the programs and outputs up to two turns."""
        return compare_branches(self.load(session_id), left, right)

    def run(self, session_id: str, turn_id: int | None = None) -> ProgramRun:
        """Run the program so far again, or that up to a turn."""
        session = self.load(session_id)
        if turn_id is not None:
            session = session.at(turn_id)
        with self._run_slot():
            return self._synthesizer(self.store).run(session)

    def replay(self, session_id: str, turn_id: int, number: int | None = None) -> Replay:
        """Repeat a candidate of a turn from its record. Nothing is saved."""
        session = self.load(session_id)
        with self._run_slot():
            return replay_candidate(self._engine, self._sandbox, session, turn_id, number)

    # Jobs.

    def start(
        self,
        session_id: str,
        kind: JobKind,
        request: Mapping[str, Any],
        *,
        version: int | None = None,
        job_id: str | None = None,
    ) -> JobView:
        """Start a job; its events tell the rest.

        Args:
            session_id: of the session.
            kind: see `JobKind`.
            request: its arguments, as plain data.
            version: the session must have this one.
            job_id: a client's own name of the request, so that it can be sent again.

        Raises:
            ConflictError: the session has another version, or a turn of it is being written.
            InputError: the arguments are wrong.
            ApiError: there are too many jobs, or the server is stopping.
        """
        job_id = job_id or secrets.token_hex(8)
        with self._lock(session_id):
            known = self.jobs.find(session_id, job_id)
            if known is not None:
                self.jobs.begin(session_id, kind, _planned(known, request), job_id=job_id)
                return self.view(known)
            self._check_busy()
            session = self._checked(session_id, version)
            view = self.store.for_job(session_id, job_id)
            session = self._synthesizer(self.store).adopt(session)
            request = {**request, "saves": planned_saves(kind, session)}
            running = self._runner.reserve(session_id, job_id)
            assert running is not None  # of a session whose lock is ours
            try:
                events = job_events(
                    Operations(self._synthesizer(view)), session, kind, request, running.cancel
                )
                job = self._begin(session_id, kind, request, job_id)
            except BaseException:
                self._runner.release(running)
                raise
            self._runner.start(running, job, events)
        self.log.wake(session_id)
        return self.view(job)

    def cancel(self, session_id: str, job_id: str, *, seconds: float = 2.0) -> JobView:
        """Ask a job to end, and wait a moment for it. One that has ended stays as it is.

        Raises:
            UnknownNameError: there is no such job.
            ConflictError: another process runs it.
        """
        job = self.jobs.job(session_id, job_id)
        running = self._runner.cancel(session_id, job_id)
        if running is not None:
            running.ended.wait(seconds)
        elif job.state == "running" and not self._end_interrupted():
            raise ConflictError("another process runs this job", got=job_id, fix="stop it there")
        return self.view(self.jobs.job(session_id, job_id))

    def retry_job(self, session_id: str, job_id: str, *, version: int | None = None) -> JobView:
        """Start a job again that was interrupted, was cancelled or failed, as a new one.

        Raises:
            ConflictError: it runs, or its changes are saved.
        """
        job = self.jobs.job(session_id, job_id)
        if job.state in ("running", "saved"):
            raise ConflictError(f"the job is {job.state}", got=job_id)
        request = {key: value for key, value in job.request.items() if key != "saves"}
        return self.start(session_id, job.kind, request, version=version)  # type: ignore[arg-type]

    def dismiss(self, session_id: str, job_id: str) -> None:
        """Remove a job that has ended, with what it showed.

        Raises:
            UnknownNameError: there is no such job.
            ConflictError: it is running.
        """
        self.jobs.remove(session_id, job_id)
        self.log.wake(session_id)

    def latest_job(self, session_id: str) -> Job | None:
        """The job of a session that was started last."""
        job = self.jobs.latest(session_id)
        if job is not None and job.state == "running" and not self._is_running(job):
            self._end_interrupted()
            job = self.jobs.latest(session_id)
            if job is not None and job.state == "running" and self._is_lost(job):
                # Its end could not be stored, for example on a full disk.
                job = replace(job, state="interrupted")
        return job

    def job(self, session_id: str, job_id: str) -> JobView:
        """A job, and what it has shown.

        Raises:
            UnknownNameError: there is no such job.
        """
        self.store.load(session_id)
        return self.view(self.jobs.job(session_id, job_id))

    def view(self, job: Job) -> JobView:
        """A job, and what it has shown."""
        return job_view(job, self._events_of(job))

    def look(self, session_id: str) -> tuple[Session, int, JobView | None]:
        """A session, the number of the last event, and the job to show with it.

        That is the job that runs, or the last one where it did not save what it was to save.
        """
        _, last_event = self.jobs.position(session_id)
        job = self.latest_job(session_id)
        shown = None if job is None or job.state == "saved" else self.view(job)
        session = self.load(session_id)
        if shown is not None:
            last_event = max(last_event, shown.last_event)
        return session, last_event, shown

    # The end.

    def refuse_jobs(self) -> None:
        """Start no further jobs."""
        self._is_stopping = True

    def stop(self, seconds: float) -> None:
        """Refuse new jobs, let the others finish for so long, then interrupt them."""
        self.refuse_jobs()
        self._runner.stop(seconds)

    def close(self) -> None:
        """Interrupt what runs, and close. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self.stop(0)
        self.log.close()
        self.jobs.close()
        self._mark.close()

    # Parts.

    def _synthesizer(self, store: SessionStore) -> Synthesizer:
        return Synthesizer(self._engine, self._sandbox, store, model=self._model)

    def _lock(self, session_id: str) -> threading.RLock:
        return self._locks[hash(session_id) % _LOCKS]

    def _checked(self, session_id: str, version: int | None) -> Session:
        session = self.store.load(session_id)
        if version is not None and version != session.version:
            raise ConflictError(
                "the session was changed in another window or program",
                got=f"version {version}",
                allowed=f"version {session.version}",
                fix="load it again",
            )
        return session

    @contextmanager
    def _quiet(self, session_id: str, version: int | None) -> Iterator[Session]:
        """The session, while nothing else changes its turns."""
        with self._lock(session_id):
            session = self._checked(session_id, version)
            job = self.latest_job(session_id)
            if job is not None and job.state == "running":
                raise ConflictError(
                    "a turn of this session is being written",
                    got=f"job {job.id}",
                    fix="wait for it, or cancel it",
                )
            yield session

    def _begin(self, session_id: str, kind: str, request: Mapping[str, Any], job_id: str) -> Job:
        try:
            job, _ = self.jobs.begin(session_id, kind, request, job_id=job_id)
        except ConflictError:
            if not self._end_interrupted():
                raise
            job, _ = self.jobs.begin(session_id, kind, request, job_id=job_id)
        return job

    def _changed(self, session: Session) -> Session:
        self.log.wake(session.id)
        return session

    def _events_of(self, job: Job) -> Iterator[Any]:
        after = 0
        while events := self.jobs.events(job.session, after=after, job_id=job.id):
            yield from events
            after = events[-1].number

    def _is_running(self, job: Job) -> bool:
        return self._runner.is_running(job.session, job.id)

    def _is_lost(self, job: Job) -> bool:
        return job.owner == self.jobs.owner and not self._is_running(job)

    def _end_interrupted(self) -> bool:
        """End the jobs that nothing runs any more; returns whether there were any."""

        def is_running(owner: str, session: str, job_id: str) -> bool:
            if owner == self.jobs.owner:
                return self._runner.is_running(session, job_id)
            return owner_lives(self.store.path, owner)

        try:
            ended = self.jobs.interrupted(is_running)
        except MultiturnError as error:
            _log.warning("jobs that ended with their process are not marked: %s", error)
            return False
        for job in ended:
            self.log.wake(job.session)
        return bool(ended)

    def _on_store_failure(self, session: str, job_id: str, error: MultiturnError) -> None:
        self._runner.fail(session, job_id, error)

    def _check_room(self) -> None:
        if len(self.store.list()) >= self._max_sessions:
            raise ApiError(
                429, f"there are {self._max_sessions} sessions, as many as are allowed; delete some"
            )

    def _check_busy(self) -> None:
        if self._is_stopping:
            raise ApiError(503, "the server is stopping", code="stopping", retry_after=10)
        if len(self._runner) >= self._max_jobs:
            raise ApiError(
                429,
                f"{self._max_jobs} turns are being written or wait, as many as are allowed",
                code="busy",
                retry_after=max(round(self._runner.mean_seconds), 1),
            )

    @contextmanager
    def _run_slot(self) -> Iterator[None]:
        if not self._runs.acquire(timeout=_RUN_SLOT_SECONDS):
            raise ApiError(429, "too many programs run", code="busy", retry_after=5)
        try:
            yield
        finally:
            self._runs.release()


def _planned(known: Job, request: Mapping[str, Any]) -> dict[str, Any]:
    """A request as it was stored with a job, to compare both."""
    return {**request, "saves": known.request.get("saves", 1)}
