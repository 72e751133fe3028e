"""Shows a turn in the output of its cell, by the views of the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from io import TextIOBase
from threading import Event as Flag
from typing import IO, cast

from rich.console import Console
from rich.text import Text

from multiturn.apps.cli.interrupts import stopped_by_ctrl_c
from multiturn.apps.cli.step_view import show_effects
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.apps.cli.turn_view import TurnView, show_candidate, show_candidates
from multiturn.synthesis.events import LoopEvent, TurnSaved
from multiturn.synthesis.records import Session, Turn

__all__ = ["notebook_console", "say", "show_events", "show_result"]


def notebook_console(*, kernel: bool) -> Console:
    """A console that writes to where the cell's output goes now.

    Args:
        kernel: whether the shell is a kernel's, whose frontend shows colours but no moving cursor.
    """
    return Console(
        file=cast("IO[str]", _Output(terminal=not kernel)),
        color_system="standard" if kernel else "auto",
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
        force_jupyter=False,
    )


class _Output(TextIOBase):
    """Standard output, whatever it is at the moment: a kernel replaces it."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()

    def isatty(self) -> bool:
        return self._terminal and sys.stdout.isatty()


def show_events(
    console: Console,
    begin: Callable[[Flag], Iterator[LoopEvent]],
    *,
    candidates: int,
    first: int = 0,
    before: str = "",
) -> TurnSaved | None:
    """Show a turn while it is written; an interrupt of the kernel stops it.

    Args:
        console: shows it.
        begin: gives the events; its argument is the flag that stops them.
        candidates: how many are written at once.
        first: the index of the first of them.
        before: the program's output before the turn.

    Returns:
        The saved turn; None if it was stopped.
    """
    view = TurnView(console, candidates=candidates, first=first, before=before)
    with stopped_by_ctrl_c() as cancel:
        try:
            for event in begin(cancel):
                if isinstance(event, TurnSaved):
                    return event
                view.show_event(event)
        finally:
            view.clear()
    return None


def show_result(
    console: Console, session: Session, turn: Turn, *, position: int, ran: bool
) -> None:
    """Show what a saved turn did.

    Args:
        console: shows it.
        session: with the turn.
        turn: the turn.
        position: of the turn in the program, from 0.
        ran: whether its code runs in the kernel next, which shows its output.
    """
    prompt = one_line(turn.prompt, max_length=60)
    console.print(Text(f"turn {position + 1} of {session.name}: {prompt}", style="bold"))
    output = turn.choice.run.stdout if turn.choice.run is not None else ""
    path = session.path()
    before = path[position - 1].choice.run if position else None
    show_candidate(
        console,
        session,
        turn,
        before=output if ran else before.stdout if before is not None else "",
    )
    show_effects(console, session, turn, commands=False)
    if len(turn.candidates) > 1:
        show_candidates(console, turn)


def say(console: Console, line: str) -> None:
    """Print one line about what was done."""
    console.print(Text(f"  {neutralize(' '.join(line.split()))}", style="dim"))
