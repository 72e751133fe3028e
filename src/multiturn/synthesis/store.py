"""The store of sessions: one SQLite file that survives kills, full disks and other processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from multiturn.synthesis.session import (
    Candidate,
    Example,
    Session,
    SessionSettings,
    StyleName,
)

__all__ = ["SessionStore", "SessionSummary", "move_aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """A line of the list of sessions."""

    id: str
    name: str
    model: str
    turns: int
    last_prompt: str
    created_at: str
    updated_at: str


class SessionStore:
    """Sessions in one file. Several processes, and several threads, may use it at once.

    Every method that changes something returns only when the change is on the disk.

    Args:
        path: the database; by default `places().sessions`. It and its directory are made.

    Raises:
        StoreError: the file is broken, not a store of sessions, or of a newer version. It is
            left as it is; the message says how to move it aside.
        StorageError: the disk is full or the place cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        raise NotImplementedError

    def create(
        self,
        *,
        name: str | None,
        model: str,
        style: StyleName,
        header: str,
        settings: SessionSettings,
    ) -> Session:
        """A new, empty session; the name defaults to one made from the date."""
        raise NotImplementedError

    def load(self, session_id: str) -> Session:
        """The session of exactly that id.

        Raises:
            UnknownNameError: there is none.
        """
        raise NotImplementedError

    def find(self, name: str) -> Session:
        """The session of that id, beginning of an id, or name (the latest of that name).

        Raises:
            UnknownNameError: there is none; suggests the nearest.
        """
        raise NotImplementedError

    def list(self) -> tuple[SessionSummary, ...]:
        """All sessions, the one used last first."""
        raise NotImplementedError

    def latest(self) -> Session | None:
        """The session used last."""
        raise NotImplementedError

    def delete(self, session_id: str) -> None:
        """Remove a session and all its turns."""
        raise NotImplementedError

    def update(self, session: Session) -> None:
        """Save name, model, style, header and settings of a session (not its turns)."""
        raise NotImplementedError

    def move(self, session: Session, turn_id: int | None) -> Session:
        """Stand at another turn."""
        raise NotImplementedError

    def add_turn(
        self,
        session: Session,
        prompt: str,
        candidates: Sequence[Candidate],
        *,
        chosen: int,
        examples: Sequence[Example] = (),
    ) -> Session:
        """Add a turn after the current one and stand at it."""
        raise NotImplementedError

    def add_candidates(
        self, session: Session, turn_id: int, candidates: Sequence[Candidate], *, chosen: int
    ) -> Session:
        """Add candidates to a turn and choose one (by its index among all). Stands at the turn.

        A turn that others follow is never changed: a copy of it beside it (a branch) gets
        the candidates, and the session stands at the copy.
        """
        raise NotImplementedError

    def choose(self, session: Session, turn_id: int, chosen: int) -> Session:
        """Choose another candidate; branches like `add_candidates`."""
        raise NotImplementedError

    def check(self) -> None:
        """Read the whole file and compare it with itself.

        Raises:
            StoreError: it is damaged.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def move_aside(path: Path) -> Path:
    """Rename a store (with its journal files) that cannot be read; returns the new name.

    Nothing is deleted: what can be saved by hand stays there.
    """
    raise NotImplementedError
