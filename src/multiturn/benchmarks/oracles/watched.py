"""Running a program once for both oracles, and what it came to as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.sandbox.encoding import EncodingError, Opaque, decode
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = ["LIMITS", "Watched", "watch"]

LIMITS = Limits(cpu_seconds=20.0, wall_seconds=60.0)
"""20 seconds as published, but of CPU time, so that a busy machine fails no good program."""

_INSIDE = Path(__file__).with_name("inside.py")
_SLACK_SECONDS = 2.0
"""What the sandbox waits beyond the alarm that the program itself hears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What became of a program, and its last answer as each oracle sees it."""

    outcome: Outcome
    has_published: bool = False
    """Whether the published scorer would have come to compare `published`."""
    published: object = None
    has_shown: bool = False
    """Whether anything was shown."""
    shown: object = None
    """What was printed last: the one argument, or the tuple of all where there were several."""


def watch(sandbox: Sandbox, source: str, kind: str, limits: Limits = LIMITS) -> Watched:
    """Run a program and see what it prints.

    Args:
        sandbox: runs it.
        source: the program.
        kind: the type's name of the expected value: the published scorer casts to it what
            was printed, and the cast is the program's own code, so it happens inside.
        limits: of the run. The program hears an alarm, as an exception, when its time is up.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """
    call = f"\n_report = run({source!a}, {kind!r}, {limits.cpu_seconds}, {limits.wall_seconds})\n"
    program = Program(source=_inside() + call, result="_report")
    outer = replace(
        limits,
        cpu_seconds=limits.cpu_seconds + _SLACK_SECONDS,
        wall_seconds=limits.wall_seconds + _SLACK_SECONDS,
    )
    run = sandbox.run(program, outer)
    if not run.outcome.finished:
        return Watched(outcome=run.outcome)
    return _read(run, limits)


@cache
def _inside() -> str:
    return _INSIDE.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What `inside.run` returns."""

    status: Status
    error: str | None = None
    line: int | None = None
    exit_code: int | None = None
    printed: int = 0
    legacy: bytes | None = None
    strict: bytes | None = None


def _read(run: RunResult, limits: Limits) -> Watched:
    try:
        report = read_record(run.value, _Report, where="report")
    except InputError:
        # Only a program that looked for it can have changed it.
        return Watched(outcome=Outcome(Status.RAISED, error="the program spoilt its own record"))
    status = report.status
    if status is Status.FINISHED and report.printed > limits.output_bytes:
        status = Status.TOO_MUCH_OUTPUT
    return Watched(
        outcome=Outcome(status, error=report.error, line=report.line, exit_code=report.exit_code),
        has_published=report.legacy is not None,
        published=_value(report.legacy),
        has_shown=report.strict is not None,
        shown=_value(report.strict),
    )


def _value(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return decode(data)
    except EncodingError as error:
        return Opaque(str(error)[:200])
