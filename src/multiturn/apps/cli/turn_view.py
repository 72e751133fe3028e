"""A turn as a person sees it: the code as it is written, how it ran, what it printed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from multiturn.apps.cli.screen import (
    CodeStream,
    StatusLine,
    new_output,
    show_code,
    show_output,
)
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateWritten,
    HistoryDropped,
    LoopEvent,
    Retrying,
    TextWritten,
    TurnCancelled,
    TurnSaved,
)
from multiturn.synthesis.records import Candidate, ProgramRun, Session, Turn

__all__ = [
    "TurnView",
    "show_candidate",
    "show_candidates",
    "show_run",
    "show_tree",
    "show_turn",
]


class TurnView:
    """Shows the events of one turn as they come.

    Args:
        console: where to.
        candidates: how many are written at once. One is shown while it is written; of
            several, interleaved as they come, only the chosen one is shown.
        before: what the program printed before this turn.
        pickable: whether a person can pick another candidate: all are listed then, and
            only counted otherwise.
    """

    def __init__(
        self, console: Console, *, candidates: int, before: str = "", pickable: bool = True
    ) -> None:
        self._console = console
        self._pickable = pickable
        self._live = candidates == 1
        self._candidates = candidates
        self._before = before
        self._stream = CodeStream(console)
        self._status = StatusLine(console)
        self._pieces = 0
        self._written: dict[int, str] = {}
        self._on_screen: int | None = None

    def show(self, events: Iterable[LoopEvent]) -> TurnSaved | TurnCancelled | None:
        """Show all of `events`; returns the last one that ends a turn."""
        ended = None
        try:
            for event in events:
                self.show_event(event)
                if isinstance(event, TurnSaved | TurnCancelled):
                    ended = event
        finally:
            self.clear()
        return ended

    def clear(self) -> None:
        """Leave no half line behind, whatever happened."""
        self._stream.close()
        self._status.clear()

    def show_event(self, event: LoopEvent) -> None:
        """Show one event."""
        match event:
            case TextWritten():
                self._show_text(event)
            case CandidateWritten():
                self._show_written(event)
            case CandidateRan():
                self._status.clear()
            case HistoryDropped():
                self._say(
                    f"the program has outgrown the model's window: the oldest {event.dropped} of "
                    f"{event.of} turns are not shown to the model",
                    style="yellow",
                )
            case Retrying():
                self._status.clear()
                self._say(f"✗ {one_line(event.failure, most=300)}", style="red")
                self._say(f"told so, the model tries again ({event.attempt} of {event.most})")
                self._pieces = 0
            case TurnSaved():
                self._show_saved(event)
            case TurnCancelled():
                self.clear()
                self._say("stopped; nothing was kept of this turn", style="yellow")

    def _show_text(self, event: TextWritten) -> None:
        self._pieces += 1
        if self._live:
            self._written[event.index] = self._written.get(event.index, "") + event.text
            self._stream.feed(event.text)
        else:
            self._status.show(f"writing {self._candidates} candidates, {self._pieces} tokens")

    def _show_written(self, event: CandidateWritten) -> None:
        if self._live:
            self._stream.close()
            written = self._written.get(event.index, "").strip()
            kept = event.candidate.text.strip()
            if written == kept and kept:
                self._on_screen = event.index
            elif kept and written.startswith(kept):
                left_out = len(written[len(kept) :].strip().splitlines())
                lines = "the last line" if left_out == 1 else f"the last {left_out} lines"
                why = "unfinished" if event.candidate.trimmed else "not part of this step"
                self._say(f"{lines} left out: {why}")
                self._on_screen = event.index
        self._status.show("running the program so far")

    def _show_saved(self, event: TurnSaved) -> None:
        self.clear()
        turn = event.turn
        if self._on_screen != turn.chosen:
            show_code(self._console, turn.code)
        show_candidate(self._console, event.session, turn, before=self._before)
        if len(turn.candidates) > 1 and self._pickable:
            show_candidates(self._console, turn)
        elif len(turn.candidates) > 1:
            self._say(_counted(turn))

    def _say(self, text: str, *, style: str = "dim") -> None:
        self._console.print(Text(f"  {neutralize(text)}", style=style))


def show_candidate(console: Console, session: Session, turn: Turn, *, before: str = "") -> None:
    """How the program ran with the turn's chosen candidate, and what was new in its output."""
    candidate = turn.choice
    if candidate.run is None:
        console.print(Text(f"  · {candidate.describe()}", style="yellow"))
        return
    show_run(
        console,
        candidate.run,
        line=candidate.describe(),
        good=candidate.good,
        program=session.program(turn.id),
        before=before,
    )


def show_run(
    console: Console,
    run: ProgramRun,
    *,
    line: str | None = None,
    good: bool | None = None,
    program: str = "",
    before: str = "",
) -> None:
    """The outcome in one line, then the output.

    Args:
        console: where to.
        run: what happened.
        line: the words of the outcome; its own by default.
        good: whether all is well; whether it finished by default.
        program: shows the line at which it failed.
        before: output that was seen already, left out where it is unchanged.
    """
    good = run.outcome.finished if good is None else good
    words = neutralize(line or run.outcome.describe())
    outcome = Text("  ✓ " if good else "  ✗ ", style="bold green" if good else "bold red")
    outcome.append(" ".join(words.split()), style="green" if good else "red")
    outcome.append(f"  {run.wall_seconds:.2f} s, {run.rung.value}", style="dim")
    console.print(outcome)
    if run.rung is IsolationLevel.LIMITS_ONLY:
        console.print(Text("    it was not isolated: limits only", style="yellow"))
    at = run.outcome.line
    lines = program.splitlines()
    if at is not None and 0 < at <= len(lines):
        console.print(Text(f"    line {at}: {neutralize(lines[at - 1].strip())}", style="red"))
    fresh, shortened = new_output(before, run.stdout)
    if fresh.strip():
        if before and not shortened:
            console.print(Text("    the output changed, from its start:", style="dim"))
        show_output(console, fresh)
    if run.output_cut:
        console.print(Text("    (more was printed than is kept)", style="dim"))
    if run.stderr.strip() and run.outcome.finished:
        show_output(console, run.stderr, style="yellow")
    for note in run.notes:
        console.print(Text(f"    {neutralize(note)}", style="yellow"))


def show_candidates(console: Console, turn: Turn) -> None:
    """One line for each candidate of a turn, the chosen one marked."""
    for index, candidate in enumerate(turn.candidates):
        chosen = index == turn.chosen
        line = Text("  → " if chosen else "    ", style="bold" if chosen else "dim")
        line.append(f"{index + 1}. {_summary(candidate)}", style="" if chosen else "dim")
        console.print(line)


def _counted(turn: Turn) -> str:
    """The candidates of a turn in a line."""
    count = len(turn.candidates)
    different = len({candidate.text.strip() for candidate in turn.candidates})
    good = sum(candidate.good for candidate in turn.candidates)
    did = "agreed with the examples" if turn.examples else "ran without an error"
    alike = "all alike" if different == 1 else f"{different} different ones"
    return f"the best of {count} candidates, {alike}; {good} {did}"


def _summary(candidate: Candidate) -> str:
    words = [one_line(candidate.describe(), most=60)]
    if candidate.origin != "model":
        words.append({"repair": "repaired", "person": "yours"}[candidate.origin])
    if candidate.mean_logprob is not None:
        words.append(f"logprob {candidate.mean_logprob:.2f}")
    code = one_line(candidate.text, most=48)
    return f"{', '.join(words)}  {code}"


def show_turn(console: Console, session: Session, turn: Turn, *, before: str = "") -> None:
    """A turn that is done: its words, code and run."""
    console.print(Text(f"{turn.id}> ", style="bold cyan").append(neutralize(turn.prompt), "bold"))
    show_code(console, turn.code)
    show_candidate(console, session, turn, before=before)


def show_tree(console: Console, session: Session) -> None:
    """All turns as a tree; the current one is marked."""
    on_path = {turn.id for turn in session.path()}
    for depth, turn in session.walk():
        mark = "→" if turn.id == session.current else " "
        sign = "✓" if turn.choice.good else "✗"
        line = Text(f"{mark} {'  ' * depth}{turn.id}. ", style="bold")
        line.append(f"{sign} ", style="green" if turn.choice.good else "red")
        line.append(one_line(turn.prompt, most=70), style="" if turn.id in on_path else "dim")
        if len(turn.candidates) > 1:
            line.append(f"  {turn.chosen + 1} of {len(turn.candidates)}", style="dim")
        console.print(line)
