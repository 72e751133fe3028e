"""Whatever goes wrong becomes one line on standard error and an exit code.

0     it worked
1     it worked, and the answer is no: a program failed, an expected output was not met
2     something a person can mend: the line says how
70    a fault of this program itself
130   interrupted from the keyboard
"""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
import traceback
from pathlib import Path

import typer
from typer.exceptions import TyperException

from multiturn.apps.cli.terminal import neutralize
from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import MultiturnError

__all__ = ["INTERNAL_FAULT", "INTERRUPTED", "note", "report", "say"]

INTERNAL_FAULT = 70
"""What `sysexits.h` calls EX_SOFTWARE."""
INTERRUPTED = 130


def report(error: BaseException) -> int:
    """Print what a person should know of `error`; returns the exit code."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        say("interrupted", label=None)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader has gone (`multiturn ... | head`). Python would complain again when it
        # flushes at exit, so standard output now leads nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, MultiturnError):
        say(str(error))
        return error.exit_code
    if isinstance(error, TyperException):
        say(_usage_line(error))
        return error.exit_code
    return _report_bug(error)


def say(line: str, *, label: str | None = "error") -> None:
    """One line on standard error, the label in red where that is a terminal."""
    text = neutralize(" ".join(line.split()))
    if label:
        plain = not sys.stderr.isatty() or os.environ.get("NO_COLOR")
        text = f"{label}: {text}" if plain else f"\x1b[1;31m{label}:\x1b[0m {text}"
    print(text, file=sys.stderr, flush=True)


def _usage_line(error: TyperException) -> str:
    message = error.format_message().strip().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    if context is not None:
        message += f"; fix: see `{context.command_path} --help`"
    return message


def _report_bug(error: BaseException) -> int:
    trace = "".join(traceback.format_exception(error))
    if os.environ.get("MULTITURN_DEBUG"):
        print(trace, file=sys.stderr)
    kept = _keep(trace)
    where = f"the traceback is in {kept}" if kept else "the traceback could not be saved"
    say(
        f"a fault of multiturn itself, {type(error).__name__}: {error}; {where}; fix: report it "
        "with that file, or set MULTITURN_DEBUG=1 to see it here",
        label="error",
    )
    return INTERNAL_FAULT


def _keep(trace: str) -> Path | None:
    """Save a traceback among the person's data, else where temporary files go."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    name = f"fault-{stamp}-{os.getpid()}.txt"
    for ours in (True, False):
        try:
            directory = app_dirs().data if ours else Path(tempfile.gettempdir())
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(trace, encoding="utf-8", errors="replace")
        except (OSError, MultiturnError):
            continue
        return directory / name
    return None


def note(line: str) -> None:
    """One line on standard error beside whatever else is shown; safe to call from any thread.

    On a terminal it takes the place of a line that changes, which comes back below it.
    """
    if sys.stderr.isatty():
        line = "\x1b[2mnote:\x1b[0m " + neutralize(" ".join(line.split()))
        print(f"\r\x1b[K{line}", file=sys.stderr, flush=True)
    else:
        say(line, label="note")
