"""Runs a program that is judged, in the process of that program.

This file is the program of a sandbox; nothing imports it. `run` gives the candidate a module of its
own in which `print` records its arguments, and returns what the oracles need besides the output, as
plain data. For the legacy oracle this is the argument of the last print, examined at the end and
cast to the type of the gold value (only the type is known here). For the strict oracle it is an
array or table that was printed last, whose text is not complete, and the value of a bare expression
at the end.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import contextlib
import gc
import io
import linecache
import signal
import sys
import traceback
import types
from typing import Any

from multiturn.sandbox.encoding import encode

_FILE = "solution.py"
_FRAMES, _ARRAYS = "pan" + "das", "num" + "py"
# The sandbox preloads packages that a program names, so this one does not name them.

_INTEGERS = ("uint8", "int16", "int32", "int64")
_FLOATS = ("float16", "float32", "float64")
_EXACT = (("decimal", "Decimal"), ("fractions", "Fraction"))
_LARGE = 10**5000
_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "list": list, "dict": dict}


class _TimeoutError(Exception):
    """Raised inside the program, as the published scorer's alarm is."""


class _Leave(SystemExit):
    """Raised by `exit` and `quit`, which the published scorer removes."""


class _Counted(io.FileIO):
    """Standard output up to a limit; further output is counted and dropped.

    The sandbox would end the program there, but the published scorer has no such limit.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(1, "w", closefd=False)
        self.name = "<stdout>"
        self.size, self.max_bytes = 0, max_bytes

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.size + size <= self.max_bytes:
            size = super().write(data) or 0
        self.size += size
        return size


class _Nowhere(io.TextIOBase):
    """Drops what only the published scorer prints."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


class _PrintRecorder:
    """The `print` of a program, and what it recorded."""

    def __init__(self, space: dict[str, Any], max_bytes: int) -> None:
        self.space = space
        # The published scorer stores its records under this name in the program's namespace. A
        # program that uses the name collides with them.
        space["print_stack"] = []
        self.collided = False
        self.table: tuple[str, bytes] | None = None
        self.bare: tuple[str, bytes | None] | None = None
        self.raw = _Counted(max_bytes)
        self.out = io.TextIOWrapper(
            io.BufferedWriter(self.raw),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=bool(sys.stdout.line_buffering),
        )
        self._print, self._printing = builtins.print, False

    def print(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.space["print_stack"].append({"args": args, "kwargs": kwargs})
        except _TimeoutError:
            raise
        except Exception:
            self.collided = True  # In that scorer the program ends here, without a record.
        # A program may replace the builtin with a function that calls this one.
        used = self._print if self._printing else builtins.print
        self._printing = True
        try:
            used(*args, **kwargs)
        finally:
            self._printing = False
        self.table = _table(args)

    def flush(self) -> None:
        with contextlib.suppress(Exception):
            self.out.flush()

    def end(self) -> None:
        """What an interpreter does last: objects may print when they are destroyed."""
        with contextlib.suppress(BaseException):
            self.space.clear()
            gc.collect(0)
        self.flush()

    def note(self, value: Any) -> Any:
        """Wraps a bare expression at the end, whose value a notebook would show."""
        self.flush()
        if value is not None and not self.raw.size:
            with contextlib.suppress(Exception):
                table = _table((value,))
                text = str(value)[: self.raw.max_bytes]
                self.bare = (text, table[1] if table else None)
        return value

    def wrap(self, *values: Any) -> Any:
        """Wraps the value of the last statement, which the published scorer prints.

        After a star there may be any number of values. The program itself must not notice.
        """
        table, usual = self.table, sys.stdout
        sys.stdout = _Nowhere()
        try:
            self.space.get("print", builtins.print)(*values)
        except _TimeoutError:
            raise
        except Exception:
            pass  # It ends the program in that scorer too, without effect on the verdict.
        finally:
            sys.stdout = usual
        self.table = table
        return values[0] if values else None

    def published(self, kind: str) -> bytes | None:
        """The value that the published scorer compares; None if it raises an error before."""
        try:
            if self.collided:
                return None
            last = self.space["print_stack"][-1]["args"][0]
            return encode(_cast(last, kind), opaque=True)
        except Exception:
            return None


def run(
    source: str, kind: str, cpu_seconds: float, wall_seconds: float, max_bytes: int
) -> dict[str, Any]:
    """Run the program; how it ended, and what was printed besides text."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    space = module.__dict__
    watch = _PrintRecorder(space, max_bytes)
    space.update(print=watch.print, __builtins__=builtins, __file__=_FILE)
    vars(builtins).update(exit=_leave, quit=_leave)
    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    try:
        code, judged = _compiled(source, space, watch)
    except Exception as error:
        return _unparsed(error)
    # A starred expression alone is not valid, but becomes so when its value is printed.
    fault = _fault_of(source)
    late: list[str] = []
    # The frames below the program do not count towards its depth.
    sys.setrecursionlimit(sys.getrecursionlimit() + _depth())
    # Handlers and threads may print after the end of the program.
    sys.stdout = sys.__stdout__ = watch.out  # type: ignore[misc]
    atexit.register(watch.end)
    _set_alarms(late, cpu_seconds, wall_seconds)
    ended: dict[str, Any] = {"status": "finished"}
    try:
        exec(code, space)
    except SystemExit as error:
        left_with = _exit_code(error)
        if left_with:
            ended = {"status": "early_exit", "exit_code": left_with}
        # `sys.exit` ends the published scorer itself, without a verdict.
        judged = isinstance(error, _Leave)
    except Exception as error:
        status = "out_of_memory" if isinstance(error, MemoryError) else "raised"
        ended = {"status": status, "error": _described(error), "line": _line(error)}
    except BaseException as error:
        ended = {"status": "raised", "error": _described(error), "line": _line(error)}
        judged = False
    if late:
        ended = {"status": late[0]}
    if fault is not None:
        ended = fault
    # A cast may never end: `list` of an infinite generator.
    published = watch.published(kind) if judged else None
    _stop_alarms()
    watch.flush()
    return ended | {
        "legacy": published,
        "judged": judged,
        "printed": watch.raw.size,
        "table": watch.table,
        "bare": watch.bare,
    }


def _compiled(
    source: str, space: dict[str, Any], watch: _PrintRecorder
) -> tuple[types.CodeType, bool]:
    """The program, and whether the published scorer can parse it."""
    try:
        tree = _wrapped(source, space, watch)
        return compile(tree, _FILE, "exec", dont_inherit=True), True
    except RecursionError:
        # The syntax tree is too deep for Python objects, which an interpreter does not need.
        # The published scorer then runs the program unchanged.
        return compile(source, _FILE, "exec", dont_inherit=True), True


def _fault_of(source: str) -> dict[str, Any] | None:
    """The syntax error of the original program, if there is one."""
    try:
        compile(source, _FILE, "exec", dont_inherit=True)
    except Exception as error:
        return _unparsed(error)
    return None


def _unparsed(error: Exception) -> dict[str, Any]:
    line = error.lineno if isinstance(error, SyntaxError) else None
    return {"status": "syntax_error", "error": _described(error), "line": line}


def _depth() -> int:
    frame, count = sys._getframe(1), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


def _wrapped(source: str, space: dict[str, Any], watch: _PrintRecorder) -> ast.Module:
    """The program, with the value of its last statement passed to `watch`.

    The published scorer prints that value for any kind of statement, unless it is a call of a
    name that starts with "print".
    """
    tree = ast.parse(source)
    last: Any = tree.body[-1] if tree.body else None
    value = getattr(last, "value", None)
    if not isinstance(value, ast.expr):
        return tree
    called = getattr(getattr(value, "func", None), "id", "")
    for wanted, name, function in (
        (
            not called.startswith("print") and _can_be_written_out(tree),
            "_multiturn_wrap",
            watch.wrap,
        ),
        (isinstance(last, ast.Expr), "_multiturn_note", watch.note),
    ):
        if wanted:
            space[name] = function
            call = ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=[last.value], keywords=[])
            last.value = ast.copy_location(call, value)
    return ast.fix_missing_locations(tree)


def _can_be_written_out(tree: ast.Module) -> bool:
    """Whether Python can unparse the tree; otherwise that scorer leaves the program unchanged.

    Python before 3.12 fails on some f-strings, and any version on very deep expressions.
    """
    try:
        ast.unparse(tree)
    except Exception:
        return False
    return True


def _cast(value: Any, kind: str) -> Any:
    """The value as the published scorer converts it before the comparison."""
    type_, module = type(value), type(value).__module__
    if type_.__name__ == "Series" and module.partition(".")[0] == _FRAMES:
        return type_(value.to_numpy())
    if type_ is list:
        if value and type(value[0]) is tuple:
            value = [list(item) for item in value]
    elif module == _ARRAYS and type_.__name__ in _INTEGERS:
        value = int(value)
    elif module == _ARRAYS and type_.__name__ in _FLOATS:
        value = float(value)
    elif module == _ARRAYS and type_.__name__ in ("bool", "bool_"):
        value = bool(value)
    elif module == _ARRAYS and type_.__name__ == "ndarray":
        value = value.tolist()
    if kind == "bool":
        return value if type(value) is bool else str(value)
    if type(value) is not _KINDS[kind]:
        value = _KINDS[kind](value)
    return _comparable(value) if kind == "list" else value


def _comparable(value: Any) -> Any:
    """The value as plain data, whose parts compare with JSON like the originals.

    Otherwise exact numbers of the standard library and matrices inside a list would equal
    nothing.
    """
    type_ = type(value)
    if isinstance(value, list):
        return [_comparable(item) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return tuple(_comparable(item) for item in tuple.__iter__(value))
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in dict.items(value)}
    if type_ is complex:
        return value if value.imag else value.real
    if (type_.__module__, type_.__name__) in _EXACT:
        return _plain_number(value)
    arrays = sys.modules.get(_ARRAYS)
    if arrays is not None and isinstance(value, arrays.matrix):
        return arrays.asarray(value)
    return value


def _plain_number(value: Any) -> Any:
    """The plain number that is exactly equal; the value itself if there is none."""
    try:
        if float(value) == value:
            return float(value)
        # Larger numbers are in no file, and slow to convert.
        if abs(value) < _LARGE and int(value) == value:
            return int(value)
    except (ArithmeticError, ValueError):
        pass  # Not a number, or infinite.
    return value


def _table(args: tuple[Any, ...]) -> tuple[str, bytes] | None:
    """The text and the value of printed arrays, series and frames."""
    if not any(map(_is_table, args)) or not all(
        _is_table(each) or _is_plain(each) for each in args
    ):
        return None
    try:
        text = " ".join(map(str, args))
        return text, encode(args[0] if len(args) == 1 else args, opaque=True)
    except Exception:
        return None


def _is_table(value: Any) -> bool:
    arrays, frames = sys.modules.get(_ARRAYS), sys.modules.get(_FRAMES)
    kinds = [arrays.ndarray] if arrays is not None else []
    if frames is not None:
        kinds += [frames.Series, frames.DataFrame, frames.Index]
    # An object with a `__str__` of the program is what it prints.
    own = getattr(getattr(type(value), "__str__", None), "__code__", None)
    return isinstance(value, tuple(kinds)) and getattr(own, "co_filename", "") != _FILE


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int, float, bool, type(None))


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
    """The innermost line of the program in the traceback."""
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
