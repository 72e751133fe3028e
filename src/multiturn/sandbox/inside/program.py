"""Runs one Python program in this process and says how it ended.

By now the process is confined and holds nothing worth stealing. The program can do with this
module what it likes: it is its own process, gone afterwards.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import linecache
import mmap
import os
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from multiturn.sandbox.encoding import ArrayData, EncodingError, Opaque, decode, encode
from multiturn.sandbox.job import Job
from multiturn.sandbox.wire import Kind, receive_call, send

__all__ = ["run_program"]

FILE_NAME = "program.py"
RESULT_NAME = "result"
"""The file's name of the expression whose value is handed back."""
ERROR_LENGTH = 2000
BALLAST_BYTES = 2 << 20
"""Let go when memory is used up, so that there is room to say so. Address space, never touched."""

Send = Callable[[bytes, bytes], None]


def run_program(job: Job, wire: socket.socket) -> None:
    """Run the program of `job`, take calls if it asks for that, and leave the process."""
    nonce = job.nonce

    def say(kind: bytes, payload: bytes = b"") -> None:
        send(wire, nonce, kind, payload)

    # The source is the only thing of the job that the program may know.
    source, wanted, keep = job.source, job.result, job.keep
    if job.seed is not None or "random" in source:
        _seed(job.seed)
    del job
    say(Kind.STARTED)
    module = _fresh_main()
    ended = _run_main(source, wanted, module, say, keep=keep)
    if keep and ended:
        _serve_calls(module, wire, say)
    _end(module)


def _run_main(
    source: str, wanted: str | None, module: types.ModuleType, say: Send, *, keep: bool
) -> bool:
    """Compile and run the main program; whether it ran to its end."""
    ballast = _ballast()
    try:
        code = _compile(source)
    except BaseException as error:
        ballast.close()
        _report(error, say, Kind.RAISED, status="syntax_error")
        return False
    try:
        _execute(code, module, keep=keep)
        _join_threads()
        value = _encode_result(module, wanted)
    except SystemExit as error:
        say(Kind.EXIT, str(_exit_code(error)).encode())
        return False
    except BaseException as error:
        ballast.close()
        _report(error, say, Kind.RAISED)
        return False
    say(Kind.FINISHED, value)
    return True


def _execute(code: types.CodeType, module: types.ModuleType, *, keep: bool) -> None:
    """Execute the main program; a `SystemExit` with code 0 is its normal end.

    Except for a program that is kept for calls: its functions were perhaps never defined.
    """
    try:
        exec(code, module.__dict__)
    except SystemExit as error:
        if keep or not _is_success(error.code):
            raise


def _is_success(code: object) -> bool:
    """Whether the process would have exited with 0."""
    return code is None or (isinstance(code, int) and int(code) & 0xFF == 0)


def _ballast() -> mmap.mmap:
    try:
        return mmap.mmap(-1, BALLAST_BYTES)
    except OSError as error:
        raise MemoryError("no room to begin") from error


def _compile(source: str) -> types.CodeType:
    lines = source.splitlines(keepends=True)
    linecache.cache[FILE_NAME] = (len(source), None, lines, FILE_NAME)
    return compile(source, FILE_NAME, "exec", dont_inherit=True)


def _fresh_main() -> types.ModuleType:
    """An empty `__main__`, as a program started by itself would find it."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=__builtins__, __file__=FILE_NAME, __cached__=None)
    sys.modules["__main__"] = module
    sys.argv = [FILE_NAME]
    return module


def _seed(seed: int | None) -> None:
    """Seed the generators of `random` and numpy; afresh for each program where none is asked.

    numpy's takes half a millisecond, a twentieth of a short program's run, so a program that
    never says the word is left with the state of its parent.
    """
    if seed is not None:
        sys.modules["random"].seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(None if seed is None else seed % 2**32)


def _encode_result(module: types.ModuleType, name: str | None) -> bytes:
    if name is None:
        return encode(None)
    # Evaluated after the program's end, so a program that exits with 0 has its value too.
    return _encode(eval(compile(f"(\n{name}\n)", RESULT_NAME, "eval"), module.__dict__))


def _encode(value: object) -> bytes:
    try:
        return encode(value, opaque=True)
    except EncodingError as error:
        return encode(Opaque(f"{type(value).__qualname__}: {error}"[:200]))


def _exit_code(error: SystemExit) -> int:
    """What the process would have exited with; a message goes to standard error."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    with contextlib.suppress(BaseException):
        print(code, file=sys.stderr)
    return 1


def _report(error: BaseException, say: Send, kind: bytes, *, status: str = "raised") -> None:
    """Tell the supervisor, before the program's own hook or standard error."""
    say(kind, _account(error, status))
    _print_error(error)


def _account(error: BaseException, status: str) -> bytes:
    """What became of the program, as JSON."""
    frames = _program_frames(error)
    if isinstance(error, MemoryError):
        status = "out_of_memory"
    line = frames[-1].lineno if frames else None
    if status == "syntax_error" and isinstance(error, SyntaxError):
        line = error.lineno
    said = {"status": status, "error": _describe(error)[:ERROR_LENGTH], "line": line}
    return json.dumps(said).encode("ascii")


def _print_error(error: BaseException) -> None:
    """What an interpreter prints, without the frames of this module."""
    with contextlib.suppress(BaseException):
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        error.__traceback__ = trace
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exception(error)
        else:
            sys.excepthook(type(error), error, trace)


def _program_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Frames of the program's own text, outermost first."""
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == FILE_NAME:
            found.append(traceback.FrameSummary(FILE_NAME, line, "", lookup_line=False))
    return found


def _describe(error: BaseException) -> str:
    """The last line of a traceback; survives an exception whose own text raises."""
    try:
        return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    except BaseException:
        return type(error).__qualname__


def _join_threads() -> None:
    """Wait for threads that are no daemons, as the interpreter does at its end."""
    threading._shutdown()  # type: ignore[attr-defined]


def _serve_calls(module: types.ModuleType, wire: socket.socket, say: Send) -> None:
    while True:
        data = receive_call(wire)
        if data is None:
            return
        ballast = _ballast()
        try:
            value = _call(module, data)
            _flush()
        except SystemExit as error:
            say(Kind.EXIT, str(_exit_code(error)).encode())
            return
        except BaseException as error:
            ballast.close()
            # What it printed must be in the pipe before the answer that ends the call.
            account = _account(error, "raised")
            _print_error(error)
            _flush()
            say(Kind.THREW, account)
        else:
            say(Kind.RETURNED, value)


def _call(module: types.ModuleType, data: bytes) -> bytes:
    name, args, kwargs = decode(data)
    first, *rest = name.split(".")
    if first not in module.__dict__:
        raise NameError(f"name {first!r} is not defined")
    function = module.__dict__[first]
    for attribute in rest:
        function = getattr(function, attribute)
    arguments = [_revive(value) for value in args]
    return _encode(function(*arguments, **{key: _revive(value) for key, value in kwargs.items()}))


def _revive(value: Any) -> Any:
    """Arrays as arrays again; everything else as it is."""
    if isinstance(value, ArrayData):
        import numpy

        return numpy.array(value.items, dtype=value.dtype).reshape(value.shape)
    return value


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def _end(module: types.ModuleType) -> None:
    """Do what an interpreter does at its end, but for taking itself apart."""
    with contextlib.suppress(BaseException):
        _join_threads()
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    with contextlib.suppress(BaseException):
        module.__dict__.clear()
        gc.collect(0)
    _flush()
    os._exit(0)
