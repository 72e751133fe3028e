"""The tables of the session store, and the migration of older files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from multiturn.core.errors import StoreError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "migrate", "check_application"]

APPLICATION_ID = 0x4D54524E
"""In the header of the file, to distinguish a store from the databases of other programs."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            model TEXT NOT NULL,
            style TEXT NOT NULL,
            header TEXT NOT NULL,
            settings TEXT NOT NULL,
            current INTEGER,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE turns (
            session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            id INTEGER NOT NULL,
            parent INTEGER,
            prompt TEXT NOT NULL,
            examples TEXT NOT NULL,
            chosen INTEGER NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (session, id),
            FOREIGN KEY (session, parent) REFERENCES turns (session, id)
                DEFERRABLE INITIALLY DEFERRED
        ) STRICT
        """,
        """
        CREATE TABLE candidates (
            session TEXT NOT NULL,
            turn INTEGER NOT NULL,
            number INTEGER NOT NULL,
            record TEXT NOT NULL,
            PRIMARY KEY (session, turn, number),
            FOREIGN KEY (session, turn) REFERENCES turns (session, id) ON DELETE CASCADE
        ) STRICT
        """,
        "CREATE INDEX turns_by_parent ON turns (session, parent)",
    ),
    (
        "ALTER TABLE sessions ADD COLUMN version INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN deleted_at TEXT",
        "ALTER TABLE sessions ADD COLUMN last_event INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE turns ADD COLUMN later TEXT NOT NULL DEFAULT '[]'",
        """
        CREATE TABLE jobs (
            session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            id TEXT NOT NULL,
            kind TEXT NOT NULL,
            request TEXT NOT NULL,
            state TEXT NOT NULL,
            error TEXT,
            saves INTEGER NOT NULL,
            owner TEXT NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (session, id)
        ) STRICT
        """,
        "CREATE UNIQUE INDEX one_job_at_once ON jobs (session) WHERE state = 'running'",
        """
        CREATE TABLE job_events (
            session TEXT NOT NULL,
            number INTEGER NOT NULL,
            job TEXT NOT NULL,
            kind TEXT NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (session, number),
            FOREIGN KEY (session, job) REFERENCES jobs (session, id) ON DELETE CASCADE
        ) STRICT
        """,
        "CREATE INDEX job_events_by_job ON job_events (session, job)",
    ),
)
"""Entry k has the statements that migrate version k to version k + 1. Never edit a released entry:
add another."""


def check_application(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of another program or of a later version.

    Raises:
        StoreError: the database is not ours. Nothing was written.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise StoreError(
            "this database is not a store of sessions",
            got=str(path),
            fix="name another file; nothing in it was changed",
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the store of sessions {path} was written by a newer version of multiturn",
            got=f"schema {version}",
            allowed=f"schema {len(MIGRATIONS)} or older",
            fix="upgrade multiturn; nothing in it was changed",
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Run the missing migrations, all of them or none."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Checked again under the lock: another process may have migrated it in the meantime.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
