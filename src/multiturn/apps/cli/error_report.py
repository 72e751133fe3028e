"""Every error becomes one line on standard error and an exit code.

0     success
1     negative result: a program failed, or its output was not as expected
2     an error that the user can fix; the line says how
70    a bug in this program
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
"""EX_SOFTWARE of `sysexits.h`."""
INTERRUPTED = 130


def report(error: BaseException) -> int:
    """Print a line about `error` and return the exit code."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        say("interrupted", label=None)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader is gone (`multiturn ... | head`). Python flushes standard output once more
        # at exit, so redirect it to avoid a second error.
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
    """Print one line on standard error, with a red label on a terminal."""
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
    saved = _save(trace)
    where = f"the traceback is in {saved}" if saved else "the traceback could not be saved"
    say(
        f"a bug in multiturn, {type(error).__name__}: {error}; {where}; fix: report it with "
        "that file, or set MULTITURN_DEBUG=1 to see the traceback here",
        label="error",
    )
    return INTERNAL_FAULT


def _save(trace: str) -> Path | None:
    """Save a traceback in the data directory, or else among temporary files."""
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
    """Print a note on standard error. Safe to call from any thread.

    On a terminal it replaces a status line, which reappears below it.
    """
    if sys.stderr.isatty():
        line = "\x1b[2mnote:\x1b[0m " + neutralize(" ".join(line.split()))
        print(f"\r\x1b[K{line}", file=sys.stderr, flush=True)
    else:
        say(line, label="note")
