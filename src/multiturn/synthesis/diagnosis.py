"""What a step did, and which step an error comes from."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.synthesis.alignment import names_asked_for, names_made
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.records import Session, Turn
from multiturn.synthesis.values import changed_values

__all__ = ["ErrorSource", "StepEffects", "error_source", "step_effects"]

_UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")
_NOT_CALLABLE = re.compile(r"TypeError: '.*' object is not callable")
_MADE_TO_BE_CALLED = ("function ", "class ")


@dataclass(frozen=True, slots=True)
class StepEffects:
    """What a step did to the program."""

    changed: tuple[tuple[str, str], ...]
    """The names that it set or changed, with their values."""
    idle: bool
    """Whether it set nothing, changed nothing and printed nothing. False if that is unknown."""
    repeated: tuple[int, ...]
    """The ids of the earlier turns of which it repeats a statement."""


@dataclass(frozen=True, slots=True)
class ErrorSource:
    """The earlier step that an error comes from."""

    turn: Turn
    reason: str
    """One clause about the turn."""


def step_effects(session: Session, turn: Turn) -> StepEffects:
    """What the chosen code of a turn did, compared with the turn before; in Python only."""
    path = session.path(turn.id)
    run = turn.choice.run
    if not session.language.inspects:
        return StepEffects((), False, ())
    before = path[-2].choice.run if len(path) > 1 else None
    repeated = tuple(
        earlier.id for earlier in path[:-1] if _shares_statement(earlier.code, turn.code)
    )
    if run is None or not run.outcome.finished or run.values is None:
        return StepEffects((), False, repeated)
    if len(path) > 1 and (before is None or before.values is None):
        return StepEffects((), False, repeated)
    known = () if before is None else before.values
    changed = changed_values(known, run.values)
    printed = run.stdout != ("" if before is None else before.stdout)
    idle = not changed and not printed and not names_made(turn.code)
    return StepEffects(changed, idle, repeated)


def error_source(session: Session, turn: Turn) -> ErrorSource | None:
    """The earlier turn that the error of a turn comes from, if the program tells.

    It is the turn of the line that raised; or the one that was asked for a name that does not
    exist, and does not make it; or the one that replaced a function by something else.
    """
    run = turn.choice.run
    if run is None or run.outcome.finished:
        return None
    path = session.path(turn.id)
    error = run.outcome.error or ""
    at = _turn_at_line(session, path, run.outcome.line)
    if at is not None and at.id != turn.id:
        return ErrorSource(at, "the line that failed is part of it")
    undefined = _UNDEFINED.search(error)
    if undefined is not None:
        return _that_lacks(undefined[1], path[:-1])
    if _NOT_CALLABLE.search(error) and run.outcome.line is not None:
        lines = session.program(turn.id).splitlines()
        line = lines[run.outcome.line - 1] if run.outcome.line <= len(lines) else ""
        return _that_replaced(_called_names(line), path)
    return None


def _turn_at_line(session: Session, path: Sequence[Turn], line: int | None) -> Turn | None:
    if line is None:
        return None
    if line <= session.header.count("\n"):
        return path[0]
    step = session.assembly(path[-1].id).step_at(line)
    return None if step is None else path[step]


def _that_lacks(name: str, earlier: Sequence[Turn]) -> ErrorSource | None:
    """The last turn whose prompt asks for a name, although its code does not make it."""
    for turn in reversed(earlier):
        if name in names_asked_for(turn.prompt) and name not in names_made(turn.code):
            return ErrorSource(turn, f"it was asked for {name}, and does not set it")
    return None


def _that_replaced(names: Sequence[str], path: Sequence[Turn]) -> ErrorSource | None:
    """The turn before the last that made a function into something else."""
    for name in names:
        callable_before = False
        for turn in path[:-1]:
            run = turn.choice.run
            value = dict(run.values or ()).get(name, "") if run is not None else ""
            is_callable = value.startswith(_MADE_TO_BE_CALLED)
            if callable_before and value and not is_callable:
                return ErrorSource(turn, f"it replaced {name}, which could be called, by a value")
            callable_before = is_callable
    return None


def _called_names(line: str) -> list[str]:
    return re.findall(r"\b([A-Za-z_]\w*)\s*\(", line)


def _shares_statement(earlier: str, code: str) -> bool:
    """Whether both make the same thing by the same statement."""
    return bool(_making(earlier) & _making(code))


def _making(code: str) -> set[str]:
    tree = parse_module(code)
    kinds = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    found = [] if tree is None else tree.body
    return {ast.dump(statement) for statement in found if isinstance(statement, kinds)}
