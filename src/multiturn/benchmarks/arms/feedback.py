"""What a program did, as comments in that program."""

from __future__ import annotations

from multiturn.sandbox.outcomes import RunResult
from multiturn.synthesis.program_text import verbatim_comment

__all__ = ["outcome_comment"]

MOST_LINES = 10
MOST_CHARACTERS = 200
"""Of a line. What is longer is cut, with a word about it."""


def outcome_comment(result: RunResult) -> str:
    """What was printed and how the run ended, as comment lines and an empty line.

    Of much output the last lines are shown.
    """
    lines = result.stdout_text.rstrip().splitlines()
    left_out = len(lines) - MOST_LINES
    said = []
    if lines:
        said.append("The program so far printed:")
        if left_out > 0:
            said.append(f"... ({left_out} lines before)")
        said += [_shown(line) for line in lines[-MOST_LINES:]]
    if not result.outcome.finished:
        said.append(f"The program so far {_shown(result.outcome.describe())}.")
    elif not lines:
        said.append("The program so far ran and printed nothing.")
    return "".join(verbatim_comment(line).rstrip() + "\n" for line in said) + "\n"


def _shown(line: str) -> str:
    """A line that is safe in a comment: no character in it ends the line or the program."""
    line = line if len(line) <= MOST_CHARACTERS else line[:MOST_CHARACTERS] + "..."
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )
