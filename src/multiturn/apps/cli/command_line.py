"""Command lines that the user can copy and run."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["command_line"]


def command_line(*arguments: str) -> str:
    """A command line of this program, quoted for the shell.

    If `multiturn` is not on the path, or is another installation there, the line names the
    program as it was called this time.
    """
    called = Path(sys.argv[0])
    found = shutil.which("multiturn")
    ours = found is not None and Path(found).resolve() == called.resolve()
    program = str(called) if called.name == "multiturn" and not ours else "multiturn"
    return shlex.join((program, *arguments))
