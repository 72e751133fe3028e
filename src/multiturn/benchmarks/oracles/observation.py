"""Runs a program once for both oracles, and gives what was observed as plain data."""

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

__all__ = ["LIMITS", "ObservedRun", "observe"]

LIMITS = Limits(cpu_seconds=20.0, wall_seconds=60.0)
"""20 seconds as published, but of CPU time, so that a busy machine fails no correct program."""

_INSIDE = Path(__file__).with_name("inside.py")
_SLACK_SECONDS = 2.0
"""How long the sandbox waits after the alarm inside the program."""
_SLACK_BYTES = 1 << 16
"""Output beyond the limit, bypassing `sys.stdout`, before the sandbox ends the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRun:
    """How a program ended, and its last answer as each oracle sees it."""

    outcome: Outcome
    judged: bool = False
    """Whether the published scorer would have judged it at all."""
    has_published: bool = False
    """Whether the published scorer would have compared `published`."""
    published: object = None
    stdout: str = ""
    """All output; if there is none, the value of a bare expression at the end, as text."""
    table: Table | None = None
    """What was printed last, if it was an array, series or frame."""


def observe(sandbox: Sandbox, source: str, kind: str, limits: Limits = LIMITS) -> ObservedRun:
    """Run a program and observe what it prints.

    Args:
        sandbox: runs it.
        source: the program.
        kind: the name of the type of the gold value. The published scorer casts the printed
            value to it; a cast may run code of the program, so it happens inside.
        limits: of the run. An alarm raises an exception in the program when its time is up.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """
    arguments = f"{source!a}, {kind!r}, {limits.cpu_seconds}, {limits.wall_seconds}"
    call = f"\n_report = run({arguments}, {limits.output_bytes})\n"
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
    """The result of `inside.run`."""

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
        # Only a program that looked for the report can have changed it.
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
    # A value that cannot be decoded is known by its text alone.
    return None if isinstance(value, Opaque) else Table(text, value)


def _value(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return decode(data)
    except EncodingError as error:
        return Opaque(str(error)[:200])
