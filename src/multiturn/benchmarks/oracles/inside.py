"""What runs a program that is to be judged, in the process of that program.

This file is the program of a sandbox; nothing imports it. `run` gives the candidate a module
of its own in which `print` notes its arguments, and returns what both oracles need as plain
data: for the legacy one the argument of the last print, looked at when all is over and cast
to the kind of the expected value (of which nothing but the kind is known here); for the
strict one what was printed last, as it was at that moment.
"""

from __future__ import annotations

import ast
import builtins
import io
import linecache
import signal
import sys
import traceback
import types
from typing import Any

from multiturn.sandbox.encoding import EncodingError, Opaque, encode

_FILE = "solution.py"
_FRAMES, _ARRAYS = "pan" + "das", "num" + "py"
# A program that names them is run where they are loaded, so they are not named here.

_WHOLE = ("uint8", "int16", "int32", "int64")
_REAL = ("float16", "float32", "float64")
_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "list": list, "dict": dict}


class _TimeoutError(Exception):
    """Raised inside the program, as the published scorer's alarm is."""


class _Leave(SystemExit):
    """Raised by `exit` and `quit`, which the published scorer has taken away."""


class _Sink(io.TextIOBase):
    """Takes what is printed and counts it; only values are judged."""

    def __init__(self) -> None:
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.size += len(text)
        return len(text)


class _Watch:
    """The `print` of a program, and what it saw."""

    def __init__(self, space: dict[str, Any], sink: _Sink) -> None:
        self.space, self.sink = space, sink
        # The published scorer keeps its notes under this name among the program's own.
        self.stack = space["print_stack"] = []
        self.shown: bytes | None = None

    def print(self, *args: Any, **kwargs: Any) -> None:
        self.stack.append(args)
        builtins.print(*args, **kwargs)
        if kwargs.get("file") in (None, self.sink) and args:
            self.shown = _encoded(args[0] if len(args) == 1 else args)

    def note(self, value: Any) -> Any:
        """Stands around a bare expression at the end, whose value a notebook would show."""
        if value is not None:
            self.shown = _encoded(value)
        return value

    def wrap(self, value: Any) -> Any:
        """Stands around the value of the last statement, which the published scorer prints."""
        shown = self.shown
        self.space.get("print", builtins.print)(value)
        self.shown = shown
        return value

    def published(self, kind: str) -> bytes | None:
        """What the published scorer compares; None where it raises an error before."""
        try:
            if self.space.get("print_stack") is not self.stack:
                return None
            return encode(_cast(self.stack[-1][0], kind), opaque=True)
        except Exception:
            return None


def run(source: str, kind: str, cpu_seconds: float, wall_seconds: float) -> dict[str, Any]:
    """Run the program; what became of it, and its answers."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    space = module.__dict__
    sink = _Sink()
    watch = _Watch(space, sink)
    space.update(print=watch.print)
    vars(builtins).update(exit=_leave, quit=_leave)
    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    try:
        code = compile(_wrapped(source, space, watch), _FILE, "exec", dont_inherit=True)
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        return {"status": "syntax_error", "error": _described(error), "line": line}
    late: list[str] = []
    _set_alarms(late, cpu_seconds, wall_seconds)
    usual, sys.stdout = sys.stdout, sink
    ended: dict[str, Any] = {"status": "finished"}
    judged = True
    try:
        exec(code, space)
    except SystemExit as error:
        ended = {"status": "early_exit", "exit_code": _exit_code(error)}
        # `sys.exit` ends the published scorer itself; there never is a verdict.
        judged = isinstance(error, _Leave)
    except Exception as error:
        status = "out_of_memory" if isinstance(error, MemoryError) else "raised"
        ended = {"status": status, "error": _described(error), "line": _line(error)}
    except BaseException as error:
        ended = {"status": "raised", "error": _described(error), "line": _line(error)}
        judged = False
    finally:
        sys.stdout = usual
    if late:
        ended = {"status": late[0]}
    # A cast may take for ever too: `list` of an endless generator.
    published = watch.published(kind) if judged else None
    _stop_alarms()
    return ended | {"legacy": published, "strict": watch.shown, "printed": sink.size}


def _wrapped(source: str, space: dict[str, Any], watch: _Watch) -> ast.Module:
    """The program, with the value of its last statement handed to `watch`.

    The published scorer prints that value, whatever kind of statement it is, unless it is a
    call of a name that begins with "print".
    """
    tree = ast.parse(source)
    last: Any = tree.body[-1] if tree.body else None
    value = getattr(last, "value", None)
    if not isinstance(value, ast.expr):
        return tree
    called = getattr(getattr(value, "func", None), "id", "")
    for wanted, name, function in (
        (not called.startswith("print"), "_multiturn_wrap", watch.wrap),
        (isinstance(last, ast.Expr), "_multiturn_note", watch.note),
    ):
        if wanted:
            space[name] = function
            call = ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=[last.value], keywords=[])
            last.value = ast.copy_location(call, value)
    return ast.fix_missing_locations(tree)


def _cast(value: Any, kind: str) -> Any:
    """What the published scorer makes of a value, up to where it compares."""
    type_, module = type(value), type(value).__module__
    if type_.__name__ == "Series" and module.partition(".")[0] == _FRAMES:
        return value
    if type_ is list:
        if value and type(value[0]) is tuple:
            value = [list(item) for item in value]
    elif module == _ARRAYS and type_.__name__ in _WHOLE:
        value = int(value)
    elif module == _ARRAYS and type_.__name__ in _REAL:
        value = float(value)
    elif module == _ARRAYS and type_.__name__ in ("bool", "bool_"):
        value = bool(value)
    elif module == _ARRAYS and type_.__name__ == "ndarray":
        value = value.tolist()
    if kind == "bool":
        return value if type(value) is bool else str(value)
    if type(value) is not _KINDS[kind]:
        value = _KINDS[kind](value)
    return value


def _encoded(value: Any) -> bytes:
    try:
        return encode(value, opaque=True)
    except EncodingError:
        return encode(Opaque(type(value).__qualname__[:200]))


def _leave(code: object = None) -> None:
    raise _Leave(code)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return int(error.code) & 0xFF if isinstance(error.code, int) else 1


def _set_alarms(late: list[str], cpu_seconds: float, wall_seconds: float) -> None:
    def ring(number: int, _frame: object) -> None:
        late.append("timed_out_cpu" if number == signal.SIGPROF else "timed_out_wall")
        raise _TimeoutError("Timed out!")

    signal.signal(signal.SIGPROF, ring)
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def _stop_alarms() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _line(error: BaseException) -> int | None:
    """The line of the program, innermost, that the error came through."""
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == _FILE
    ]
    return lines[-1] if lines else None


def _described(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1][:2000]
    except BaseException:
        return type(error).__qualname__
