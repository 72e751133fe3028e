"""Running a program once for both oracles, and what it came to as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

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


def _read(run: RunResult, limits: Limits) -> Watched:
    """The report, which a hostile program may have written itself."""
    report = run.value
    try:
        if not isinstance(report, dict):
            raise TypeError("no report")
        outcome = Outcome(
            Status(report["status"]),
            error=report.get("error"),
            line=report.get("line"),
            exit_code=report.get("exit_code"),
        )
        if outcome.finished and report["printed"] > limits.output_bytes:
            outcome = Outcome(Status.TOO_MUCH_OUTPUT)
        published, shown = report.get("legacy"), report.get("strict")
        return Watched(
            outcome=outcome,
            has_published=published is not None,
            published=_value(published),
            has_shown=shown is not None,
            shown=_value(shown),
        )
    except (KeyError, ValueError, TypeError):
        return Watched(outcome=Outcome(Status.RAISED, error="the program spoilt its own record"))


def _value(data: object) -> object:
    if not isinstance(data, bytes):
        return None
    try:
        return decode(data)
    except EncodingError as error:
        return Opaque(str(error)[:200])
