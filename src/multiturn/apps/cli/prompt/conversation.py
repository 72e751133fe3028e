"""The operations of the prompt: taking turns, and changing them."""

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
from multiturn.apps.cli.step_view import show_effects
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
from multiturn.sandbox.compiled.runner import require_tools
from multiturn.synthesis.events import LoopEvent, TurnSaved
from multiturn.synthesis.expectations import describe_example, read_expectation
from multiturn.synthesis.export import export_session
from multiturn.synthesis.operations import Operations, retry_sampling, turn_in_program
from multiturn.synthesis.prompts import choose_style
from multiturn.synthesis.records import Candidate, Example, Session, Turn
from multiturn.text.grammar import require_grammar
from multiturn.text.languages import LANGUAGES, Language, language

__all__ = ["Conversation"]


class Conversation:
    """The state of the prompt: one session at a time.

    Each method is one operation of the prompt and shows its result. A method that raises a
    `MultiturnError` leaves the session unchanged.

    Args:
        app: the open store, sandbox and engine.
        settings: for new sessions.
        console: shows everything.
        session: the session to continue; None starts a new one with the first turn.
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
        self._expected: list[Example] = []

    @property
    def works(self) -> bool:
        """Whether the programs written or run here ran without an error."""
        if self._left_failing:
            return False
        touched = self._ran or self.session is not self._resumed
        if not touched or self.session is None or self.session.turn is None:
            return True
        return self.session.turn.choice.finished

    @property
    def number(self) -> int:
        """The number of the next turn, from 1."""
        return 1 if self.session is None else len(self.session.path()) + 1

    def take_turn(self, words: str) -> None:
        """Write the next step."""
        session = self.session or self.app.synthesizer.new_session(session_settings(self.settings))
        try:
            with stopped_by_ctrl_c() as cancel:
                events = self._operations.take_turn(
                    session, words, examples=self._expected, cancel=cancel
                )
                done = self._follow(events, session.settings.sampling.n, _printed(session.turn))
            if done is not None:
                self._expected = []
        finally:
            if self.session is None:  # the first turn was not saved: delete the empty session
                with suppress(MultiturnError):
                    self.app.store.delete(session.id)

    def retry(
        self,
        count: int | None = None,
        temperature: float | None = None,
        turn_id: int | None = None,
    ) -> None:
        """Write a step again, with `count` more candidates at another temperature.

        Without `turn_id` it is the current step. The steps after an earlier one follow with the
        code that they have.
        """
        session, turn = self._step(turn_id)
        sampling = retry_sampling(session, count, temperature)
        first = len(turn.candidates)
        with stopped_by_ctrl_c() as cancel:
            events = self._operations.retry(
                session, count, temperature, turn_id=turn.id, cancel=cancel
            )
            done = self._follow(events, sampling.n, _printed(_parent(session, turn)), first=first)
        if done is not None:
            self._note_repetition(done, first, "/retry 3 1")
            self._follow_again(earlier=turn_id is not None)

    def repair(self, turn_id: int | None = None) -> None:
        """Write a step again with what is wrong in the prompt.

        Without `turn_id` it is the current step; an earlier one is repaired by the error of the
        current one, and the steps after it follow with the code that they have.
        """
        session, turn = self._step(turn_id)
        first = len(turn.candidates)
        with stopped_by_ctrl_c() as cancel:
            events = self._operations.repair(session, turn_id=turn.id, cancel=cancel)
            count = session.settings.sampling.n
            done = self._follow(events, count, _printed(_parent(session, turn)), first=first)
        if done is not None:
            self._note_repetition(done, first, "/retry")
            self._follow_again(earlier=turn_id is not None)

    def expect(self, words: str) -> None:
        """Say what a step must give: the current one, or with ``next`` before it the next one."""
        about_next = words.split(maxsplit=1)[:1] == ["next"]
        words = words.strip().removeprefix("next") if about_next else words
        example = read_expectation(words, self._language)
        described = one_line(describe_example(example), max_length=90)
        if about_next or self.session is None or self.session.turn is None:
            self._expected.append(example)
            self._say(f"expected of the next step: {described}")
            return
        session, turn = self._here()
        events = self._operations.expect(session, example)
        before = _printed(_parent(session, turn))
        self._follow(events, 0, before, on_screen=turn.choice)
        _, now = self._here()
        if not now.choice.good and len(now.candidates) > 1:
            self._say("none of the candidates does that")

    def pick(self, number: int | None = None) -> None:
        """Choose another candidate of the current step; without a number, list them."""
        session, turn = self._here()
        if number is None:
            show_candidates(self.console, turn)
            self._say("/pick NUMBER chooses one")
            return
        self.session = self._operations.pick(session, number)
        self._show_current()

    def edit(self, change: Callable[[str], str | None]) -> None:
        """Replace the code of the current step by the user's own.

        Args:
            change: gets the code and returns the new code, or None to leave it.
        """
        session, turn = self._here()
        code = change(turn.code)
        if code is None or code.strip() == turn.code.strip():
            self._say("no change")
            return
        events = self._operations.edit(session, code=code)
        self._follow(events, 0, _printed(_parent(session, turn)))

    def undo(self) -> None:
        """Go back one turn."""
        session, turn = self._here()
        self.session = self.app.synthesizer.undo(session)
        self._say(f"undid turn {turn.id}: {one_line(turn.prompt, max_length=60)}")
        self._say(f"/branch {turn.id} restores it")

    def branch(self, turn_id: int | None = None) -> None:
        """Go to any turn; the next turn starts a branch there. Without an id, show the tree."""
        session = self._begun()
        if turn_id is None:
            show_tree(self.console, session)
            self._say("/branch NUMBER goes to a turn, /branch 0 to the beginning")
            return
        self.session = self.app.synthesizer.branch(session, turn_id or None)
        if self.session.turn is None:
            self._say("at the beginning; the next turn starts another program")
        else:
            self._show_current()

    def run(self) -> None:
        """Run the program so far again."""
        session, _ = self._here()
        self._ran = True
        show_run(self.console, self.app.synthesizer.run(session), program=session.program())

    def show(self, what: str = "") -> None:
        """Show the program, ``tree``, ``turns``, or one turn by its number."""
        session = self._begun()
        if not what:
            show_code(self.console, session.program(), session.language.key)
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
                "/show: unknown argument",
                got=what,
                allowed="nothing (the program), tree, turns, or the number of a turn",
            )

    def save(self, path: Path) -> None:
        """Write the program to a file. The suffix chooses the format."""
        session, _ = self._here()
        if path.exists():
            self._say(f"overwriting {path}")
        export_session(session, path)
        self._say(f"saved {path}", style="green")

    def sessions(self, max_count: int = 20) -> None:
        """List the saved sessions."""
        summaries = self.app.store.list()
        if not summaries:
            self._say("no sessions yet")
        for summary in summaries[:max_count]:
            here = self.session is not None and summary.id == self.session.id
            line = Text("→ " if here else "  ", style="bold")
            line.append(f"{summary.id:10} ", style="cyan")
            line.append(f"{summary.updated_at[:16].replace('T', ' ')}  {summary.turns:3} turns  ")
            line.append(one_line(summary.last_prompt or "-", max_length=50), style="dim")
            self.console.print(line)
        if len(summaries) > max_count:
            self._say(f"and {len(summaries) - max_count} more: multiturn sessions list")

    def open(self, name: str) -> None:
        """Continue another session, or start a new one."""
        if name == "new":
            self._leave()
            self._say("the next turn starts a new session")
            return
        session = self.app.store.find(name)
        if session.model != self.app.model:
            self._say(
                f"this session was written with {session.model} and continues with "
                f"{self.app.model} (/model {session.model} changes back)",
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
        """Change the model, or show which one is loaded."""
        if not name:
            info = self.app.engine.info
            self._say(
                f"{info.model}, {info.engine}, context window of {info.context_window} tokens, "
                f"{choose_style(info, self.settings.style).name} style, {self._language.name}"
            )
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
        self._say(f"{name} writes the next turn", style="green")

    def language(self, name: str = "") -> None:
        """Choose the language of the program before the first turn, or show which one it is."""
        if not name:
            others = ", ".join(each for each in LANGUAGES if each != self._language.key)
            self._say(f"{self._language.name}; before the first turn also {others}")
            return
        if self.session is not None and self.session.turns:
            raise InputError(
                "the language of a program stays after the first turn",
                got=name,
                fix="/open new starts another program",
            )
        entry = language(name)
        if entry.grammar is not None:
            require_tools(entry)
            require_grammar(entry)
        self.settings = replace(self.settings, language=entry.key)
        self.session = self._resumed = None
        self._expected = []
        self._say(f"the program will be written in {entry.name}", style="green")
        if not entry.inspects:
            self._say("the values of its variables are not shown: that is for Python only")

    @property
    def _language(self) -> Language:
        return language(self.settings.language) if self.session is None else self.session.language

    @property
    def _operations(self) -> Operations:
        return Operations(self.app.synthesizer)

    def _step(self, turn_id: int | None) -> tuple[Session, Turn]:
        """The session, and a step of the program so far."""
        session = self._begun()
        return session, turn_in_program(session, turn_id)

    def _note_repetition(self, saved: TurnSaved, before: int, instead: str) -> None:
        if len(saved.turn.candidates) == before:
            self._say(f"the same code again; try {instead}, or rephrase the step")

    def _follow_again(self, *, earlier: bool) -> None:
        """Let the steps after a changed one follow it."""
        while earlier and self.session is not None and self.session.stale:
            session, before = self._here()
            self._say(f"again: {one_line(session.stale[0].prompt, max_length=70)}")
            self._follow(self._operations.follow_again(session), 0, _printed(before))

    def _follow(
        self,
        events: Iterator[LoopEvent],
        candidates: int,
        before: str,
        *,
        first: int = 0,
        on_screen: Candidate | None = None,
    ) -> TurnSaved | None:
        """Show events; returns the last one if it is that of a saved turn."""
        view = TurnView(
            self.console,
            candidates=candidates,
            first=first,
            before=before,
            on_screen=on_screen,
            lexer=self._language.key,
        )
        ended = view.show(events)
        if not isinstance(ended, TurnSaved):
            return None
        self.session = ended.session
        return ended

    def _begun(self) -> Session:
        if self.session is None:
            raise InputError("there is no turn yet", fix="describe what the program should do")
        return self.session

    def _here(self) -> tuple[Session, Turn]:
        session = self._begun()
        if session.turn is None:
            raise InputError(
                "this is the beginning, before the first turn",
                fix="describe what the program should do, or go to a turn with /branch",
            )
        return session, session.turn

    def _show_current(self) -> None:
        session, turn = self._here()
        show_code(self.console, turn.code, session.language.key)
        before = _printed(_parent(session, turn))
        show_candidate(self.console, session, turn, before=before)
        show_effects(self.console, session, turn, commands=True)

    def _say(self, text: str, *, style: str = "dim") -> None:
        self.console.print(Text(f"  {neutralize(text)}", style=style))


def _parent(session: Session, turn: Turn) -> Turn | None:
    return None if turn.parent is None else session.find(turn.parent)


def _printed(turn: Turn | None) -> str:
    """What the program printed up to and including `turn`."""
    if turn is None or turn.choice.run is None:
        return ""
    return turn.choice.run.stdout
