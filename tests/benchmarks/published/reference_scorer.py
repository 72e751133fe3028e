"""The published scorer once more, slowly and by itself: what `legacy` is held against.

Written from a description of that scorer (the facts stand in docs/benchmarks.md and in a
decision page), not from the code under test, of which nothing is imported. It is run as a
program: each line of its input is a list of a program, a gold value and a time limit in
seconds; each line of its output is true, false, or null where the program ends the scorer
itself, so that there is no verdict. Every program runs in a process of its own, as it is.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from typing import Any

import numpy as np

NOTING_PRINT = """
import builtins
def print(*args, **kwargs):
    global print_stack
    print_stack.append({"args": args, "kwargs": kwargs})
    return builtins.print(*args, **kwargs)
"""


class OutOfTimeError(Exception):
    """What the alarm raises in the program."""


def with_the_last_value_printed(source: str) -> str:
    """The program's text, with `print` around the value of its last statement.

    It stays as it is where that value is a call of a name that begins with "print", where the
    last statement has no value, and where anything goes wrong.
    """
    try:
        tree = ast.parse(source)
        last: Any = tree.body[-1]
        function = getattr(last.value, "func", None)
        if isinstance(function, ast.Name) and function.id.startswith("print"):
            return source
        call = ast.Call(func=ast.Name(id="print", ctx=ast.Load()), args=[last.value], keywords=[])
        last.value = ast.copy_location(call, last)
        return ast.unparse(ast.fix_missing_locations(tree))
    except Exception:
        return source


def agree(got: Any, gold: Any) -> bool:
    """The comparison of what was printed with the gold value."""
    kind = type(got)
    if str(kind) in ("<class 'pandas.core.series.Series'>", "<class 'pandas.Series'>"):
        # The second is the name since pandas 3, which the published scorer does not know.
        return bool(np.allclose(got.to_numpy(), np.array(gold)))
    if kind is list and got and type(got[0]) is tuple:
        got = [list(each) for each in got]
    elif kind in (np.uint8, np.int16, np.int32, np.int64):
        got = int(got)
    elif kind in (np.float16, np.float32, np.float64):
        got = float(got)
    elif kind is np.bool_:
        got = bool(got)
    elif kind is np.ndarray:
        got = got.tolist()

    if type(got) is not type(gold):
        if type(gold) is bool:
            return str(got) == str(gold)
        got = type(gold)(got)
    if type(got) is float:
        return bool(abs(got - gold) < 1e-6)
    if type(got) in (str, int, set, list, bool, tuple):
        return bool(got == gold)
    raise ValueError("no kind of value that can be compared")


def verdict(source: str, gold: object, seconds: float) -> bool:
    """Whether a program passes.

    Raises:
        BaseException: whatever is no `Exception` comes through and ends the scorer.
    """
    space: dict[str, Any] = {"print_stack": [], "__name__": "__main__"}
    exec(NOTING_PRINT, space)

    def ring(number: int, frame: object) -> None:
        raise OutOfTimeError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        text = with_the_last_value_printed(source)
        # An error ends the program, but not the judgement of what it has printed.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            exec(text, space)
        return agree(space["print_stack"][-1]["args"][0], gold)
    except Exception:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def verdict_of_a_child(source: str, gold: object, seconds: float) -> bool | None:
    """The verdict, from a process of its own; None where that came to no end of its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        sys.stdin = io.StringIO()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        take_away()
        try:
            found = verdict(source, gold, seconds)
            os.write(write, b"1" if found else b"0")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return {b"1": True, b"0": False}.get(said)


def take_away() -> None:
    """Do without what that scorer takes from programs."""
    vars(builtins).update(exit=None, quit=None)
    for name in ("getcwd", "chdir", "remove", "unlink", "rename", "kill", "system", "fork"):
        setattr(os, name, None)
    for name in ("rmtree", "move", "chown"):
        setattr(shutil, name, None)
    subprocess.Popen = None  # type: ignore[assignment, misc]
    for name in ("ipdb", "joblib", "resource", "tkinter"):
        sys.modules[name] = None  # type: ignore[assignment]


def main() -> None:
    """Judge each line of standard input."""
    # Loaded beforehand, so that loading them takes no time of a program's.
    for name in ("asyncio", "pandas"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        source, gold, seconds = json.loads(line)
        sys.stdout.write(json.dumps(verdict_of_a_child(source, gold, seconds)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
