"""What a person does at the prompt: turns, and steering them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from multiturn.apps.cli.app_context import AppContext, open_model
from multiturn.apps.cli.interrupts import stopped_by_ctrl_c
from multiturn.apps.cli.screen import show_code
from multiturn.apps.cli.session_settings import session_settings
from multiturn.apps.cli.settings import Settings
from multiturn.apps.cli.terminal import neutralize, one_line
from multiturn.apps.cli.turn_view import (
    TurnView,
    show_candidate,
    show_candidates,
    show_run,
    show_tree,
    show_turn,
)
from multiturn.core.errors import InputError, MultiturnError
from multiturn.synthesis.events import LoopEvent, TurnSaved
from multiturn.synthesis.export import export_session
from multiturn.synthesis.records import Session, Turn

__all__ = ["Conversation"]


class Conversation:
    """One person, one session at a time.

    Every method does one thing that can be said at the prompt, shows what came of it, and
    raises a `MultiturnError` where it cannot; the session is then as it was.

    Args:
        app: what does the work.
        settings: for new sessions.
        console: where everything is shown.
        session: the one to go on with; None begins a new one with the first turn.
    """

    def __init__(
        self,
        app: AppContext,
        settings: Settings,
        console: Console,
        session: Session | None = None,
    ) -> None:
        self.app = app
        self.settings = settings
        self.console = console
        self.session = session
        self._resumed = session
        self._ran = False
        self._left_failing = False

    @property
    def works(self) -> bool:
        """Whether the programs ran without an error; those that were not written or run here do."""
        if self._left_failing:
            return False
        touched = self._ran or self.session is not self._resumed
        if not touched or self.session is None or self.session.turn is None:
            return True
        return self.session.turn.choice.finished

    @property
    def number(self) -> int:
        """Which turn of the program comes next, from 1."""
        return 1 if self.session is None else len(self.session.path()) + 1

    def take_turn(self, words: str) -> None:
        """Write the next step."""
        session = self.session or self.app.synthesizer.new_session(session_settings(self.settings))
        try:
            with stopped_by_ctrl_c() as cancel:
                events = self.app.synthesizer.take_turn(session, words, cancel=cancel)
                self._follow(events, session.settings.sampling.n, _printed(session.turn))
        finally:
            if self.session is None:  # its first turn was not saved: it would stay empty
                with suppress(MultiturnError):
                    self.app.store.delete(session.id)

    def retry(self, count: int | None = None, temperature: float | None = None) -> None:
        """Write the current step again: `count` more candidates, at a temperature of their own."""
        session, turn = self._here()
        sampling = session.settings.sampling
        if count is not None:
            sampling = replace(sampling, n=count)
        if temperature is not None:
            sampling = replace(sampling, temperature=temperature)
        if sampling.temperature == 0:
            raise InputError(
                "with temperature 0 the same would be written again",
                fix="/retry 1 0.8 takes a higher one; or say the step in other words after /undo",
            )
        with stopped_by_ctrl_c() as cancel:
            events = self.app.synthesizer.retry(session, sampling=sampling, cancel=cancel)
            self._follow(events, sampling.n, _printed(_parent(session, turn)))
        _, now = self._here()
        if len({candidate.text.strip() for candidate in now.candidates}) == 1:
            self._say("the same each time; /retry 3 0.8 takes more risks, or use other words")

    def pick(self, number: int | None = None) -> None:
        """Take another candidate of the current step; without a number, list them."""
        session, turn = self._here()
        if number is None:
            show_candidates(self.console, turn)
            self._say("/pick NUMBER takes one")
            return
        self.session = self.app.synthesizer.pick(session, number)
        self._show_current()

    def edit(self, change: Callable[[str], str | None]) -> None:
        """Put the person's own code in place of the current step's.

        Args:
            change: from the code as it is to the code as it should be; None leaves it.
        """
        session, turn = self._here()
        code = change(turn.code)
        if code is None or code.strip() == turn.code.strip():
            self._say("nothing was changed")
            return
        events = self.app.synthesizer.edit(session, code)
        self._follow(events, 0, _printed(_parent(session, turn)))

    def undo(self) -> None:
        """Go back one turn."""
        session, turn = self._here()
        self.session = self.app.synthesizer.undo(session)
        self._say(f"took back turn {turn.id}: {one_line(turn.prompt, most=60)}")
        self._say(f"it is still there: /branch {turn.id} goes back to it")

    def branch(self, turn_id: int | None = None) -> None:
        """Go to any turn; the next one begins a branch there. Without an id, show the tree."""
        session = self._begun()
        if turn_id is None:
            show_tree(self.console, session)
            self._say("/branch NUMBER goes there, /branch 0 to the very beginning")
            return
        self.session = self.app.synthesizer.branch(session, turn_id or None)
        if self.session.turn is None:
            self._say("at the very beginning; the next turn begins another program")
        else:
            self._show_current()

    def run(self) -> None:
        """Run the program so far once more."""
        session, _ = self._here()
        self._ran = True
        show_run(self.console, self.app.synthesizer.run(session), program=session.program())

    def show(self, what: str = "") -> None:
        """Show the program; or ``tree``, ``turns``, or one turn by its number."""
        session = self._begun()
        if not what:
            show_code(self.console, session.program())
        elif what == "tree":
            show_tree(self.console, session)
        elif what == "turns":
            before = ""
            for turn in session.path():
                show_turn(self.console, session, turn, before=before)
                before = _printed(turn)
        elif what.isdecimal():
            turn = session.find(int(what))
            show_turn(self.console, session, turn, before=_printed(_parent(session, turn)))
            show_candidates(self.console, turn)
        else:
            raise InputError(
                "/show does not know what to show",
                got=what,
                allowed="nothing (the program), tree, turns, or the number of a turn",
            )

    def save(self, path: Path) -> None:
        """Write the program to a file, in the format of its suffix."""
        session, _ = self._here()
        if path.exists():
            self._say(f"{path} was there and is written over")
        export_session(session, path)
        self._say(f"saved {path}", style="green")

    def sessions(self, most: int = 20) -> None:
        """List the saved sessions."""
        summaries = self.app.store.list()
        if not summaries:
            self._say("no sessions yet")
        for summary in summaries[:most]:
            here = self.session is not None and summary.id == self.session.id
            line = Text("→ " if here else "  ", style="bold")
            line.append(f"{summary.id:10} ", style="cyan")
            line.append(f"{summary.updated_at[:16].replace('T', ' ')}  {summary.turns:3} turns  ")
            line.append(one_line(summary.last_prompt or "-", most=50), style="dim")
            self.console.print(line)
        if len(summaries) > most:
            self._say(f"and {len(summaries) - most} more: multiturn sessions list")

    def open(self, name: str) -> None:
        """Go on with another session, or begin a new one."""
        if name == "new":
            self._leave()
            self._say("a new session begins with the next turn")
            return
        session = self.app.store.find(name)
        if session.model != self.app.model:
            self._say(
                f"it was written with {session.model}; it goes on with {self.app.model} "
                f"(/model {session.model} changes back)",
                style="yellow",
            )
            session = self.app.synthesizer.adopt(session)
        self._leave()
        self.session = self._resumed = session
        self.show("turns")

    def _leave(self) -> None:
        self._left_failing = not self.works
        self.session = self._resumed = None
        self._ran = False

    def model(self, name: str = "") -> None:
        """Change the model, or say which it is."""
        if not name:
            info = self.app.engine.info
            self._say(f"{info.model}, {info.engine}, window of {info.context_window} tokens")
            return
        self.app.use_model(
            name,
            lambda model: open_model(
                self.settings, model, self.console, ask=self.console.is_terminal
            ),
        )
        if self.session is not None:
            resumed = self.session is self._resumed
            self.session = self.app.synthesizer.adopt(self.session)
            self._resumed = self.session if resumed else self._resumed
        self._say(f"the next turn is written by {name}", style="green")

    def _follow(self, events: Iterator[LoopEvent], candidates: int, before: str) -> None:
        view = TurnView(self.console, candidates=candidates, before=before)
        ended = view.show(events)
        if isinstance(ended, TurnSaved):
            self.session = ended.session

    def _begun(self) -> Session:
        if self.session is None:
            raise InputError("there is no turn yet", fix="say what the program should do")
        return self.session

    def _here(self) -> tuple[Session, Turn]:
        session = self._begun()
        if session.turn is None:
            raise InputError(
                "this is the very beginning, before the first turn",
                fix="say what the program should do, or go to a turn with /branch",
            )
        return session, session.turn

    def _show_current(self) -> None:
        session, turn = self._here()
        show_code(self.console, turn.code)
        before = _printed(_parent(session, turn))
        show_candidate(self.console, session, turn, before=before)

    def _say(self, text: str, *, style: str = "dim") -> None:
        self.console.print(Text(f"  {neutralize(text)}", style=style))


def _parent(session: Session, turn: Turn) -> Turn | None:
    return None if turn.parent is None else session.find(turn.parent)


def _printed(turn: Turn | None) -> str:
    """What the program printed up to and with `turn`."""
    if turn is None or turn.choice.run is None:
        return ""
    return turn.choice.run.stdout
