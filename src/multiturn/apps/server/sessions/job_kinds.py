"""What each kind of job does, by its stored request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Event as Flag
from typing import Any, Literal

from multiturn.apps.server.sessions.job_runner import JobEvents, StepStarted
from multiturn.apps.server.sessions.settings_models import changed_sampling
from multiturn.core.errors import InputError
from multiturn.synthesis.events import LoopEvent, TurnCancelled, TurnSaved
from multiturn.synthesis.expectations import read_expectation
from multiturn.synthesis.operations import Operations
from multiturn.synthesis.records import Example, Session
from multiturn.synthesis.storable import check_storable
from multiturn.text.languages import Language

__all__ = ["JobKind", "example_from", "job_events", "planned_saves"]

JobKind = Literal["turn", "retry", "repair", "expect", "unexpect", "edit", "follow"]


def planned_saves(kind: JobKind, session: Session) -> int:
    """How many changes a job saves before it is done."""
    return max(len(session.stale), 1) if kind == "follow" else 1


def job_events(
    operations: Operations,
    session: Session,
    kind: JobKind,
    request: Mapping[str, Any],
    cancel: Flag,
) -> JobEvents:
    """The events of a job, which happen as they are read.

    Raises:
        InputError: the request is wrong; nothing has happened then.
    """
    turn = request.get("turn")
    match kind:
        case "turn":
            return operations.take_turn(
                session,
                request["prompt"],
                examples=[
                    example_from(each, session.language) for each in request.get("examples", ())
                ],
                sampling=changed_sampling(session.settings.sampling, request.get("sampling")),
                cancel=cancel,
            )
        case "retry":
            return operations.retry(
                session,
                request.get("count"),
                request.get("temperature"),
                turn_id=turn,
                cancel=cancel,
            )
        case "repair":
            return operations.repair(session, request.get("message"), turn_id=turn, cancel=cancel)
        case "expect":
            example = example_from(request["example"], session.language)
            return operations.expect(session, example, turn_id=turn, cancel=cancel)
        case "unexpect":
            number = request["number"]
            return operations.expect_no_longer(session, number, turn_id=turn, cancel=cancel)
        case "edit":
            return operations.edit(
                session,
                code=request.get("code"),
                prompt=request.get("prompt"),
                turn_id=turn,
                cancel=cancel,
            )
        case "follow":
            write = bool(request.get("write"))
            first = operations.follow_again(session, write=write, cancel=cancel)
            return _follow(operations, session, first, write=write, cancel=cancel)


def example_from(data: Mapping[str, Any], written_in: Language) -> Example:
    """The example that a client means, for a program in a language.

    Raises:
        InputError: there is none, or it is said in two ways.
    """
    check_storable(data, "the example")
    words = data.get("words")
    if words is not None:
        if "expected" in data or "expression" in data:
            raise InputError("an example has words, or a value and an expression")
        return read_expectation(words, written_in)
    if "expected" not in data and "expression" not in data:
        raise InputError("what is expected?", fix="give words, or a value")
    return Example(expected=data.get("expected"), expression=data.get("expression"))


def _follow(
    operations: Operations,
    session: Session,
    first: Iterator[LoopEvent],
    *,
    write: bool,
    cancel: Flag,
) -> JobEvents:
    events = first
    while True:
        turn = session.stale[0]
        yield StepStarted(turn.id, turn.prompt)
        for event in events:
            yield event
            if isinstance(event, TurnSaved):
                session = event.session
            if isinstance(event, TurnCancelled):
                return
        if not session.stale:
            return
        events = operations.follow_again(session, write=write, cancel=cancel)
