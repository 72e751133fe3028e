"""Runs a specification without a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag

from multiturn.core.errors import InputError, truncate_repr
from multiturn.synthesis.events import LoopEvent, TurnCancelled, TurnSaved
from multiturn.synthesis.loop import Synthesizer
from multiturn.synthesis.program_text import PYTHON
from multiturn.synthesis.records import Example, ProgramRun, Session, SessionSettings, Turn
from multiturn.synthesis.specification import ABSENT, FilledCase, Specification

__all__ = [
    "AttemptBegun",
    "SpecificationDone",
    "SpecificationEvent",
    "SpecificationResult",
    "TurnBegun",
    "run_specification",
]


SEEDS_PER_ATTEMPT = 1000
"""The distance between the seeds of two attempts: more than a turn can use."""


@dataclass(frozen=True, slots=True)
class AttemptBegun:
    """A new attempt starts from the first turn, with `seed`."""

    attempt: int
    """Counts from 1."""
    max_attempts: int
    """The maximum number of attempts."""
    seed: int
    """The first seed of this attempt."""
    session: Session
    """The new session."""


@dataclass(frozen=True, slots=True)
class TurnBegun:
    """The next turn is about to be generated."""

    number: int
    """Counts from 1."""
    of: int
    """Number of turns."""
    prompt: str
    """The prompt of this turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificationResult:
    """The result of one case of a specification."""

    name: str
    """Of the specification."""
    case: int
    """Counts from 1."""
    attempt: int
    """The first attempt that met the expectations, or else the last."""
    seed: int
    """The first seed of the attempt."""
    session: Session
    """With its tree of turns, as stored."""
    turns: tuple[Turn, ...]
    """In order."""
    program: str
    """The complete source."""
    run: ProgramRun
    """Of the finished program."""
    expected: object
    """`ABSENT` if nothing is expected."""
    met: bool
    """Whether the program ran without an error, printed what is expected, if anything, and every
    example of every turn holds."""
    why_not: str | None
    """One line; None if met."""


@dataclass(frozen=True, slots=True)
class SpecificationDone:
    """The last event."""

    result: SpecificationResult
    """The result of the case."""


SpecificationEvent = AttemptBegun | TurnBegun | LoopEvent | SpecificationDone
"""The events of `run_specification`."""


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
        settings: the language, the header and max_tokens of the specification override these,
            where it has others than the defaults.
        attempts: maximum number of attempts, each from the first turn, until the program meets
            the expectations. Each attempt has its own seeds and its own session.
        cancel: stops soon; the last event is then `TurnCancelled`, without a result.

    Raises:
        InputError: there is no such case, or the attempts cannot differ; and what
            `Synthesizer.take_turn` raises.
    """
    cases = specification.fill()
    if not 1 <= case <= len(cases):
        raise InputError("there is no such case", got=case, allowed=f"1 to {len(cases)}")
    settings = _settings(specification, settings or SessionSettings())
    specification.check_language(settings.language)
    if attempts < 1:
        raise InputError("attempts is out of range", got=attempts, allowed="1 or more")
    if attempts > 1 and settings.sampling.repeats:
        raise InputError(
            "at temperature 0 every attempt writes the same program",
            fix="give a temperature above 0, or one attempt",
        )
    return _attempts(synthesizer, specification.name, cases[case - 1], settings, attempts, cancel)


def _attempts(
    synthesizer: Synthesizer,
    name: str,
    case: FilledCase,
    settings: SessionSettings,
    attempts: int,
    cancel: Flag | None,
) -> Iterator[SpecificationEvent]:
    for attempt in range(1, attempts + 1):
        sampling = settings.sampling.with_seed_offset((attempt - 1) * SEEDS_PER_ATTEMPT)
        session = synthesizer.new_session(
            replace(settings, sampling=sampling), name=_session_name(name)
        )
        yield AttemptBegun(attempt, attempts, sampling.seed, session)
        for number, turn in enumerate(case.turns, start=1):
            yield TurnBegun(number, len(case.turns), turn.prompt)
            examples = turn.examples
            if number == len(case.turns) and case.expect is not ABSENT:
                examples += (Example(expected=case.expect),)
            for event in synthesizer.take_turn(
                session,
                turn.prompt,
                examples=examples,
                verbatim=turn.verbatim,
                cancel=cancel,
            ):
                yield event
                if isinstance(event, TurnCancelled):
                    return
                if isinstance(event, TurnSaved):
                    session = event.session
        result = _result(name, case, attempt, sampling.seed, session)
        if result.met or attempt == attempts:
            yield SpecificationDone(result)
            return


def _settings(specification: Specification, settings: SessionSettings) -> SessionSettings:
    """The settings with the language, the header and max_tokens of the specification."""
    if specification.language != PYTHON.key:
        settings = replace(settings, language=specification.language)
    if specification.header != "auto":
        settings = replace(settings, header=specification.header)
    if specification.max_tokens is not None:
        sampling = replace(settings.sampling, max_tokens=specification.max_tokens)
        settings = replace(settings, sampling=sampling)
    return settings


def _session_name(name: str) -> str | None:
    return name[:100] if name.strip() and name.isprintable() else None


def _result(
    name: str, case: FilledCase, attempt: int, seed: int, session: Session
) -> SpecificationResult:
    turns = session.path()
    run = turns[-1].choice.run
    if run is None:
        raise RuntimeError("a turn was saved without a run")
    why_not = _why_not(turns)
    return SpecificationResult(
        name=name,
        case=case.number,
        attempt=attempt,
        seed=seed,
        session=session,
        turns=turns,
        program=session.program(),
        run=run,
        expected=case.expect,
        met=why_not is None,
        why_not=why_not,
    )


def _why_not(turns: Sequence[Turn]) -> str | None:
    """The first thing that went wrong; None if nothing did."""
    for number, turn in enumerate(turns, start=1):
        choice = turn.choice
        if choice.run is None or not choice.run.outcome.finished:
            return f"turn {number}: the program {choice.describe()}"
    if not turns[-1].choice.text.strip():
        return "the model wrote nothing for the last turn"
    for number, turn in enumerate(turns, start=1):
        for example, examples_passed in zip(
            turn.examples, turn.choice.examples_passed, strict=True
        ):
            if examples_passed:
                continue
            if example.expression is not None:
                return f"turn {number}: {example.expression} is not {example.expected!r}"
            printed = turn.choice.run.stdout.rstrip().split("\n")[-1] if turn.choice.run else ""
            return (
                f"turn {number}: expected {truncate_repr(repr(example.expected))} "
                f"at the end of the output, which ends with {truncate_repr(printed)}"
            )
    return None
