"""A specification run without a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event as Flag

from multiturn.synthesis.loop import LoopEvent, Synthesizer
from multiturn.synthesis.session import Run, Session, SessionSettings, Turn
from multiturn.synthesis.specification import Specification

__all__ = [
    "AttemptBegun",
    "SpecificationDone",
    "SpecificationEvent",
    "SpecificationResult",
    "TurnBegun",
    "run_specification",
]


@dataclass(frozen=True, slots=True)
class AttemptBegun:
    """The program is written from its first turn, with `seed`."""

    attempt: int
    """Counts from 1."""
    most: int
    seed: int
    session: Session


@dataclass(frozen=True, slots=True)
class TurnBegun:
    """The next turn is about to be written."""

    number: int
    """Counts from 1."""
    of: int
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificationResult:
    """What became of one case of a specification."""

    name: str
    case: int
    """Counts from 1."""
    attempt: int
    """The attempt this is about: the first that met what was expected, else the last."""
    seed: int
    session: Session
    """With its tree of turns; stored."""
    turns: tuple[Turn, ...]
    program: str
    run: Run
    """Of the finished program."""
    expected: object
    """`ABSENT` where nothing was."""
    met: bool
    """Whether the program ran without error and printed what was expected, where that was
    said; every example of every turn held, too."""
    why_not: str | None
    """One line, None where met."""


@dataclass(frozen=True, slots=True)
class SpecificationDone:
    """The last event."""

    result: SpecificationResult


SpecificationEvent = AttemptBegun | TurnBegun | LoopEvent | SpecificationDone


def run_specification(
    synthesizer: Synthesizer,
    specification: Specification,
    *,
    case: int = 1,
    settings: SessionSettings | None = None,
    attempts: int = 1,
    cancel: Flag | None = None,
) -> Iterator[SpecificationEvent]:
    """Write a specification's program turn by turn.

    Args:
        synthesizer: engine, sandbox and store to use.
        specification: what to write.
        case: which of its cases, from 1.
        settings: the specification's own header and max_tokens take their place in it.
        attempts: how many times, at most, the program is written from its first turn until
            it meets what is expected; each attempt has seeds of its own and is a session of
            its own. 1 is off.
        cancel: stops soon; the last event is then `TurnCancelled`, and there is no result.
    """
    raise NotImplementedError
