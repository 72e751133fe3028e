"""Shows the run of a specification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from multiturn.apps.cli.screen import StatusLine
from multiturn.apps.cli.synth_report import ProgramToWrite
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.apps.cli.turn_view import TurnView
from multiturn.synthesis.events import TurnSaved
from multiturn.synthesis.specification import ABSENT
from multiturn.synthesis.specification_runner import (
    AttemptBegun,
    SpecificationDone,
    SpecificationEvent,
    SpecificationResult,
    TurnBegun,
)

__all__ = ["SynthView"]


class SynthView:
    """Shows programs as they are written, or one line for each.

    Args:
        console: where to.
        several: whether there are several programs, each to be named.
        quiet: whether turns are left out.
    """

    def __init__(self, console: Console, *, several: bool, quiet: bool) -> None:
        self._console = console
        self._several = several
        self._quiet = quiet
        self._status = StatusLine(console)
        self._name = ""
        self._candidates = 1
        self._before = ""
        self._lexer = ""
        self._turn: TurnView | None = None

    def begin(self, program: ProgramToWrite) -> None:
        """Announce the next program."""
        name = program.specification.name or program.specification.id or "program"
        self._name = f"{name}, case {program.case}" if self._several else name
        if self._several and not self._quiet:
            self._console.print(Text(neutralize(self._name), style="bold underline"))

    def showing(self, events: Iterable[SpecificationEvent]) -> Iterator[SpecificationEvent]:
        """Show each event as it passes."""
        try:
            for event in events:
                self._show(event)
                yield event
        finally:
            self._status.clear()
            if self._turn is not None:
                self._turn.clear()

    def say(self, text: str, *, style: str = "dim") -> None:
        """Print a line."""
        self._console.print(Text(neutralize(text), style=style))

    def _show(self, event: SpecificationEvent) -> None:
        match event:
            case AttemptBegun():
                self._candidates = event.session.settings.sampling.n
                self._lexer = event.session.language.key
                self._before = ""
                if event.attempt > 1:
                    self._status.clear()
                    self.say(
                        "The output was not as expected. Attempt "
                        f"{event.attempt} of {event.max_attempts}, from the first turn, with seed "
                        f"{event.seed}:\n",
                        style="yellow",
                    )
            case TurnBegun():
                self._show_turn(event)
            case SpecificationDone():
                self._status.clear()
                self._show_result(event.result)
            case _ if self._turn is not None:
                self._turn.show_event(event)
                if isinstance(event, TurnSaved):
                    run = event.turn.choice.run
                    self._before = run.stdout if run else self._before
                    self._console.print()

    def _show_turn(self, event: TurnBegun) -> None:
        if self._quiet:
            self._status.show(f"{self._name}: turn {event.number} of {event.of}")
            return
        number = Text(f"{event.number}/{event.of}> ", style="bold cyan")
        self._console.print(number.append(neutralize(event.prompt), style="bold"))
        self._turn = TurnView(
            self._console,
            candidates=self._candidates,
            before=self._before,
            pickable=False,
            lexer=self._lexer,
        )

    def _show_result(self, result: SpecificationResult) -> None:
        line = Text("✓ " if result.met else "✗ ", style="bold green" if result.met else "bold red")
        if self._quiet:
            line.append(neutralize(self._name))
            if result.why_not:
                line.append(f": {one_line(result.why_not, max_length=200)}", style="red")
            self._console.print(line)
            return
        if not result.met:
            line.append(one_line(result.why_not or "not met", max_length=400), style="red")
        elif result.expected is ABSENT:
            line.append("the program ran without an error (no output was specified)")
        elif "\n" in str(result.expected):
            line.append("the program printed the expected output")
        else:
            line.append(f"the program printed the expected output: {_shown(result.expected)}")
        self._console.print(line)


def _shown(value: object) -> str:
    return one_line(str(value), max_length=200)
