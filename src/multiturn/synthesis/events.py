"""What the loop tells while it works: events, in the order in which they happen."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.synthesis.records import Candidate, Session, Turn

__all__ = [
    "CandidateRan",
    "CandidateWritten",
    "HistoryDropped",
    "LoopEvent",
    "Retrying",
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
    """Of the candidate."""
    text: str
    """The new text."""


@dataclass(frozen=True, slots=True)
class CandidateWritten:
    """Candidate `index` is complete; the program with it is about to run."""

    index: int
    """Of the candidate."""
    candidate: Candidate
    """Not yet run."""


@dataclass(frozen=True, slots=True)
class CandidateRan:
    """The program so far ran with candidate `index`; `candidate.run` says how it went."""

    index: int
    """Of the candidate."""
    candidate: Candidate
    """With its run."""


@dataclass(frozen=True, slots=True)
class HistoryDropped:
    """The history does not fit the model's window: the `dropped` oldest of `of` turns are not
    shown to the model in this turn (they stay in the program).
    """

    dropped: int
    """Number of turns left out."""
    of: int
    """Number of turns in the history."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """No candidate was good: the model is told what went wrong and writes the step again."""

    attempt: int
    """From 2."""
    most: int
    """The maximum number of attempts."""
    failure: str
    """What went wrong, as the prompt says it."""


@dataclass(frozen=True, slots=True)
class TurnSaved:
    """The last event: the turn is on the disk. Go on with `session`."""

    session: Session
    """The session with the new turn."""
    turn: Turn
    """The new turn."""


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
"""The events of one turn."""
