"""Running a program once for both oracles, and what it came to as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.sandbox.encoding import EncodingError, Opaque, decode
from multiturn.sandbox.oracles.printed import Table
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = ["LIMITS", "ObservedRun", "watch"]

LIMITS = Limits(cpu_seconds=20.0, wall_seconds=60.0)
"""20 seconds as published, but of CPU time, so that a busy machine fails no good program."""

_INSIDE = Path(__file__).with_name("inside.py")
_SLACK_SECONDS = 2.0
"""What the sandbox waits beyond the alarm that the program itself hears."""
_SLACK_BYTES = 1 << 16
"""What may be printed beyond the limit past `sys.stdout` before the sandbox ends the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRun:
    """What became of a program, and its last answer as each oracle sees it."""

    outcome: Outcome
    judged: bool = False
    """Whether the published scorer would have come to judge it at all."""
    has_published: bool = False
    """Whether the published scorer would have come to compare `published`."""
    published: object = None
    stdout: str = ""
    """All that was printed; where nothing was, the bare expression at the end, as text."""
    table: Table | None = None
    """What was printed last, where that was an array, series or frame."""


def watch(sandbox: Sandbox, source: str, kind: str, limits: Limits = LIMITS) -> ObservedRun:
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
    asked = f"{source!a}, {kind!r}, {limits.cpu_seconds}, {limits.wall_seconds}"
    call = f"\n_report = run({asked}, {limits.output_bytes})\n"
    program = Program(source=_inside() + call, result="_report")
    outer = replace(
        limits,
        cpu_seconds=limits.cpu_seconds + _SLACK_SECONDS,
        wall_seconds=limits.wall_seconds + _SLACK_SECONDS,
        output_bytes=limits.output_bytes + _SLACK_BYTES,
    )
    run = sandbox.run(program, outer)
    if not run.outcome.finished:
        return ObservedRun(outcome=run.outcome)
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
    judged: bool = False
    legacy: bytes | None = None
    table: tuple[str, bytes] | None = None
    bare: tuple[str, bytes | None] | None = None


def _read(run: RunResult, limits: Limits) -> ObservedRun:
    try:
        report = read_record(run.value, _Report, where="report")
    except InputError:
        # Only a program that looked for it can have changed it.
        return ObservedRun(
            outcome=Outcome(Status.RAISED, error="the program spoilt its own record")
        )
    status = report.status
    if status is Status.FINISHED and report.printed > limits.output_bytes:
        status = Status.TOO_MUCH_OUTPUT
    stdout, table = run.stdout_text, report.table
    if not stdout and report.bare is not None:
        text, value = report.bare
        stdout, table = f"{text}\n", None if value is None else (text, value)
    return ObservedRun(
        outcome=Outcome(status, error=report.error, line=report.line, exit_code=report.exit_code),
        judged=report.judged,
        has_published=report.legacy is not None,
        published=_value(report.legacy),
        stdout=stdout,
        table=None if table is None else _table(*table),
    )


def _table(text: str, data: bytes) -> Table | None:
    value = _value(data)
    # What cannot be read is known by its text alone.
    return None if isinstance(value, Opaque) else Table(text, value)


def _value(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return decode(data)
    except EncodingError as error:
        return Opaque(str(error)[:200])
