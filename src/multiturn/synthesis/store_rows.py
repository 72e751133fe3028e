"""Turns and candidates as rows. Each function runs in the transaction of its caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from multiturn.core.records import read_record, to_plain
from multiturn.synthesis.records import Candidate, Example, Session, Turn

__all__ = [
    "as_json",
    "count_copies",
    "insert_candidates",
    "insert_numbered_turn",
    "insert_session",
    "insert_turn",
    "now",
    "read_turns",
    "revise_turn",
]


def read_turns(
    connection: sqlite3.Connection, session_id: str, only: int | None = None
) -> tuple[Turn, ...]:
    """The turns of a session, or only the one with that id, if it exists.

    Raises:
        InputError, ValueError, KeyError: a row is damaged.
    """
    values = {"session": session_id, "only": only}
    candidates: dict[int, list[Candidate]] = {}
    for row in connection.execute(
        "SELECT * FROM candidates WHERE session = :session AND (:only IS NULL OR turn = :only) "
        "ORDER BY turn, number",
        values,
    ):
        where = f"turn {row['turn']}, candidate {row['number']}"
        candidate = read_record(json.loads(row["record"]), Candidate, where=where)
        candidates.setdefault(row["turn"], []).append(candidate)
    rows = connection.execute(
        "SELECT * FROM turns WHERE session = :session AND (:only IS NULL OR id = :only) "
        "ORDER BY id",
        values,
    )
    return tuple(_turn(row, candidates[row["id"]]) for row in rows)


def insert_session(connection: sqlite3.Connection, session: Session) -> None:
    """Write a new session without its turns."""
    connection.execute(
        "INSERT INTO sessions (id, name, model, style, header, settings, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session.id,
            session.name,
            session.model,
            session.style,
            session.header,
            as_json(session.settings),
            session.created_at,
            session.updated_at,
        ),
    )


def insert_turn(connection: sqlite3.Connection, session_id: str, turn: Turn) -> Turn:
    """Write a new turn with all its candidates; returns it with its id and time."""
    last = connection.execute("SELECT max(id) FROM turns WHERE session = ?", (session_id,))
    turn = replace(turn, id=(last.fetchone()[0] or 0) + 1, created_at=now())
    insert_numbered_turn(connection, session_id, turn)
    return turn


def insert_numbered_turn(connection: sqlite3.Connection, session_id: str, turn: Turn) -> None:
    """Write a turn that has its id and time already."""
    connection.execute(
        "INSERT INTO turns (session, id, parent, prompt, examples, chosen, created_at, later) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session_id,
            turn.id,
            turn.parent,
            turn.prompt,
            as_json(turn.examples),
            turn.chosen,
            turn.created_at,
            as_json(turn.later),
        ),
    )
    insert_candidates(connection, session_id, turn, first=0)


def insert_candidates(
    connection: sqlite3.Connection, session_id: str, turn: Turn, *, first: int
) -> None:
    """Write the turn's candidates from number `first` on."""
    connection.executemany(
        "INSERT INTO candidates VALUES (?, ?, ?, ?)",
        [
            (session_id, turn.id, number, as_json(candidate))
            for number, candidate in enumerate(turn.candidates)
            if number >= first
        ],
    )


def revise_turn(connection: sqlite3.Connection, session_id: str, turn: Turn) -> None:
    """Write the examples, the choice and the candidates of a turn again."""
    connection.execute(
        "UPDATE turns SET examples = ?, chosen = ? WHERE session = ? AND id = ?",
        (as_json(turn.examples), turn.chosen, session_id, turn.id),
    )
    connection.executemany(
        "UPDATE candidates SET record = ? WHERE session = ? AND turn = ? AND number = ?",
        [
            (as_json(candidate), session_id, turn.id, number)
            for number, candidate in enumerate(turn.candidates)
        ],
    )


def count_copies(
    connection: sqlite3.Connection, session_id: str, turn: Turn, repeated: Mapping[int, int]
) -> Turn:
    """Add to the copies of candidates, by their number; returns the turn with them."""
    candidates = [
        replace(candidate, copies=candidate.copies + repeated.get(number, 0))
        for number, candidate in enumerate(turn.candidates)
    ]
    connection.executemany(
        "UPDATE candidates SET record = ? WHERE session = ? AND turn = ? AND number = ?",
        [(as_json(candidates[number]), session_id, turn.id, number) for number in repeated],
    )
    return replace(turn, candidates=tuple(candidates))


def as_json(record: object) -> str:
    """A record as JSON text."""
    return json.dumps(to_plain(record))


def now() -> str:
    """The time, UTC, ISO 8601 in microseconds: two changes never share one."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _turn(row: sqlite3.Row, candidates: list[Candidate]) -> Turn:
    where = f"turn {row['id']}"
    if not 0 <= row["chosen"] < len(candidates):
        raise ValueError(f"{where}: candidate {row['chosen']} is chosen, but does not exist")
    return Turn(
        id=row["id"],
        parent=row["parent"],
        prompt=row["prompt"],
        candidates=tuple(candidates),
        chosen=row["chosen"],
        examples=read_record(json.loads(row["examples"]), tuple[Example, ...], where=where),
        created_at=row["created_at"],
        later=read_record(json.loads(row["later"]), tuple[int, ...], where=where),
    )
