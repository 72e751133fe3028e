"""The events of the loop, in the order in which they happen."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.synthesis.records import Candidate, Session, Turn

__all__ = [
    "CandidateRan",
    "CandidateRepeated",
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
    """New text of candidate `index`, which counts through retries and counts repeated candidates.

    Sanitize it for a terminal. Texts of several candidates come interleaved.

    The stream may include text that the style removes at the end, like a comment that starts the
    next step or a repeated program; `CandidateWritten.candidate.text` is final.
    """

    index: int
    """Of the candidate."""
    text: str
    """The new text."""


@dataclass(frozen=True, slots=True)
class CandidateWritten:
    """Candidate `index` is complete; the program with it runs now, beside the others' writing."""

    index: int
    """Of the candidate."""
    candidate: Candidate
    """Not yet run."""


@dataclass(frozen=True, slots=True)
class CandidateRepeated:
    """Candidate `index` is complete, but has the code of another one: it does not run."""

    index: int
    """Of the candidate."""
    candidate: Candidate
    """The other one, which may not have run yet."""


@dataclass(frozen=True, slots=True)
class CandidateRan:
    """The program so far ran with candidate `index`; the result is in `candidate.run`.

    The first candidate's may come while others are still written.
    """

    index: int
    """Of the candidate."""
    candidate: Candidate
    """With its run."""
    program: str
    """The program so far with it."""


@dataclass(frozen=True, slots=True)
class HistoryDropped:
    """The history does not fit the context window.

    The prompt of this turn omits the `dropped` oldest of `of` turns; they stay in the program.
    """

    dropped: int
    """Number of turns left out."""
    of: int
    """Number of turns in the history."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """No candidate was good: the model generates the step again, with feedback."""

    attempt: int
    """Of the retries, from 1."""
    max_retries: int
    """The number of retries that the session allows."""
    failure: str
    """What went wrong, as the prompt says it."""


@dataclass(frozen=True, slots=True)
class TurnSaved:
    """The last event: the turn is on disk. Continue with `session`."""

    session: Session
    """The session with the new turn."""
    turn: Turn
    """The new turn."""


@dataclass(frozen=True, slots=True)
class TurnCancelled:
    """The last event after `cancel` was set: nothing was saved, the session is unchanged."""


LoopEvent = (
    TextWritten
    | CandidateWritten
    | CandidateRepeated
    | CandidateRan
    | HistoryDropped
    | Retrying
    | TurnSaved
    | TurnCancelled
)
"""The events of one turn."""
