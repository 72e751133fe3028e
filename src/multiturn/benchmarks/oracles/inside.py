"""What runs a program that is to be judged, in the process of that program.

This file is the program of a sandbox; nothing imports it. `run` gives the candidate a module
of its own in which `print` notes its arguments, and returns what the oracles need besides the
text that was printed, as plain data. For the legacy oracle that is the argument of the last
print, looked at when all is over and cast to the kind of the expected value (of which nothing
but the kind is known here). For the strict one it is an array or table that was printed last,
whose text is not all of it, and the value of a bare expression at the end.
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
# A program that names them is run where they are loaded, so they are not named here.

_WHOLE = ("uint8", "int16", "int32", "int64")
_REAL = ("float16", "float32", "float64")
_EXACT = (("decimal", "Decimal"), ("fractions", "Fraction"))
_LARGE = 10**5000
_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "list": list, "dict": dict}


class _TimeoutError(Exception):
    """Raised inside the program, as the published scorer's alarm is."""


class _Leave(SystemExit):
    """Raised by `exit` and `quit`, which the published scorer has taken away."""


class _Counted(io.FileIO):
    """Standard output, up to a limit; what comes after it is counted and thrown away.

    The sandbox would end the program there, and the published scorer knows no such limit.
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
    """Takes what only the published scorer prints."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


class _Watch:
    """The `print` of a program, and what it saw."""

    def __init__(self, space: dict[str, Any], max_bytes: int) -> None:
        self.space = space
        # The published scorer keeps its notes under this name among the program's own, and
        # finds them by it again. A program that takes the name has its notes go there.
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
            self.collided = True  # There the program ends here, and no note can be found.
        # A program may put its own in the place of the builtin one, and call this from there.
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
        """What an interpreter does last: what objects print that go away then is printed too."""
        with contextlib.suppress(BaseException):
            self.space.clear()
            gc.collect(0)
        self.flush()

    def note(self, value: Any) -> Any:
        """Stands around a bare expression at the end, whose value a notebook would show."""
        self.flush()
        if value is not None and not self.raw.size:
            with contextlib.suppress(Exception):
                table = _table((value,))
                text = str(value)[: self.raw.max_bytes]
                self.bare = (text, table[1] if table else None)
        return value

    def wrap(self, *values: Any) -> Any:
        """Stands around the value of the last statement, which the published scorer prints.

        There may be any number of them after a star. Nothing of that may be seen of the
        program as it was written.
        """
        table, usual = self.table, sys.stdout
        sys.stdout = _Nowhere()
        try:
            self.space.get("print", builtins.print)(*values)
        except _TimeoutError:
            raise
        except Exception:
            pass  # It ends the program there as well, and the verdict is made as ever.
        finally:
            sys.stdout = usual
        self.table = table
        return values[0] if values else None

    def published(self, kind: str) -> bytes | None:
        """What the published scorer compares; None where it raises an error before."""
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
    """Run the program; what became of it, and what was printed besides text."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    space = module.__dict__
    watch = _Watch(space, max_bytes)
    space.update(print=watch.print, __builtins__=builtins, __file__=_FILE)
    vars(builtins).update(exit=_leave, quit=_leave)
    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    try:
        code, judged = _compiled(source, space, watch)
    except Exception as error:
        return _unparsed(error)
    # A star alone is no program, but becomes one where its value is printed.
    fault = _fault_of(source)
    late: list[str] = []
    # The frames below the program's own are none of its depth.
    sys.setrecursionlimit(sys.getrecursionlimit() + _depth())
    # What handlers and threads print after the program's end is printed too.
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
        # `sys.exit` ends the published scorer itself; there never is a verdict.
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
    # A cast may take for ever too: `list` of an endless generator.
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


def _compiled(source: str, space: dict[str, Any], watch: _Watch) -> tuple[types.CodeType, bool]:
    """The program, and whether the published scorer can parse it."""
    try:
        tree = _wrapped(source, space, watch)
        return compile(tree, _FILE, "exec", dont_inherit=True), True
    except RecursionError:
        # Its syntax tree is too deep for Python's own objects, which an interpreter needs not.
        # The published scorer then runs it as it is.
        return compile(source, _FILE, "exec", dont_inherit=True), True


def _fault_of(source: str) -> dict[str, Any] | None:
    """What is wrong with the program as it was written, if that does not parse."""
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
    """Whether Python can turn the tree into text again; else that scorer leaves it as it is.

    Before Python 3.12 it cannot for some f-strings, nor in any for very deep expressions.
    """
    try:
        ast.unparse(tree)
    except Exception:
        return False
    return True


def _cast(value: Any, kind: str) -> Any:
    """What the published scorer makes of a value, up to where it compares."""
    type_, module = type(value), type(value).__module__
    if type_.__name__ == "Series" and module.partition(".")[0] == _FRAMES:
        return type_(value.to_numpy())
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
    return _comparable(value) if kind == "list" else value


def _comparable(value: Any) -> Any:
    """A value whose parts compare with JSON as they do, made of plain data.

    Without it, numbers of Python's library and numpy's matrices inside of a list would be
    unlike everything.
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
    """The plain number that is equal to the bit; the value itself where there is none."""
    try:
        if float(value) == value:
            return float(value)
        # Larger ones stand in no file, and take long to write out.
        if abs(value) < _LARGE and int(value) == value:
            return int(value)
    except (ArithmeticError, ValueError):
        pass  # Not a number, or infinite.
    return value


def _table(args: tuple[Any, ...]) -> tuple[str, bytes] | None:
    """Arrays, series and frames among what was printed: their text, and what they are."""
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
    # What prints itself in a way of the program's own is what it prints.
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
