"""Runs a program turn by turn, in the process of that program.

This file is the program of a sandbox; nothing imports it. `run` executes the statements of each
turn in one namespace and returns the named variables after each, encoded as plain data, so that
they are compared where the program cannot reach.
"""

from __future__ import annotations

import ast
import builtins
import io
import signal
import sys
import traceback
import types
from typing import Any

from multiturn.sandbox.encoding import encode

_FILE = "solution.py"
_REPEAT_SECONDS = 0.5
"""A program may catch the alarm; it comes again."""


class _TimeUpError(BaseException):
    """Raised inside the program when its time is up."""


class _Nowhere(io.RawIOBase):
    """Drops what a program prints."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def run(
    source: str,
    ends: list[int],
    names: list[list[str]],
    cpu_seconds: float,
    wall_seconds: float,
) -> dict[str, Any]:
    """Run the program up to the end of the last turn.

    Args:
        source: the program.
        ends: the last line of each turn, from 1.
        names: the variables to return after each turn.
        cpu_seconds: of all turns.
        wall_seconds: likewise.

    Returns:
        ``turns``: for each turn that ended, its variables by name, or None if a statement extends
        into the next turn; and, if the program did not run to its end, ``turn``, ``reason``
        (``syntax`` or ``raised``) and ``error``.
    """
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    space = module.__dict__
    space.update(__builtins__=builtins, __file__=_FILE)
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedWriter(_Nowhere()), encoding="utf-8", errors="replace"
    )
    found: dict[str, Any] = {"turns": []}
    bodies, crossed, fault = _parted(source, ends)
    _set_alarms(cpu_seconds, wall_seconds)
    try:
        left = False
        for turn, body in enumerate(bodies):
            if left:
                return found | {"turn": turn, "reason": "raised", "error": "SystemExit"}
            try:
                _execute(body, space)
            except SystemExit as error:
                if error.code not in (None, 0):
                    return found | _raised(error, turn, ends)
                left = True
            except BaseException as error:
                return found | _raised(error, turn, ends)
            found["turns"].append(None if turn in crossed else _snapshot(space, names[turn]))
    except _TimeUpError as error:
        return found | _raised(error, len(found["turns"]), ends)
    finally:
        _stop_alarms()
    return found if fault is None else found | fault


def _parted(
    source: str, ends: list[int]
) -> tuple[list[list[ast.stmt]], set[int], dict[str, Any] | None]:
    """The statements of each turn; the turns whose last one extends into the next; the fault.

    Of a program that does not compile, the turns up to the one that breaks it.
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    fault = None
    for count in range(len(ends), 0, -1):
        text = "\n".join(lines[: ends[count - 1]])
        try:
            compile(text, _FILE, "exec", dont_inherit=True)
            tree = ast.parse(text)
        except Exception as error:
            fault = {"turn": count - 1, "reason": "syntax", "error": _described(error)}
            continue
        bodies: list[list[ast.stmt]] = [[] for _ in range(count)]
        crossed: set[int] = set()
        for statement in tree.body:
            first, last = _span(statement)
            turn = next(number for number, end in enumerate(ends) if first <= end)
            bodies[turn].append(statement)
            crossed |= {number for number in range(turn, count) if ends[number] < last}
        return bodies, crossed, fault
    return [], set(), fault


def _span(statement: ast.stmt) -> tuple[int, int]:
    """First and last line, decorators included."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(each.lineno for each in decorators)])
    return first, statement.end_lineno or statement.lineno


def _execute(body: list[ast.stmt], space: dict[str, Any]) -> None:
    module = ast.Module(body=body, type_ignores=[])
    exec(compile(module, _FILE, "exec", dont_inherit=True), space)


def _snapshot(space: dict[str, Any], names: list[str]) -> dict[str, bytes]:
    """The variables that exist; empty for a value that cannot be encoded."""
    found = {}
    for name in names:
        if name in space:
            try:
                found[name] = encode(space[name], opaque=True)
            except Exception:
                found[name] = b""
    return found


def _raised(error: BaseException, turn: int, ends: list[int]) -> dict[str, Any]:
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == _FILE
    ]
    if lines:
        turn = next((number for number, end in enumerate(ends) if lines[0] <= end), turn)
    text = "the time was up" if isinstance(error, _TimeUpError) else _described(error)
    return {"turn": turn, "reason": "raised", "error": text}


def _described(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1][:200]
    except BaseException:
        return type(error).__qualname__


def _set_alarms(cpu_seconds: float, wall_seconds: float) -> None:
    def ring(_number: int, _frame: object) -> None:
        raise _TimeUpError

    signal.signal(signal.SIGPROF, ring)
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds, _REPEAT_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds, _REPEAT_SECONDS)


def _stop_alarms() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
