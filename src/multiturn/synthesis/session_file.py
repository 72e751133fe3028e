"""A session as a file: all of its turns, so that another machine can continue it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from multiturn import __version__
from multiturn.core.errors import InputError
from multiturn.core.records import read_record, to_plain
from multiturn.synthesis.records import Session, Turn
from multiturn.synthesis.storable import check_storable
from multiturn.synthesis.turn_text import MAX_CODE_CHARACTERS, MAX_TURN_CHARACTERS

__all__ = ["MAX_TURNS", "SCHEMA", "read_session_document", "session_document"]

SCHEMA = "multiturn.sessions/1"

MAX_TURNS = 10_000

_IGNORED = frozenset({"version"})
"""Keys of a session that mean something only in its store."""


def session_document(session: Session) -> dict[str, Any]:
    """A session as plain data, ready for JSON; docs/json.md describes it."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "session": {**to_plain(session), "turns": [to_plain(t) for t in session.turns.values()]},
        "path": [turn.id for turn in session.path()],
        "program": session.program(),
    }


def read_session_document(data: object) -> Session:
    """The session in a document; `SessionStore.insert` adds it to a store.

    Its runs are what the document says: nothing has run here.

    Raises:
        InputError: it is not such a document, or its turns are no tree.
    """
    where = "the session file"
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise InputError(
            f"{where} is not one of a session",
            got=got,
            allowed=SCHEMA,
            fix="export a session as .json, or with `multiturn sessions show --json`",
        )
    found = data.get("session")
    if not isinstance(found, Mapping):
        raise InputError(f"{where} has no session")
    check_storable(found, where)
    fields = {key: value for key, value in found.items() if key not in _IGNORED}
    turns = read_record(fields.pop("turns", []), tuple[Turn, ...], where=f"{where}: turns")
    session = read_record({**fields, "turns": {}}, Session, where=where)
    _check_turns(turns, where)
    by_id = MappingProxyType({turn.id: turn for turn in turns})
    if session.current is not None and session.current not in by_id:
        raise InputError(f"{where}: the current turn does not exist", got=session.current)
    if len(session.header) > MAX_CODE_CHARACTERS:
        raise InputError(f"{where}: the header is too long")
    return replace(session, turns=by_id)


def _check_turns(turns: Sequence[Turn], where: str) -> None:
    """Refuse turns that are no tree, or larger than a person can make them.

    Raises:
        InputError: they are.
    """
    if len(turns) > MAX_TURNS:
        raise InputError(f"{where} has too many turns", got=len(turns), allowed=f"{MAX_TURNS}")
    earlier: set[int] = set()
    for turn in turns:
        at = f"{where}: turn {turn.id}"
        if not 1 <= turn.id < 2**31 or turn.id in earlier:
            raise InputError(f"{at}: the id is used twice or out of range")
        if turn.parent is not None and turn.parent not in earlier:
            raise InputError(f"{at}: it follows a turn that is not before it", got=turn.parent)
        if not 0 <= turn.chosen < len(turn.candidates):
            raise InputError(f"{at}: the chosen candidate does not exist", got=turn.chosen)
        if len(turn.prompt) > MAX_TURN_CHARACTERS:
            raise InputError(f"{at}: the prompt is too long")
        if any(len(each.text) > MAX_CODE_CHARACTERS for each in turn.candidates):
            raise InputError(f"{at}: the code of a candidate is too long")
        earlier.add(turn.id)
