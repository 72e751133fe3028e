"""The loop: a turn becomes a prompt, candidates, runs of the program so far, and a choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event as Flag

from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.session import (
    Candidate,
    Example,
    Run,
    Sampling,
    Session,
    SessionSettings,
    Turn,
)
from multiturn.synthesis.store import SessionStore

__all__ = [
    "CandidateRan",
    "CandidateWritten",
    "HistoryDropped",
    "LoopEvent",
    "Retrying",
    "Synthesizer",
    "TextWritten",
    "TurnCancelled",
    "TurnSaved",
]


@dataclass(frozen=True, slots=True)
class TextWritten:
    """Text arrived for candidate `index` (counts through retries). Raw: clean it for a terminal.

    What the style leaves out at the end (a comment that begins the next step, a repeated
    program) may have been streamed; `CandidateWritten.candidate.text` is what counts.
    """

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class CandidateWritten:
    """Candidate `index` is complete; the program with it is about to run."""

    index: int
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class CandidateRan:
    """The program so far ran with candidate `index`; `candidate.run` says how it went."""

    index: int
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class HistoryDropped:
    """The history does not fit the model's window: the `dropped` oldest of `of` turns are not
    shown to the model in this turn (they stay in the program).
    """

    dropped: int
    of: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """No candidate was good: the model is told what went wrong and writes the step again."""

    attempt: int
    most: int
    failure: str


@dataclass(frozen=True, slots=True)
class TurnSaved:
    """The last event: the turn is on the disk. Go on with `session`."""

    session: Session
    turn: Turn


@dataclass(frozen=True, slots=True)
class TurnCancelled:
    """The last event after `cancel` was set: nothing was saved, the session is as before."""


LoopEvent = (
    TextWritten
    | CandidateWritten
    | CandidateRan
    | HistoryDropped
    | Retrying
    | TurnSaved
    | TurnCancelled
)


class Synthesizer:
    """Writes programs with one engine, one sandbox and one store.

    Sessions are values: each method that changes one returns the new record (or gives it in
    `TurnSaved.session`), and it is on the disk by then.

    Args:
        engine: writes the steps; not closed by this class, nor are the others.
        sandbox: runs the program so far.
        store: keeps the sessions.
        model: name or path by which the model can be opened again; recorded in sessions.
    """

    def __init__(
        self, engine: Engine, sandbox: Sandbox, store: SessionStore, *, model: str | None = None
    ) -> None:
        self.engine = engine
        self.sandbox = sandbox
        self.store = store
        self.model = model or engine.info.model

    def new_session(
        self, settings: SessionSettings | None = None, *, name: str | None = None
    ) -> Session:
        """A new session; resolves the style and the header for this model and this sandbox."""
        raise NotImplementedError

    def adopt(self, session: Session) -> Session:
        """Go on with a session of another model: records this one, re-resolves an auto style.

        Programs and earlier turns stay as they are.
        """
        raise NotImplementedError

    def take_turn(
        self,
        session: Session,
        prompt: str,
        *,
        sampling: Sampling | None = None,
        examples: Sequence[Example] = (),
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write the next step after the current turn.

        Args:
            session: as it was last returned.
            prompt: what this step should do, in plain language.
            sampling: for this turn only; the session's own by default.
            examples: what must come out of this step; ranks candidates, drives retries.
            cancel: set it from any thread to stop soon; `TurnCancelled` is the last event.
                Closing the iterator discards the turn too.

        Raises (before anything is decoded):
            InputError: the turn is empty, too long, or has control characters.
            ContextOverflowError: the history does not fit; names the choices.
            EngineError, SandboxUnavailableError, StoreError, StorageError: the session in the
                store is as it was before.
        """
        raise NotImplementedError

    def retry(
        self,
        session: Session,
        *,
        turn_id: int | None = None,
        sampling: Sampling | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write more candidates for the current turn (or `turn_id`) with seeds not used yet.

        The best of the new ones is chosen, since the person wanted something else. Indices in
        events go on from the turn's candidates.
        """
        raise NotImplementedError

    def edit(
        self, session: Session, code: str, *, turn_id: int | None = None
    ) -> Iterator[LoopEvent]:
        """Add the person's own code as a candidate of the turn, run it, and choose it."""
        raise NotImplementedError

    def pick(self, session: Session, number: int, *, turn_id: int | None = None) -> Session:
        """Choose candidate `number` (counts from 1).

        Raises:
            InputError: there is no such candidate.
        """
        raise NotImplementedError

    def undo(self, session: Session) -> Session:
        """Stand at the turn before the current one; the turn left stays as a branch.

        Raises:
            InputError: there is nothing to undo.
        """
        raise NotImplementedError

    def branch(self, session: Session, turn_id: int | None) -> Session:
        """Stand at any turn (None: before the first); the next turn begins a branch there."""
        raise NotImplementedError

    def run(self, session: Session) -> Run:
        """Run the program so far once more."""
        raise NotImplementedError
