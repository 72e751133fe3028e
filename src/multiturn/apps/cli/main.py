"""The command `multiturn`."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import Annotated

import typer

from multiturn import __version__
from multiturn.apps.cli.error_report import report
from multiturn.apps.cli.interrupts import answering_ctrl_c
from multiturn.apps.cli.lazy_group import LazyGroup
from multiturn.core.memory import share_one_heap

__all__ = ["app", "entry", "run"]

app = typer.Typer(
    name="multiturn",
    cls=LazyGroup,
    # Plain help: importing rich would make `--help` slow.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_LONG = ("bench", "synth", "train", "data")
"""Commands that may run for hours."""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"multiturn {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="See `multiturn COMMAND --help` for a command, and `multiturn prompt --help` for the "
    "options of the prompt.",
)
def multiturn(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Write programs turn by turn with an open code model.

    You describe the program step by step in plain language. A model on this machine writes
    the code of each step, the program so far runs in a sandbox, and you see its output.
    Without a command, `multiturn` opens the prompt.
    """
    del version


def run(arguments: list[str]) -> int:
    """Run the command line `arguments` and return the exit code. Raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets an escape, not an exception.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(arguments, prog_name="multiturn", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException as error:
        return report(error)
    return code if isinstance(code, int) else 0


def entry() -> None:
    """The entry point of the installed script `multiturn`."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["train"]:
        share_one_heap()  # before any thread has its own, see `jaxformer.run.retained_memory`
    if arguments and arguments[0] in _LONG and not {"--help", "-h"} & set(arguments):
        # Their imports take seconds; Ctrl-C must work meanwhile.
        with answering_ctrl_c("the current step is finished"):
            code = run(arguments)
    else:
        code = run(arguments)
    if "jax" in sys.modules:
        # Shutting down JAX's runtime may hang if a computation is in flight, as after Ctrl-C.
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
