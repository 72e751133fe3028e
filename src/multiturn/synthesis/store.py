"""The session store: one SQLite file that survives kills, full disks and concurrent processes.

Write-ahead logging with `synchronous=FULL` puts a commit on disk before it returns. Each change is
one transaction, candidates are only ever added, and the code of a turn that others follow is never
changed.
"""

from __future__ import annotations

import copy
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from multiturn.core.app_dirs import app_dirs
from multiturn.core.closing import Closing
from multiturn.core.errors import (
    InputError,
    UnknownNameError,
    storage_errors,
)
from multiturn.core.records import read_record
from multiturn.synthesis.records import (
    Candidate,
    Example,
    Session,
    SessionSettings,
    StyleName,
    Turn,
)
from multiturn.synthesis.schema import check_application, migrate
from multiturn.synthesis.store_errors import (
    as_damaged,
    as_multiturn_error,
    check_magic,
    damaged,
    deleted_elsewhere,
    move_aside,
    primary_code,
)
from multiturn.synthesis.store_lists import (
    SessionMatch,
    SessionSummary,
    list_sessions,
    search_sessions,
)
from multiturn.synthesis.store_rows import (
    as_json,
    count_copies,
    insert_candidates,
    insert_numbered_turn,
    insert_session,
    insert_turn,
    now,
    read_turns,
    revise_turn,
)

__all__ = ["SessionStore", "SessionSummary", "move_aside"]

BUSY_SECONDS = 15.0
_MEMORY = Path(":memory:")
MAX_NAME_CHARACTERS = 200


class SessionStore(Closing):
    """Sessions in one file, for several processes and threads at once.

    Every method that changes something returns after the change is on disk.

    Args:
        path: the database; by default `app_dirs().sessions`. It is created with its directory.

    Raises:
        StoreError: the file is damaged, not a session store, or of a newer version. It is not
            changed; the message says how to move it aside.
        StorageError: the disk is full or the directory cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or app_dirs().sessions
        self._lock = threading.RLock()
        self._job: tuple[str, str] | None = None
        with storage_errors(self.path, "opening the store of sessions"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            check_magic(self.path)
        with self._reporting():
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._reporting():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def in_memory(cls) -> SessionStore:
        """A store that ends with this object, for sessions that nothing resumes."""
        return cls(_MEMORY)

    @property
    def is_in_memory(self) -> bool:
        """Whether the store ends with this object."""
        return self.path == _MEMORY

    def create(
        self,
        *,
        name: str | None,
        model: str,
        style: StyleName,
        header: str,
        settings: SessionSettings,
    ) -> Session:
        """A new, empty session; the default name is made from the date.

        Raises:
            InputError: the name is empty, too long, or has unprintable characters.
        """
        time_now = now()
        if name is not None:
            _check_name(name)
        with self._changing():
            if name is None:
                day = time_now[:10]
                pattern = f"{day}-%"
                count = self._one("SELECT count(*) FROM sessions WHERE name LIKE ?", pattern)[0]
                name = f"{day}-{count + 1}"
            session = Session(
                id=secrets.token_hex(4),
                name=name,
                model=model,
                style=style,
                header=header,
                settings=settings,
                created_at=time_now,
                updated_at=time_now,
            )
            insert_session(self._connection, session)
        return session

    def insert(self, session: Session) -> Session:
        """Add a session that was read from a file, with all its turns; gives it an id of its own.

        Raises:
            InputError: the name is empty, too long, or has unprintable characters.
        """
        _check_name(session.name)
        session = replace(session, id=secrets.token_hex(4), updated_at=now(), version=0)
        with self._changing():
            insert_session(self._connection, session)
            for turn in sorted(session.turns.values(), key=lambda turn: turn.id):
                insert_numbered_turn(self._connection, session.id, turn)
            return self._touch(session, current=session.current)

    def load(self, session_id: str) -> Session:
        """The session with exactly that id.

        Raises:
            UnknownNameError: there is no such session.
        """
        with self._reading():
            row = self._one(
                "SELECT * FROM sessions WHERE id = ? AND deleted_at IS NULL", session_id
            )
            if row is None:
                raise UnknownNameError("session", session_id, self._names())
            turns = self._turns(session_id)
        where = f"session {session_id}"
        with as_damaged(self.path):
            return Session(
                id=row["id"],
                name=row["name"],
                model=row["model"],
                style=row["style"],
                header=row["header"],
                settings=read_record(json.loads(row["settings"]), SessionSettings, where=where),
                turns=MappingProxyType({turn.id: turn for turn in turns}),
                current=row["current"],
                created_at=row["created_at"],
                updated_at=row["updated_at"],
                version=row["version"],
            )

    def find(self, name: str) -> Session:
        """The session with that id, prefix of an id, or name (the latest of that name).

        Raises:
            UnknownNameError: there is no such session; suggests the nearest.
            InputError: several ids have that prefix.
        """
        with self._reading():
            latest_first = "ORDER BY updated_at DESC, rowid DESC"
            row = self._one(
                "SELECT id FROM sessions WHERE (id = ?1 OR name = ?1) AND deleted_at IS NULL "
                f"{latest_first}",
                name,
            )
            if row is None:
                matches = self._all(
                    "SELECT id FROM sessions "
                    "WHERE substr(id, 1, length(?1)) = ?1 AND deleted_at IS NULL",
                    name,
                )
                if not name or not matches:
                    raise UnknownNameError("session", name, self._names())
                if len(matches) > 1:
                    ids = ", ".join(found["id"] for found in matches)
                    raise InputError(
                        "several sessions have this prefix",
                        got=name,
                        allowed=ids,
                        fix="add a character",
                    )
                row = matches[0]
            return self.load(row["id"])

    def list(self, *, deleted: bool = False) -> tuple[SessionSummary, ...]:
        """All sessions, or those that can be restored, the most recently used first."""
        with self._reading():
            return list_sessions(self._connection, deleted=deleted)

    def search(self, words: str) -> tuple[SessionMatch, ...]:
        """The sessions with `words` in their name, a prompt or the code, whatever the case."""
        with self._reading():
            return search_sessions(self._connection, words)

    def latest(self) -> Session | None:
        """The most recently used session."""
        with self._reading():
            row = self._one(
                "SELECT id FROM sessions WHERE deleted_at IS NULL "
                "ORDER BY updated_at DESC, rowid DESC"
            )
            return None if row is None else self.load(row["id"])

    def delete(self, session_id: str) -> None:
        """Remove a session and all its turns.

        Raises:
            UnknownNameError: there is no such session.
        """
        with self._changing():
            if not self._connection.execute(
                "DELETE FROM sessions WHERE id = ?", (session_id,)
            ).rowcount:
                raise UnknownNameError("session", session_id, self._names())

    def mark_deleted(self, session_id: str) -> None:
        """Hide a session from all other methods, until `restore`.

        Raises:
            UnknownNameError: there is no such session.
        """
        self._mark(session_id, now(), "deleted_at IS NULL")

    def restore(self, session_id: str) -> None:
        """Undo `mark_deleted`.

        Raises:
            UnknownNameError: no deleted session has this id.
        """
        self._mark(session_id, None, "deleted_at IS NOT NULL")

    def purge(self, before: str) -> int:
        """Remove the sessions that were marked as deleted before a time; returns how many."""
        with self._changing():
            return self._connection.execute(
                "DELETE FROM sessions WHERE deleted_at < ?", (before,)
            ).rowcount

    def _mark(self, session_id: str, deleted_at: str | None, condition: str) -> None:
        with self._changing():
            if not self._connection.execute(
                "UPDATE sessions SET deleted_at = ?, version = version + 1 "
                f"WHERE id = ? AND {condition}",
                (deleted_at, session_id),
            ).rowcount:
                raise UnknownNameError("session", session_id, self._names())

    def for_job(self, session_id: str, job_id: str) -> SessionStore:
        """The same store, where each saved change is also counted in `Job.saves`.

        Both are one transaction, so that it is known of a job that was interrupted what it saved.
        """
        view = copy.copy(self)
        view._job = (session_id, job_id)
        return view

    def update(self, session: Session) -> Session:
        """Save the name, model, style, header and settings of a session, but not its turns."""
        _check_name(session.name)
        with self._changing():
            return self._touch(
                session,
                name=session.name,
                model=session.model,
                style=session.style,
                header=session.header,
                settings=as_json(session.settings),
            )

    def move(self, session: Session, turn_id: int | None) -> Session:
        """Move to another turn.

        Raises:
            UnknownNameError: the session has no such turn.
        """
        moved = session.at(turn_id)
        with self._changing():
            return self._touch(moved, current=turn_id)

    def add_turn(
        self,
        session: Session,
        prompt: str,
        candidates: Sequence[Candidate],
        *,
        chosen: int,
        examples: Sequence[Example] = (),
        later: Sequence[int] = (),
    ) -> Session:
        """Add a turn after the current one and move to it; `later` as in `Turn`."""
        with self._changing():
            turn = insert_turn(
                self._connection,
                session.id,
                Turn(
                    id=0,
                    parent=session.current,
                    prompt=prompt,
                    candidates=tuple(candidates),
                    chosen=chosen,
                    examples=tuple(examples),
                    later=tuple(later),
                ),
            )
            return self._touch(session.with_turn(turn), current=turn.id)

    def add_candidates(
        self,
        session: Session,
        turn_id: int,
        candidates: Sequence[Candidate],
        *,
        chosen: int | None,
        repeated: Mapping[int, int] | None = None,
    ) -> Session:
        """Add candidates to a turn and choose one of them, by its index in `candidates`.

        The code of a turn that others follow is never changed: a copy of it (a branch) gets the
        candidates, and the session moves to the copy. The turns that followed are `Session.stale`.

        Args:
            session: of the turn.
            turn_id: of the turn.
            candidates: the new ones.
            chosen: None, where there are no new ones, leaves the choice, and the session where it
                is.
            repeated: how often candidates of the turn were written again, by their index; this is
                counted in the turn itself.
        """
        with self._changing():
            turn = self._stored_turn(session.id, turn_id)
            if repeated:
                turn = count_copies(self._connection, session.id, turn, repeated)
            if chosen is None:
                return self._unmoved(session, turn)
            first = len(turn.candidates)
            turn = replace(turn, candidates=(*turn.candidates, *candidates), chosen=first + chosen)
            return self._put(session, turn, first_new=first)

    def choose(self, session: Session, turn_id: int, chosen: int) -> Session:
        """Choose another candidate, by its index; branches like `add_candidates`."""
        with self._changing():
            turn = self._stored_turn(session.id, turn_id)
            if turn.chosen == chosen:
                return self._unmoved(session, turn)
            turn = replace(turn, chosen=chosen)
            return self._put(session, turn, first_new=len(turn.candidates))

    def revise(self, session: Session, turn: Turn) -> Session:
        """Save a turn with other examples, runs of its candidates, and choice.

        Branches like `add_candidates` where the choice is another.

        Raises:
            InputError: candidates were added to the turn in the meantime.
        """
        with self._changing():
            stored = self._stored_turn(session.id, turn.id)
            if len(stored.candidates) != len(turn.candidates):
                raise InputError(
                    "another process added candidates to the turn", fix="open it again"
                )
            if stored.chosen != turn.chosen and self._has_followers(session, turn):
                turn = self._branch(session, turn)
                return self._touch(session.with_turn(turn), current=turn.id)
            revise_turn(self._connection, session.id, turn)
            return self._unmoved(session, turn)

    def check(self) -> None:
        """Check the integrity of the file.

        Raises:
            StoreError: it is damaged.
        """
        with self._reading():
            faults = [row[0] for row in self._all("PRAGMA integrity_check(5)")]
            if faults != ["ok"]:
                raise damaged(self.path, faults[0])
            if self._all("PRAGMA foreign_key_check"):
                raise damaged(self.path, "a turn or candidate belongs to nothing")

    def close(self) -> None:
        """Close the file. Can be called twice."""
        with self._lock, self._reporting():
            self._connection.close()

    # Opening, and the two kinds of transaction.

    def _prepare(self) -> None:
        connection = self._connection
        connection.row_factory = sqlite3.Row
        check_application(connection, self.path)
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                # The switch to write-ahead logging does not wait for other processes by itself.
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock, self._reporting():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                # After an error SQLite may already have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One snapshot for all reads inside; nested uses share the outermost."""
        with self._lock, self._reporting():
            nested = self._connection.in_transaction
            if not nested:
                self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if not nested and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise as_multiturn_error(self.path, error) from error

    # Rows.

    def _one(self, query: str, *values: object) -> Any:
        return self._connection.execute(f"{query} LIMIT 1", values).fetchone()

    def _all(self, query: str, *values: object) -> Any:
        return self._connection.execute(query, values).fetchall()

    def _names(self) -> Any:
        rows = self._all("SELECT name FROM sessions WHERE deleted_at IS NULL")
        return [row["name"] for row in rows]

    def _turns(self, session_id: str, only: int | None = None) -> tuple[Turn, ...]:
        with as_damaged(self.path):
            return read_turns(self._connection, session_id, only)

    def _stored_turn(self, session_id: str, turn_id: int) -> Turn:
        """The turn as it is in the file now: another process may have added candidates."""
        found = self._turns(session_id, only=turn_id)
        if not found:
            raise deleted_elsewhere()
        return found[0]

    def _put(self, session: Session, turn: Turn, *, first_new: int) -> Session:
        """Save a changed turn: in place if nothing follows it, else as a branch."""
        if self._has_followers(session, turn):
            turn = self._branch(session, turn)
        else:
            self._connection.execute(
                "UPDATE turns SET chosen = ? WHERE session = ? AND id = ?",
                (turn.chosen, session.id, turn.id),
            )
            insert_candidates(self._connection, session.id, turn, first=first_new)
        return self._touch(session.with_turn(turn), current=turn.id)

    def _branch(self, session: Session, turn: Turn) -> Turn:
        """A copy of a turn, which nothing follows yet."""
        turn = replace(turn, later=session.following(turn.id))
        return insert_turn(self._connection, session.id, turn)

    def _unmoved(self, session: Session, turn: Turn) -> Session:
        """The session with a turn as it is in the file; moves only to a turn of another branch."""
        at = session.current if turn.id in {each.id for each in session.path()} else turn.id
        return self._touch(session.with_turn(turn).at(at), current=at)

    def _has_followers(self, session: Session, turn: Turn) -> bool:
        query = "SELECT 1 FROM turns WHERE session = ? AND parent = ?"
        return self._one(query, session.id, turn.id) is not None

    def _touch(self, session: Session, **columns: object) -> Session:
        time_now = now()
        columns["updated_at"] = time_now
        assignments = ", ".join(f"{column} = :{column}" for column in columns)
        changed = self._connection.execute(
            f"UPDATE sessions SET {assignments}, version = version + 1 "
            "WHERE id = :id AND deleted_at IS NULL",
            {**columns, "id": session.id},
        ).rowcount
        if not changed:
            raise deleted_elsewhere()
        if self._job is not None:
            self._connection.execute(
                "UPDATE jobs SET saves = saves + 1 WHERE session = ? AND id = ?", self._job
            )
        version = self._one("SELECT version FROM sessions WHERE id = ?", session.id)["version"]
        return replace(session, updated_at=time_now, version=version)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise InputError(
            "this cannot be the name of a session",
            got=name,
            allowed=f"1 to {MAX_NAME_CHARACTERS} printable characters",
        )
