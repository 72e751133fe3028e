"""What a prompt shows beside the turns: a recap of the requests, or the values so far."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.synthesis.prompts import FinishedTurn
from multiturn.synthesis.strategy import Shown

__all__ = ["prompt_notes"]

MAX_CHARACTERS = 1500
"""Of the values in a prompt."""


def prompt_notes(
    shown: Shown, history: Sequence[FinishedTurn], values: tuple[tuple[str, str], ...] | None
) -> str:
    """The text that precedes a request; empty if there is none.

    Example:
        >>> print(prompt_notes("recap", [FinishedTurn("Set x to 1.", "x = 1")], None))
        The steps so far:
        1. Set x to 1.
        The next step:
        >>> print(prompt_notes("values", [], (("x", "1"), ("y", "[1, 2]"))))
        The variables now:
        x = 1
        y = [1, 2]
        The next step:
    """
    if shown == "recap" and history:
        steps = [f"{number}. {step.prompt}" for number, step in enumerate(history, 1)]
        return "\n".join(["The steps so far:", *steps, "The next step:"])
    if shown == "values" and values:
        lines = [f"{name} = {' '.join(text.split())}" for name, text in values]
        return "\n".join(["The variables now:", *_fitting(lines), "The next step:"])
    return ""


def _fitting(lines: Sequence[str]) -> list[str]:
    """The last lines that fit: later variables matter more."""
    found: list[str] = []
    room = MAX_CHARACTERS
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        found.append(line)
    return found[::-1]
