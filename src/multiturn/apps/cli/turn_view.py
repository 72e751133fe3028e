"""Shows a turn: the code while it is generated, the run, and the output."""

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
from multiturn.apps.cli.step_view import outcome_words, show_effects
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateRepeated,
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
    """Shows the events of one turn.

    The first candidate appears while it is generated, and its run while the others are generated.
    If another one is chosen in the end, that one follows.

    Args:
        console: shows the events.
        candidates: how many are generated at once.
        first: the index of the first of them.
        before: the program's output before this turn.
        pickable: whether the user can choose another candidate. If so, all are listed;
            otherwise they are only counted.
        on_screen: the candidate whose code the user has seen.
        lexer: the language, as Pygments calls it.
    """

    def __init__(
        self,
        console: Console,
        *,
        candidates: int,
        first: int = 0,
        before: str = "",
        pickable: bool = True,
        on_screen: Candidate | None = None,
        lexer: str = "python",
    ) -> None:
        self._console = console
        self._lexer = lexer
        self._pickable = pickable
        self._candidates = candidates
        self._before = before
        self._stream = CodeStream(console, lexer)
        self._status = StatusLine(console)
        self._begin(first, on_screen)

    def _begin(self, first: int, on_screen: Candidate | None = None) -> None:
        """Begin to show the candidates of one attempt."""
        self._first = first
        self._text = ""
        self._other_tokens = 0
        self._written = 0
        self._ran: list[CandidateRan] = []
        self._on_screen = on_screen
        self._run_on_screen: Candidate | None = None

    def show(self, events: Iterable[LoopEvent]) -> TurnSaved | TurnCancelled | None:
        """Show all `events` and return the last one that ends a turn."""
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
        """Finish the current line."""
        self._stream.close()
        self._status.clear()

    def show_event(self, event: LoopEvent) -> None:
        """Show one event."""
        match event:
            case TextWritten():
                self._show_text(event)
            case CandidateWritten() | CandidateRepeated():
                self._show_written(event)
            case CandidateRan():
                self._ran.append(event)
                self._show_first_run()
            case HistoryDropped():
                self._say(
                    f"the program has outgrown the context window: the prompt leaves out the "
                    f"oldest {event.dropped} of {event.of} turns",
                    style="yellow",
                )
            case Retrying():
                self._show_retrying(event)
            case TurnSaved():
                self._show_saved(event)
            case TurnCancelled():
                self.clear()
                self._say("stopped; this turn was discarded", style="yellow")

    def _show_text(self, event: TextWritten) -> None:
        if event.index == self._first:
            self._status.clear()
            self._text += event.text
            self._stream.feed(event.text)
        else:
            self._other_tokens += 1
            self._show_status()

    def _show_written(self, event: CandidateWritten | CandidateRepeated) -> None:
        self._written += 1
        if event.index == self._first:
            self._stream.close()
            self._show_end_of_first(event.candidate)
            self._show_first_run()
        self._show_status()

    def _show_end_of_first(self, candidate: Candidate) -> None:
        """Show where the code differs from the text that appeared."""
        written, code = self._text.strip(), candidate.text.strip()
        if not code:
            return
        if written.startswith(code):
            left_out = len(written[len(code) :].strip().splitlines())
            if left_out:
                lines = "the last line" if left_out == 1 else f"the last {left_out} lines"
                why = "unfinished" if candidate.trimmed else "not part of this step"
                self._say(f"{lines} removed: {why}")
        else:
            self._status.clear()
            show_code(self._console, candidate.text, self._lexer)
        self._on_screen = candidate

    def _show_first_run(self) -> None:
        """Show the run of the code on the screen, unless it is all that there will be."""
        if self._candidates == 1 or self._on_screen is None or self._run_on_screen is not None:
            return
        for event in self._ran:
            if event.candidate.same_code(self._on_screen):
                self._run_on_screen = event.candidate
                self._status.clear()
                _show_run_of(self._console, event.candidate, event.program, before=self._before)
                self._show_status()
                return

    def _show_status(self) -> None:
        """Say what is awaited, unless the first candidate is being written on that line."""
        waiting = self._candidates - self._written
        if self._text and self._on_screen is None and self._written < self._candidates:
            return
        if waiting <= 0:
            self._status.show("running the program so far")
        elif self._written:
            more = "1 more candidate" if waiting == 1 else f"{waiting} more candidates"
            self._status.show(f"writing {more}, {self._other_tokens} tokens")
        else:
            self._status.show(f"writing {waiting} candidates, {self._other_tokens} tokens")

    def _show_retrying(self, event: Retrying) -> None:
        self._status.clear()
        shown = self._run_on_screen
        if shown is None or shown.describe() != event.failure:
            self._say(f"✗ {one_line(event.failure, max_length=300)}", style="red")
        self._say(
            f"retrying with this error in the prompt ({event.attempt} of {event.max_retries})"
        )
        self._begin(self._first + self._candidates)

    def _show_saved(self, event: TurnSaved) -> None:
        self.clear()
        turn = event.turn
        if self._on_screen is None or not self._on_screen.same_code(turn.choice):
            if self._on_screen is not None:
                self._say(f"candidate {turn.chosen + 1} is better:")
            show_code(self._console, turn.code, event.session.language.key)
            self._run_on_screen = None
        if self._run_on_screen is None:
            show_candidate(self._console, event.session, turn, before=self._before)
        show_effects(self._console, event.session, turn, commands=self._pickable)
        several = len(turn.candidates) > 1 and self._pickable
        if several and (self._first or turn.edited):  # they want to compare
            show_candidates(self._console, turn)
        elif turn.written > 1:
            self._say(_counted(turn) + ("; /pick lists them" if several else ""))

    def _say(self, text: str, *, style: str = "dim") -> None:
        self._console.print(Text(f"  {neutralize(text)}", style=style))


def show_candidate(console: Console, session: Session, turn: Turn, *, before: str = "") -> None:
    """Show how the program ran with the chosen candidate, and what is new in its output."""
    _show_run_of(console, turn.choice, session.program(turn.id), before=before)


def _show_run_of(console: Console, candidate: Candidate, program: str, *, before: str) -> None:
    if candidate.run is None:
        console.print(Text(f"  · {candidate.describe()}", style="yellow"))
        return
    show_run(
        console,
        candidate.run,
        line=outcome_words(candidate),
        good=candidate.good,
        program=program,
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
    """Show the outcome in one line, then the output.

    Args:
        console: shows them.
        run: the run.
        line: a description of the outcome, in place of the default.
        good: whether the run succeeded; by default whether it finished.
        program: the source, to show the line that failed.
        before: output that was already shown; left out if it is unchanged.
    """
    good = run.outcome.finished if good is None else good
    words = neutralize(line or run.outcome.describe())
    outcome = Text("  ✓ " if good else "  ✗ ", style="bold green" if good else "bold red")
    outcome.append(" ".join(words.split()), style="green" if good else "red")
    outcome.append(f"  {run.wall_seconds:.2f} s, {run.rung.value}", style="dim")
    console.print(outcome)
    if run.rung is IsolationLevel.LIMITS_ONLY:
        console.print(Text("    not isolated: limits only", style="yellow"))
    at = run.outcome.line
    lines = program.splitlines()
    if at is not None and 0 < at <= len(lines):
        console.print(Text(f"    line {at}: {neutralize(lines[at - 1].strip())}", style="red"))
    fresh, shortened = new_output(before, run.stdout)
    if fresh.strip():
        if before and not shortened:
            console.print(Text("    the output changed from the start:", style="dim"))
        show_output(console, fresh)
    if run.output_cut:
        console.print(Text("    (the output was cut)", style="dim"))
    if run.stderr.strip() and run.outcome.finished:
        show_output(console, run.stderr, style="yellow")
    for note in run.notes:
        console.print(Text(f"    {neutralize(note)}", style="yellow"))


def show_candidates(console: Console, turn: Turn) -> None:
    """Print one line per candidate of a turn, with the chosen one marked."""
    for index, candidate in enumerate(turn.candidates):
        chosen = index == turn.chosen
        line = Text("  → " if chosen else "    ", style="bold" if chosen else "dim")
        line.append(f"{index + 1}. {_summary(candidate)}", style="" if chosen else "dim")
        console.print(line)


def _counted(turn: Turn) -> str:
    """The candidates of a turn in one line."""
    different = len(turn.candidates)
    good = sum(candidate.copies for candidate in turn.candidates if candidate.good)
    did = "passed the examples" if turn.examples else "ran without an error"
    alike = "all the same" if different == 1 else f"{different} different"
    return f"the best of {turn.written} candidates, {alike}; {good} {did}"


def _summary(candidate: Candidate) -> str:
    words = [one_line(outcome_words(candidate), max_length=60)]
    if candidate.origin != "model":
        words.append({"repair": "repaired", "person": "yours"}[candidate.origin])
    if candidate.copies > 1:
        words.append(f"written {candidate.copies} times")
    if candidate.mean_logprob is not None:
        words.append(f"logprob {candidate.mean_logprob:.2f}")
    code = one_line(candidate.text, max_length=48)
    return f"{', '.join(words)}  {code}"


def show_turn(console: Console, session: Session, turn: Turn, *, before: str = "") -> None:
    """Show a finished turn: its prompt, code and run."""
    console.print(Text(f"{turn.id}> ", style="bold cyan").append(neutralize(turn.prompt), "bold"))
    show_code(console, turn.code, session.language.key)
    show_candidate(console, session, turn, before=before)
    show_effects(console, session, turn, commands=False)


def show_tree(console: Console, session: Session) -> None:
    """Show all turns as a tree, with the current one marked."""
    on_path = {turn.id for turn in session.path()}
    for depth, turn in session.walk():
        mark = "→" if turn.id == session.current else " "
        sign = "✓" if turn.choice.good else "✗"
        line = Text(f"{mark} {'  ' * depth}{turn.id}. ", style="bold")
        line.append(f"{sign} ", style="green" if turn.choice.good else "red")
        line.append(one_line(turn.prompt, max_length=70), style="" if turn.id in on_path else "dim")
        if turn.examples and turn.choice.good:
            line.append("  as expected", style="green")
        if len(turn.candidates) > 1:
            line.append(f"  {turn.chosen + 1} of {len(turn.candidates)}", style="dim")
        console.print(line)
