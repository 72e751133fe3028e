"""The outcome of a program, as comments in that program."""

from __future__ import annotations

from multiturn.sandbox.outcomes import RunResult
from multiturn.synthesis.program_text import verbatim_comment

__all__ = ["outcome_comment"]

MAX_LINES = 10
MAX_LINE_CHARACTERS = 200
"""A longer line is cut and marked."""


def outcome_comment(result: RunResult) -> str:
    """The output and how the run ended, as comment lines and an empty line.

    Only the last lines of long output are shown.
    """
    lines = result.stdout_text.rstrip().splitlines()
    left_out = len(lines) - MAX_LINES
    parts = []
    if lines:
        parts.append("The program so far printed:")
        if left_out > 0:
            parts.append(f"... ({left_out} lines before)")
        parts += [_shown(line) for line in lines[-MAX_LINES:]]
    if not result.outcome.finished:
        parts.append(f"The program so far {_shown(result.outcome.describe())}.")
    elif not lines:
        parts.append("The program so far ran and printed nothing.")
    return "".join(verbatim_comment(line).rstrip() + "\n" for line in parts) + "\n"


def _shown(line: str) -> str:
    """A line that is safe in a comment: no character ends the line or the program."""
    line = line if len(line) <= MAX_LINE_CHARACTERS else line[:MAX_LINE_CHARACTERS] + "..."
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )
