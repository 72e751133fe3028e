"""Jobs: changes of a session that take a while, and everything that was shown of them.

The events of a job are numbered within its session, and on disk before anybody sees them. After a
kill of the process, all that was shown is there, and `JobStore.interrupted` says what had not
finished.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from multiturn.core.closing import Closing
from multiturn.core.errors import ConflictError, StoreError, UnknownNameError
from multiturn.synthesis.store import BUSY_SECONDS, SessionStore
from multiturn.synthesis.store_errors import as_multiturn_error
from multiturn.synthesis.store_rows import now

__all__ = ["Job", "JobEvent", "JobState", "JobStore", "NewEvent"]

JobState = Literal["running", "saved", "cancelled", "failed", "interrupted"]

MAX_JOBS = 8
"""Of a session, whose events are stored; older ones are removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A change of a session that takes a while."""

    session: str
    """Id of the session."""
    id: str
    """Unique in the session."""
    kind: str
    """What it does."""
    request: Mapping[str, Any]
    """Its arguments, as plain data: enough to do it again."""
    state: JobState
    """``running`` until it ends, and after a kill until `JobStore.interrupted`."""
    error: Mapping[str, Any] | None
    """Why it failed, as plain data."""
    saves: int
    """How many changes of the session it saved."""
    owner: str
    """The `JobStore.owner` of the process that began it."""
    created_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is not stored yet."""

    session: str
    job: str
    kind: str
    data: Mapping[str, Any]
    """Plain data."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A stored event."""

    session: str
    number: int
    """From 1 within the session; never used again."""
    job: str
    kind: str
    data: str
    """JSON on one line."""


class JobStore(Closing):
    """The jobs of the sessions in a store. Safe for several threads.

    Writes are on the machine's disk cache when a method returns: they survive a kill of the
    process, and a crash of the machine up to the last change of a session.

    Args:
        store: of the sessions. It must be in a file.
    """

    def __init__(self, store: SessionStore) -> None:
        self.path: Path = store.path
        self.owner = secrets.token_hex(8)
        self._lock = threading.Lock()
        with self._reporting():
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")

    def begin(
        self, session_id: str, kind: str, request: Mapping[str, Any], *, job_id: str | None = None
    ) -> tuple[Job, bool]:
        """A new running job of a session.

        Args:
            session_id: of a session in the store.
            kind: what it does.
            request: its arguments, as plain data.
            job_id: what names it, so that a request that is sent again starts nothing.

        Returns:
            The job, and whether it is new; otherwise it has been started with this id before.

        Raises:
            ConflictError: the session has another running job, or this id was another request's.
            UnknownNameError: there is no such session.
        """
        job = Job(
            session=session_id,
            id=job_id or secrets.token_hex(8),
            kind=kind,
            request=request,
            state="running",
            error=None,
            saves=0,
            owner=self.owner,
            created_at=now(),
        )
        with self._changing() as connection:
            row = self._row(session_id, job.id)
            if row is not None:
                known = _job(row)
                if (known.kind, dict(known.request)) != (kind, dict(request)):
                    raise ConflictError(
                        "this id was used for another request", got=job.id, fix="use a new id"
                    )
                return known, False
            busy = connection.execute(
                "SELECT id FROM jobs WHERE session = ? AND state = 'running'", (session_id,)
            ).fetchone()
            if busy is not None:
                raise ConflictError(
                    "another turn of this session is being written",
                    got=f"job {busy['id']}",
                    fix="wait for it, or cancel it",
                )
            live = connection.execute(
                "SELECT 1 FROM sessions WHERE id = ? AND deleted_at IS NULL", (session_id,)
            ).fetchone()
            if live is None:
                raise UnknownNameError("session", session_id, ())
            connection.execute(
                "INSERT INTO jobs (session, id, kind, request, state, saves, owner, created_at) "
                "VALUES (?, ?, ?, ?, 'running', 0, ?, ?)",
                (session_id, job.id, kind, json.dumps(request), self.owner, job.created_at),
            )
            connection.execute(
                "DELETE FROM jobs WHERE session = ?1 AND rowid NOT IN "
                "(SELECT rowid FROM jobs WHERE session = ?1 ORDER BY rowid DESC LIMIT ?2)",
                (session_id, MAX_JOBS),
            )
        return job, True

    def append(self, events: Sequence[NewEvent]) -> tuple[JobEvent, ...]:
        """Store events in one transaction; those of jobs that no longer exist are left out."""
        with self._changing():
            return tuple(self._append(events))

    def end(
        self, job: Job, state: JobState, error: Mapping[str, Any] | None = None
    ) -> tuple[JobEvent, ...]:
        """End a running job, and store the event ``ended`` with its state and error.

        Returns:
            The event; none where the job has ended before, or no longer exists.
        """
        with self._changing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, error = ? "
                "WHERE session = ? AND id = ? AND state = 'running'",
                (state, None if error is None else json.dumps(error), job.session, job.id),
            ).rowcount
            if not changed:
                return ()
            data = {"state": state, "error": error}
            return tuple(self._append([NewEvent(job.session, job.id, "ended", data)]))

    def interrupted(self, is_running: Callable[[str, str, str], bool]) -> tuple[Job, ...]:
        """End the running jobs that nothing runs any more; returns them.

        One that had saved all that it was to save is ``saved``.

        Args:
            is_running: called with the `owner` of the store that began a job, the session and the
                id; says whether it still runs.
        """
        with self._reading() as connection:
            rows = connection.execute("SELECT * FROM jobs WHERE state = 'running'").fetchall()
        ended = []
        for row in rows:
            if is_running(row["owner"], row["session"], row["id"]):
                continue
            job = _job(row)
            done = job.saves >= job.request.get("saves", 1)
            if self.end(job, "saved" if done else "interrupted"):
                ended.append(self.job(job.session, job.id))
        return tuple(ended)

    def find(self, session_id: str, job_id: str) -> Job | None:
        """A job of a session, if there is one with this id."""
        with self._reading():
            row = self._row(session_id, job_id)
            return None if row is None else _job(row)

    def job(self, session_id: str, job_id: str) -> Job:
        """A job of a session.

        Raises:
            UnknownNameError: there is none with this id.
        """
        with self._reading():
            row = self._row(session_id, job_id)
            if row is None:
                raise UnknownNameError("job", job_id, ())
            return _job(row)

    def latest(self, session_id: str) -> Job | None:
        """The job of a session that was started last."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT * FROM jobs WHERE session = ? ORDER BY rowid DESC LIMIT 1", (session_id,)
            ).fetchone()
            return None if row is None else _job(row)

    def remove(self, session_id: str, job_id: str) -> None:
        """Remove a job that has ended, with its events.

        Raises:
            UnknownNameError: there is none with this id.
            ConflictError: it is running.
        """
        with self._changing() as connection:
            row = self._row(session_id, job_id)
            if row is None:
                raise UnknownNameError("job", job_id, ())
            if row["state"] == "running":
                raise ConflictError("the job is running", got=job_id, fix="cancel it first")
            connection.execute(
                "DELETE FROM jobs WHERE session = ? AND id = ?", (session_id, job_id)
            )

    def events(
        self, session_id: str, *, after: int = 0, job_id: str | None = None, max_count: int = 1000
    ) -> tuple[JobEvent, ...]:
        """The events of a session, or of one of its jobs, after a number, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT * FROM job_events WHERE session = ?1 AND number > ?2 "
                "AND (?3 IS NULL OR job = ?3) ORDER BY number LIMIT ?4",
                (session_id, after, job_id, max_count),
            ).fetchall()
        return tuple(
            JobEvent(row["session"], row["number"], row["job"], row["kind"], row["data"])
            for row in rows
        )

    def position(self, session_id: str) -> tuple[int, int]:
        """The version of a session, and the number of its last event.

        Raises:
            UnknownNameError: there is no such session.
        """
        with self._reading() as connection:
            row = connection.execute(
                "SELECT version, last_event FROM sessions WHERE id = ? AND deleted_at IS NULL",
                (session_id,),
            ).fetchone()
        if row is None:
            raise UnknownNameError("session", session_id, ())
        return row["version"], row["last_event"]

    def changes(self) -> int:
        """A number that is another one after another connection or process changed the file."""
        with self._reading() as connection:
            count: int = connection.execute("PRAGMA data_version").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock, self._reporting():
            self._connection.close()

    def _append(self, events: Sequence[NewEvent]) -> Iterator[JobEvent]:
        connection = self._connection
        last: dict[str, int] = {}
        for event in events:
            if event.session not in last:
                row = connection.execute(
                    "SELECT last_event FROM sessions WHERE id = ?", (event.session,)
                ).fetchone()
                last[event.session] = -1 if row is None else row["last_event"]
            if last[event.session] < 0 or self._row(event.session, event.job) is None:
                continue
            number = last[event.session] = last[event.session] + 1
            stored = JobEvent(event.session, number, event.job, event.kind, json.dumps(event.data))
            connection.execute(
                "INSERT INTO job_events (session, number, job, kind, data) VALUES (?, ?, ?, ?, ?)",
                (stored.session, stored.number, stored.job, stored.kind, stored.data),
            )
            yield stored
        for session_id, number in last.items():
            if number >= 0:
                connection.execute(
                    "UPDATE sessions SET last_event = ? WHERE id = ?", (number, session_id)
                )

    def _row(self, session_id: str, job_id: str) -> Any:
        return self._connection.execute(
            "SELECT * FROM jobs WHERE session = ? AND id = ?", (session_id, job_id)
        ).fetchone()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._reporting():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._reporting():
            yield self._connection

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise as_multiturn_error(self.path, error) from error


def _job(row: sqlite3.Row) -> Job:
    try:
        request = json.loads(row["request"])
        error = None if row["error"] is None else json.loads(row["error"])
    except ValueError as fault:
        raise StoreError(f"job {row['id']} is not readable ({fault})") from fault
    return Job(
        session=row["session"],
        id=row["id"],
        kind=row["kind"],
        request=request,
        state=row["state"],
        error=error,
        saves=row["saves"],
        owner=row["owner"],
        created_at=row["created_at"],
    )
