"""Runs one Python program in this process and reports how it ended.

The process is isolated by now and holds nothing worth stealing. The program may do with this
module what it likes: the process is its own, and ends with it.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import linecache
import mmap
import os
import socket
import sys
import threading
import traceback
import types
from importlib.machinery import SourceFileLoader
from json import dumps
from os import _exit
from pathlib import Path
from typing import Any, NoReturn

from multiturn.sandbox.encoding import ArrayData, EncodingError, Opaque, decode, encode
from multiturn.sandbox.inside.instances import answer_packed
from multiturn.sandbox.inside.scratch import FILE_NAME
from multiturn.sandbox.inside.streams import name_descriptors, open_streams
from multiturn.sandbox.ipc import PACKED, Kind, receive_call, send
from multiturn.sandbox.specs import ChildSpec

__all__ = ["RunningProgram", "revive"]

BOOTSTRAP = "<string>"
"""The file name of the frame that executes a program: see `supervisor.worker.BOOTSTRAP`."""
RESULT_NAME = "result"
"""The file name of the expression whose value is handed back."""
ERROR_LENGTH = 2000
BALLAST_BYTES = 2 << 20
"""Released when memory runs out, so that the report has room. Address space, never touched."""


class RunningProgram:
    """A program that is compiled, executed by the caller's frame, and reported.

    The caller executes `code` in `space` itself, so that the stack is as empty as in an
    interpreter that was started for the program alone.
    """

    code: types.CodeType
    space: dict[str, Any]

    def __init__(self, spec: ChildSpec, ipc: socket.socket) -> None:
        self._ipc, self._nonce = ipc, spec.nonce
        # Of the spec, the program may know nothing but its own source.
        source, self._result, self._session = spec.source, spec.result, spec.session
        if spec.seed is not None or "random" in source:
            _seed(spec.seed)
        del spec
        self._streams = open_streams()
        if any(name in source for name in ("/dev", "/proc")):
            name_descriptors()
        self._send(Kind.STARTED)
        self._ballast = _ballast()
        self._directory = os.getcwd()  # noqa: PTH109
        self.space = _bare_space() if self._session else _main_space(source, self._directory)
        try:
            self.code = _compile(source)
        except BaseException as error:
            self._report(error, status="syntax_error")
            self.leave()

    def _send(self, kind: bytes, payload: bytes = b"") -> None:
        send(self._ipc, self._nonce, kind, payload)

    def finished(self) -> None:
        """The program ran to its end: report the value that was asked for, and take calls."""
        try:
            if not self._session:
                _join_threads()
            value = _encode_result(self.space, self._result)
        except BaseException as error:
            self._failed(error)
            return
        self._send(Kind.FINISHED, value)
        if self._session:
            self._serve_calls()

    def raised(self, error: BaseException) -> None:
        """An exception reached the top level; a `SystemExit` with code 0 is a normal end.

        Not so in a session: the functions of the program were perhaps never defined.
        """
        if isinstance(error, SystemExit) and not self._session and _is_success(error.code):
            self.finished()
        else:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, SystemExit):
            self._send(Kind.EXIT, str(_exit_code(error)).encode())
        else:
            self._report(error)

    def _report(self, error: BaseException, *, status: str = "raised") -> None:
        """Report to the supervisor, before the program's own hook or standard error."""
        self._ballast.close()
        self._send(Kind.RAISED, _error_report(error, status))
        if not self._session and not Path(f"{self._directory}/{FILE_NAME}").exists():
            # The interpreter's own tracebacks show lines of files only.
            _write_source("".join(linecache.getlines(FILE_NAME)), f"{self._directory}/{FILE_NAME}")
        _print_error(error)

    def leave(self) -> NoReturn:
        """Do what an interpreter does at its end, except for finalizing itself."""
        with contextlib.suppress(BaseException):
            _join_threads()
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        self._streams.flush()
        with contextlib.suppress(BaseException):
            # Finalizers of the program may print and use names of its modules. So the modules are
            # released, but their content is not cleared.
            sys.last_type = sys.last_value = sys.last_traceback = None
            sys.stdout, sys.stderr = self._streams.stdout, self._streams.stderr
            self.space = {}
            _release_modules(self._directory)
            gc.collect()
        self._streams.flush()
        _exit(0)

    def _serve_calls(self) -> None:
        while (data := receive_call(self._ipc)) is not None:
            ballast = _ballast()
            try:
                value = _call(self.space, data)
                self._streams.flush()
            except SystemExit as error:
                self._send(Kind.EXIT, str(_exit_code(error)).encode())
                return
            except BaseException as error:
                ballast.close()
                # What it printed must be in the pipe before the answer that ends the call.
                report = _error_report(error, "raised")
                _print_error(error)
                self._streams.flush()
                self._send(Kind.CALL_RAISED, report)
            else:
                self._send(Kind.RETURNED, value)


def _ballast() -> mmap.mmap:
    try:
        return mmap.mmap(-1, BALLAST_BYTES)
    except OSError as error:
        raise MemoryError("no room to begin") from error


def _compile(source: str) -> types.CodeType:
    linecache.cache[FILE_NAME] = _lines(source, FILE_NAME)
    return compile(source, FILE_NAME, "exec", dont_inherit=True)


def _lines(source: str, name: str) -> tuple[int, None, list[str], str]:
    return len(source), None, source.splitlines(keepends=True), name


def _main_space(source: str, directory: str) -> dict[str, Any]:
    """The namespace of an empty `__main__`, as ``python program.py`` has it.

    A program finds modules that it writes in its directory, which is otherwise empty: its own
    file is there only if the program mentions it.
    """
    path = f"{directory}/{FILE_NAME}"
    if any(name in source for name in ("__file__", "argv", FILE_NAME)):
        _write_source(source, path)
    linecache.cache[path] = _lines(source, path)
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __annotations__={},
        __builtins__=builtins,
        __cached__=None,
        __file__=path,
        __loader__=SourceFileLoader("__main__", path),
    )
    sys.modules["__main__"] = module
    sys.argv = [FILE_NAME]
    sys.orig_argv = [sys.executable, FILE_NAME]
    sys.path.insert(0, directory)
    return module.__dict__


def _write_source(source: str, path: str) -> None:
    with contextlib.suppress(OSError, UnicodeError):
        Path(path).write_text(source, encoding="utf-8", newline="")


def _bare_space() -> dict[str, Any]:
    """An empty namespace: a program whose functions are called is not `__main__`.

    Its `__name__` is ``builtins``, as in every harness that executes programs in an empty
    mapping; what it guards by ``__name__ == "__main__"`` does not run.
    """
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv, sys.orig_argv = [""], [sys.executable]
    sys.path.insert(0, "")
    return {}


def _release_modules(directory: str) -> None:
    """Release the main module, and the modules in the program's directory."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or (isinstance(file, str) and file.startswith(f"{directory}/")):
            del sys.modules[name]


def _seed(seed: int | None) -> None:
    """Seed the generators of `random` and numpy; from the system where no seed is asked for.

    numpy's takes half a millisecond, a twentieth of a short program's run. So a program that
    never mentions "random" keeps the state of the fork-server.
    """
    if seed is not None:
        sys.modules["random"].seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(None if seed is None else seed % 2**32)


def _encode_result(space: dict[str, Any], name: str | None) -> bytes:
    if name is None:
        return encode(None)
    # Evaluated after the program's end, so a program that exits with 0 has a value too.
    return _encode(eval(compile(f"(\n{name}\n)", RESULT_NAME, "eval"), space))


def _is_success(code: object) -> bool:
    """Whether the process would have exited with 0."""
    return code is None or (isinstance(code, int) and int(code) & 0xFF == 0)


def _encode(value: object) -> bytes:
    try:
        return encode(value, opaque=True)
    except EncodingError as error:
        return encode(Opaque(f"{type(value).__qualname__}: {error}"[:200]))


def _exit_code(error: SystemExit) -> int:
    """The code that the process would have exited with; a message goes to standard error."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    with contextlib.suppress(BaseException):
        print(code, file=sys.stderr)
    return 1


def _error_report(error: BaseException, status: str) -> bytes:
    """The error and its line, as JSON."""
    frames = _program_frames(error)
    if isinstance(error, MemoryError):
        status = "out_of_memory"
    line = frames[-1].lineno if frames else None
    if status == "syntax_error" and isinstance(error, SyntaxError):
        line = error.lineno
    report = {"status": status, "error": _describe(error)[:ERROR_LENGTH], "line": line}
    return dumps(report).encode("ascii")


def _print_error(error: BaseException) -> None:
    """Print what an interpreter prints, without the frames of this package."""
    with contextlib.suppress(BaseException):
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in (BOOTSTRAP, __file__):
            trace = trace.tb_next
        error.__traceback__ = trace
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        sys.excepthook(type(error), error, trace)


def _program_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Frames of the program's own source, outermost first."""
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == FILE_NAME:
            found.append(traceback.FrameSummary(FILE_NAME, line, "", lookup_line=False))
    return found


def _describe(error: BaseException) -> str:
    """The type and the first line of the message, as a traceback shows them.

    The last line of a traceback is another one if the message has several lines, or if there
    are notes. An exception whose message raises gives its type alone.
    """
    try:
        parts = traceback.format_exception_only(error)
        # A syntax error has the source line, indented, before its message.
        message = next(part for part in parts if not part.startswith(" "))
        name, _, text = message.strip().partition(":")
        first = next(filter(str.strip, text.splitlines()), "").strip()
        return f"{name}: {first}" if first else name
    except BaseException:
        return type(error).__qualname__


def _join_threads() -> None:
    """Wait for threads that are not daemons, as the interpreter does at its end."""
    threading._shutdown()  # type: ignore[attr-defined]


def _call(space: dict[str, Any], data: bytes) -> bytes:
    name, args, kwargs = decode(data)
    packed, name = name.startswith(PACKED), name.removeprefix(PACKED)
    first, *rest = name.split(".")
    if first not in space:
        raise NameError(f"name {first!r} is not defined")
    function = space[first]
    for attribute in rest:
        function = getattr(function, attribute)
    if packed:
        return _encode(answer_packed(function, space, tuple(args), revive))
    arguments = [revive(value) for value in args]
    return _encode(function(*arguments, **{key: revive(value) for key, value in kwargs.items()}))


def revive(value: Any) -> Any:
    """Turn array data into arrays; intern identifiers, as those in a caller's source are."""
    if type(value) is str and value.isascii() and value.isidentifier():
        return sys.intern(value)
    if isinstance(value, ArrayData):
        import numpy

        return numpy.array(value.items, dtype=value.dtype).reshape(value.shape)
    return value
