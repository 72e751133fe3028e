"""Lists of sessions, and the search in them; each in the transaction of its caller."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

__all__ = ["SessionMatch", "SessionSummary", "list_sessions", "search_sessions"]

_SNIPPET_CHARACTERS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """An entry in the list of sessions."""

    id: str
    """Of the session."""
    name: str
    """Of the session."""
    model: str
    """Name or path of the model."""
    turns: int
    """Number of turns."""
    last_prompt: str
    """The prompt of the current turn."""
    created_at: str
    """UTC, ISO 8601."""
    updated_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMatch:
    """A session that a search found."""

    session: SessionSummary
    """The session."""
    turn: int | None
    """The first turn that matches; None where only the name does."""
    snippet: str
    """The line that matches, of the name, a prompt or the code."""


def list_sessions(
    connection: sqlite3.Connection, *, deleted: bool = False
) -> tuple[SessionSummary, ...]:
    """All sessions, or those that are marked as deleted, the most recently used first."""
    rows = connection.execute(
        """
        SELECT id, name, model, created_at, updated_at,
            (SELECT count(*) FROM turns WHERE session = sessions.id) AS turns,
            (SELECT prompt FROM turns
             WHERE session = sessions.id AND id = sessions.current) AS last_prompt
        FROM sessions WHERE (deleted_at IS NOT NULL) = ?
        ORDER BY updated_at DESC, rowid DESC
        """,
        (deleted,),
    )
    return tuple(
        SessionSummary(**{**dict(row), "last_prompt": row["last_prompt"] or ""}) for row in rows
    )


def search_sessions(connection: sqlite3.Connection, words: str) -> tuple[SessionMatch, ...]:
    """The sessions with `words` in their name, a prompt or the chosen code, whatever the case."""
    folded = words.casefold()
    connection.create_function(
        "has_words",
        1,
        lambda text: text is not None and folded in text.casefold(),
        deterministic=True,
    )
    rows = connection.execute(
        """
        SELECT sessions.id AS session, sessions.name AS name, turns.id AS turn,
            turns.prompt AS prompt, json_extract(candidates.record, '$.text') AS code
        FROM sessions
        LEFT JOIN turns ON turns.session = sessions.id
        LEFT JOIN candidates ON candidates.session = turns.session
            AND candidates.turn = turns.id AND candidates.number = turns.chosen
        WHERE sessions.deleted_at IS NULL
            AND (has_words(name) OR has_words(prompt) OR has_words(code))
        ORDER BY turns.id
        """
    )
    first: dict[str, sqlite3.Row] = {}
    for row in rows:
        first.setdefault(row["session"], row)
    return tuple(
        _match(first[summary.id], summary, folded)
        for summary in list_sessions(connection)
        if summary.id in first
    )


def _match(row: sqlite3.Row, summary: SessionSummary, folded: str) -> SessionMatch:
    if folded in summary.name.casefold():
        return SessionMatch(session=summary, turn=None, snippet=summary.name)
    lines = [*row["prompt"].split("\n"), *row["code"].split("\n")]
    found = next((line for line in lines if folded in line.casefold()), lines[0])
    at = max(found.casefold().find(folded) - _SNIPPET_CHARACTERS // 2, 0)
    return SessionMatch(
        session=summary, turn=row["turn"], snippet=found[at : at + _SNIPPET_CHARACTERS].strip()
    )
