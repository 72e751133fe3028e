"""The variables of a program after each of its turns, observed in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.sandbox.encoding import EncodingError, decode
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = ["TurnsToRun", "TurnVariables", "observe_turns"]

_INSIDE = Path(__file__).with_name("inside.py")
_SLACK_SECONDS = 2.0
"""How long the sandbox waits after the alarm inside the program."""


@dataclass(frozen=True, slots=True)
class TurnsToRun:
    """A program whose turns are known.

    Attributes:
        source: the program.
        ends: the last line of each turn, from 1.
        names: the variables to observe after each turn.
    """

    source: str
    ends: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnVariables:
    """What a program had after each turn.

    Attributes:
        turns: for each turn that ended, the values of its variables as plain data; a value that
            cannot be encoded is left out of the values and named in `unknown`. None for a turn
            whose last statement extends into the next.
        unknown: for each turn that ended, the variables that exist with an unknown value.
        turn: the turn in which the program failed, from 0; None if it did not.
        reason: ``syntax``, or ``raised``.
        error: the exception, or how the process ended. With `turn` None nothing else is known.
    """

    turns: tuple[Mapping[str, object] | None, ...] = ()
    unknown: tuple[frozenset[str], ...] = ()
    turn: int | None = None
    reason: Literal["syntax", "raised"] | None = None
    error: str | None = None


def observe_turns(
    sandbox: Sandbox, programs: Sequence[TurnsToRun], limits: Limits
) -> list[TurnVariables]:
    """Run programs side by side and observe their variables.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """
    outer = replace(
        limits,
        cpu_seconds=limits.cpu_seconds + _SLACK_SECONDS,
        wall_seconds=limits.wall_seconds + _SLACK_SECONDS,
    )
    found = [TurnVariables()] * len(programs)
    for index, result in sandbox.run_many((each, outer) for each in _calls(programs, limits)):
        outcome = result.outcome
        found[index] = (
            _read(result.value)
            if outcome.finished
            else TurnVariables(error=f"the process {outcome.describe()}")
        )
    return found


def _calls(programs: Sequence[TurnsToRun], limits: Limits) -> Iterator[Program]:
    for each in programs:
        arguments = (
            f"{each.source!a}, {list(each.ends)!r}, {[list(names) for names in each.names]!a}, "
            f"{limits.cpu_seconds}, {limits.wall_seconds}"
        )
        yield Program(source=f"{_inside()}\n_report = run({arguments})\n", result="_report")


@cache
def _inside() -> str:
    return _INSIDE.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """The result of `inside.run`."""

    turns: tuple[Mapping[str, bytes] | None, ...]
    turn: int | None = None
    reason: Literal["syntax", "raised"] | None = None
    error: str | None = None


def _read(value: object) -> TurnVariables:
    try:
        report = read_record(value, _Report, where="report")
    except InputError:
        # Only a program that looked for the report can have changed it.
        return TurnVariables(error="the program spoilt its own record")
    turns: list[Mapping[str, object] | None] = []
    unknown = []
    for encoded in report.turns:
        values: dict[str, object] = {}
        for name, data in (encoded or {}).items():
            try:
                values[name] = decode(data)
            except EncodingError:
                continue
        turns.append(None if encoded is None else values)
        unknown.append(frozenset(name for name in encoded or () if name not in values))
    return TurnVariables(
        turns=tuple(turns), unknown=tuple(unknown), turn=report.turn, reason=report.reason,
        error=report.error,
    )  # fmt: skip
