"""The program of a notebook: a session of the store, and what the kernel's cells make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag

from rich.console import Console

from multiturn.apps.cli.screen import show_code
from multiturn.apps.cli.session_settings import sampling_of, session_settings
from multiturn.apps.cli.settings import Settings, resolve_settings
from multiturn.apps.cli.terminal import one_line
from multiturn.apps.cli.turn_view import show_turn
from multiturn.apps.notebook.arguments import Common, ManageLine, TurnLine
from multiturn.apps.notebook.carried import CarriedValues
from multiturn.apps.notebook.cells import (
    ExecutedCell,
    cell_text,
    python_of,
    split_cell,
    stand_in,
    stands_for,
)
from multiturn.apps.notebook.context import NotebookContext
from multiturn.apps.notebook.shell import Shell, clear_output, in_kernel
from multiturn.apps.notebook.variables import describe_variables
from multiturn.apps.notebook.view import notebook_console, say, show_events, show_result
from multiturn.core.errors import InputError, MultiturnError
from multiturn.synthesis.events import CandidateRan, LoopEvent, TurnSaved
from multiturn.synthesis.expectations import read_expectation
from multiturn.synthesis.export import export_session
from multiturn.synthesis.operations import Operations, turn_in_program
from multiturn.synthesis.program_text import as_comment
from multiturn.synthesis.records import Example, Session, Turn
from multiturn.synthesis.turn_text import validate_turn
from multiturn.synthesis.values import MAX_NAMES

__all__ = ["NotebookProgram"]

Events = Callable[[Flag], Iterator[LoopEvent]]


class NotebookProgram:
    """One program of a kernel at a time.

    The cells that a person ran since the last turn become steps of their own before the next turn
    is written, and a step whose cell was changed and run is edited. A step is known by its place
    in the program: the ids of turns change where an earlier one is edited.

    Args:
        shell: of IPython.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._console: Console = notebook_console(kernel=in_kernel(shell))
        self._carried = CarriedValues()
        self._context = NotebookContext(self._console, self._carried, self._variables_shown)
        self._session: Session | None = None
        self._name: str | None = None
        """Of the session, where one was asked for by name."""
        self._flags: dict[str, object] = {}
        self._run = False
        self._values: bool | None = None
        self._pending: list[ExecutedCell] = []
        self._prompt_cells: dict[str, int] = {}
        """The place of the step that a cell with `%%turn` wrote, by the id of the cell."""
        self._code_cells: dict[str, int] = {}
        """The place of the step that a cell with code is, by the id of the cell."""
        self._given: dict[int, str] = {}
        """What was put into a cell, by the place of the step."""
        self._unclaimed: list[int] = []
        """The places of a continued session's steps that no cell of this kernel has named yet."""

    # What the extension calls.

    def executed(self, cell: ExecutedCell) -> None:
        """Remember a cell that was run in the kernel."""
        self._pending.append(cell)

    def turn(self, line: TurnLine, text: str, cell_id: str | None = None) -> None:
        """Write a step, or change one.

        Args:
            line: the options.
            text: the prompt; may be empty where an option is about the last step.
            cell_id: of the cell with the prompt, where the frontend sends one.
        """
        self._set(replace(line, n=None, temperature=None, max_tokens=None, seed=None))
        prompt = validate_turn(text or line.words) if (text or line.words).strip() else None
        session = self._open_session()
        try:
            self._add_cells()
            before = self._place_of(prompt, cell_id)
            place = self._change(line, prompt, before)
        finally:
            self._forget_empty(session)
        if place is None:
            return
        if cell_id is not None:
            self._prompt_cells[cell_id] = place
        self._follow_again()
        self._give(line, place, known=before is not None)

    def manage(self, line: ManageLine) -> None:
        """Change settings, and do what `%multiturn` says."""
        self._set(line)
        match line.command, *line.arguments:
            case ["program"]:
                session = self._here()
                show_code(self._console, session.program(), session.language.key)
            case ["turns"]:
                self._show_turns()
            case ["undo"]:
                self._undo()
            case ["new"]:
                self._new()
            case ["sessions"]:
                self._show_sessions()
            case ["open", str(name)]:
                self._open(name)
            case ["save", str(path)]:
                self._save(path)
            case _:
                self._show_status()

    def close(self) -> None:
        """Free the model, the sandbox and the store."""
        self._context.close()

    # Settings.

    @property
    def _settings(self) -> Settings:
        return resolve_settings(self._flags).settings

    def _set(self, line: Common) -> None:
        """Use given settings from now on."""
        flags = dict(self._flags)
        for name in ("model", "retries", "style"):
            value = getattr(line, name, None)
            if value is not None:
                flags[name] = value
        flags |= line.sampling
        resolve_settings(flags)  # refuses a wrong value before anything changes
        changed = flags != self._flags
        self._flags = flags
        if line.run is not None and isinstance(line, ManageLine):
            self._run = line.run
        if line.values is not None:
            self._values = line.values
        if line.session is not None and line.session != self._name:
            self._begin(self._find(line.session), line.session)
        if changed and self._session is not None:
            settings = session_settings(self._settings)
            self._session = self._context.store.update(replace(self._session, settings=settings))

    def _variables_shown(self) -> tuple[tuple[str, str], ...] | None:
        """What the prompt of a step shows of the kernel's variables.

        By default those that the code of the program does not determine.
        """
        if self._values is False:
            return ()
        only = None if self._values else {*self._carried.names, *self._carried.left_out}
        if only is not None and not only:
            return None
        return describe_variables(self._shell.user_ns, hidden=self._shell.user_ns_hidden, only=only)

    # The session.

    @property
    def _operations(self) -> Operations:
        return Operations(self._context.synthesizer(self._settings))

    def _find(self, name: str) -> Session | None:
        """The session of that name or id; None if there is none."""
        store = self._context.store
        for each in store.list():
            if name in (each.id, each.name):
                return store.load(each.id)
        return None

    def _begin(self, session: Session | None, name: str | None = None) -> None:
        """Continue a session; None for a new one."""
        self._session, self._name = session, name
        self._prompt_cells.clear()
        self._code_cells.clear()
        self._given.clear()
        self._unclaimed = list(range(len(session.path()))) if session is not None else []

    def _open_session(self) -> Session:
        """The session as it is in the store now, or a new one."""
        synthesizer = self._context.synthesizer(self._settings)
        if self._session is None:
            settings = session_settings(self._settings)
            self._session = synthesizer.new_session(settings, name=self._name)
        else:
            self._session = self._context.store.load(self._session.id)
        self._session = synthesizer.adopt(self._session)
        return self._session

    def _forget_empty(self, session: Session) -> None:
        """Delete a session whose first turn was not saved."""
        if self._session is not None and not self._session.turns:
            self._session = None
            with suppress(MultiturnError):
                self._context.store.delete(session.id)

    def _here(self) -> Session:
        if self._session is None:
            raise InputError("there is no turn yet", fix="write one with %%turn")
        return self._session

    # The cells of the person.

    def _add_cells(self) -> None:
        """Make steps of the cells that were run since the last turn."""
        pending, self._pending = self._pending, []
        for cell in pending:
            code = python_of(cell.source, self._shell.transform_cell) if cell.succeeded else ""
            if code:
                self._add_cell(cell, code)

    def _add_cell(self, cell: ExecutedCell, code: str) -> None:
        session = self._here()
        path = session.path()
        place = self._place_of_code(cell, code)
        if place is None:
            if _is_earlier_version(session, code):
                return
            prompt, code = split_cell(code)
            self._put(prompt, code)
            place = len(self._here().path()) - 1
        else:
            turn = path[place]
            if turn.prompt != split_cell(code)[0] or stands_for(turn.code, code):
                code = code.removeprefix(as_comment(turn.prompt))
            else:
                _, code = split_cell(code)
            if place in self._unclaimed:
                self._unclaimed.remove(place)
            if code.strip() != turn.code.strip():
                self._change_code(turn, code)
        if cell.id is not None:
            self._code_cells[cell.id] = place
        self._follow_again()

    def _place_of_code(self, cell: ExecutedCell, code: str) -> int | None:
        """The place of the step that a cell with code is; None for a new one."""
        path = self._here().path()
        if cell.id is not None and self._code_cells.get(cell.id, len(path)) < len(path):
            return self._code_cells[cell.id]
        under = [at for at, turn in enumerate(path) if code.startswith(as_comment(turn.prompt))]
        if under:
            return max(under, key=lambda at: (len(path[at].prompt), at in self._unclaimed, at))
        prompt, own = split_cell(code)
        same = (
            at
            for at, turn in enumerate(path)
            if turn.prompt == prompt and stands_for(turn.code, own)
        )
        return next(same, None)

    def _change_code(self, turn: Turn, code: str) -> None:
        for number, candidate in enumerate(turn.candidates, start=1):
            if candidate.text.strip() == code.strip():
                self._session = self._operations.pick(self._here(), number, turn_id=turn.id)
                return
        self._put(turn.prompt, code, turn)

    def _put(self, prompt: str, code: str, turn: Turn | None = None) -> None:
        """Add a step with code that ran in the kernel, or give a step such code.

        Where it does not run in the sandbox, something stands in for it.
        """
        namespace = self._shell.user_ns
        bare, names = stand_in(code, namespace)
        barer, more_names = stand_in(code, namespace, imports=False)
        forms = [(code, None), (bare, names), (barer, more_names)]
        for at, (text, carried) in enumerate(forms):
            if carried is not None:
                self._carried.take(carried, namespace)
            if self._apply(prompt, text, turn, last=at == len(forms) - 1):
                break
        if at:
            self._say_what_is_carried(code, more_names)

    def _apply(self, prompt: str, code: str, turn: Turn | None, *, last: bool) -> bool:
        """Save the step, if the program runs with it or this is the last form of it."""
        session = self._here()
        if turn is None:
            events = self._operations.append(session, prompt, code)
        elif code.strip() == turn.code.strip():
            return turn.choice.finished or last
        else:
            events = self._operations.edit(session, code=code, turn_id=turn.id)
        for event in events:
            if isinstance(event, CandidateRan) and not event.candidate.finished and not last:
                return False
            if isinstance(event, TurnSaved):
                self._session = event.session
        return True

    def _say_what_is_carried(self, code: str, names: list[str]) -> None:
        """Say of a cell that does not run in the sandbox what steps after it get."""
        label = one_line(code.split("\n")[0], max_length=50)
        run = self._here().path()[-1].choice.run
        arrived = None if run is None or run.values is None else dict(run.values)
        given, lost = [], dict(self._carried.left_out)
        for name in (each for each in names if each in self._carried.names):
            if arrived is None or name in arrived or len(arrived) >= MAX_NAMES:
                given.append(name)
            else:
                package = type(self._shell.user_ns[name]).__module__.partition(".")[0]
                lost[name] = f"it needs {package}, which programs cannot import there"
        line = f"a cell does not run in the sandbox ({label})"
        if given:
            line += f"; steps get the value of {', '.join(given)} from the kernel"
        say(self._console, line)
        for name in names:
            if name in lost:
                say(
                    self._console,
                    f"{name} cannot be handed to the sandbox ({lost[name]}): "
                    "steps that use it are written, but do not run there",
                )

    # A turn.

    def _place_of(self, prompt: str | None, cell_id: str | None) -> int | None:
        """The place of the step that a cell with `%%turn` wrote before; None for a new one."""
        path = self._here().path()
        if cell_id is not None and self._prompt_cells.get(cell_id, len(path)) < len(path):
            return self._prompt_cells[cell_id]
        for at in self._unclaimed:
            if at < len(path) and path[at].prompt == prompt:
                self._unclaimed.remove(at)
                return at
        return None

    def _change(self, line: TurnLine, prompt: str | None, place: int | None) -> int | None:
        """Write or change a step; returns its place, or None if that was stopped."""
        session = self._here()
        examples = [read_expectation(words, session.language) for words in line.expect]
        path = session.path()
        if place is None and (line.changes or (prompt is None and examples)):
            place = path.index(turn_in_program(session))
        if place is None:
            if prompt is None:
                raise InputError("the turn is empty", fix="say what the next step should do")
            return self._write(line, prompt, examples)
        turn = path[place]
        reworded = prompt is not None and prompt != turn.prompt and not line.changes
        if reworded and not self._done(
            lambda cancel: self._operations.edit(
                session, prompt=prompt, turn_id=turn.id, cancel=cancel
            ),
            place,
            session.settings.sampling.n,
        ):
            return None
        for example in examples:
            at = self._here().path()[place].id
            self._done_with(example, at, place)
        if line.pick is not None:
            self._session = self._operations.pick(self._here(), line.pick, turn_id=turn.id)
        elif (line.retry or line.repair) and not self._write_again(line, turn, place):
            return None
        return place

    def _write(self, line: TurnLine, prompt: str, examples: list[Example]) -> int | None:
        session = self._here()
        sampling = sampling_of(resolve_settings(self._flags | line.sampling).settings)
        place = len(session.path())
        written = self._done(
            lambda cancel: self._operations.take_turn(
                session, prompt, examples=examples, sampling=sampling, cancel=cancel
            ),
            place,
            sampling.n,
        )
        return place if written else None

    def _write_again(self, line: TurnLine, turn: Turn, place: int) -> bool:
        session, operations = self._here(), self._operations
        count = line.n or session.settings.sampling.n
        if line.repair:
            return self._done(
                lambda cancel: operations.repair(session, turn_id=turn.id, cancel=cancel),
                place,
                count,
                first=len(turn.candidates),
            )
        return self._done(
            lambda cancel: operations.retry(
                session, line.n, line.temperature, turn_id=turn.id, cancel=cancel
            ),
            place,
            count,
            first=len(turn.candidates),
        )

    def _done_with(self, example: Example, turn_id: int, place: int) -> bool:
        session = self._here()
        return self._done(
            lambda cancel: self._operations.expect(
                session, example, turn_id=turn_id, cancel=cancel
            ),
            place,
            0,
        )

    def _done(self, begin: Events, place: int, candidates: int, *, first: int = 0) -> bool:
        """Follow the events of a change; whether it was saved."""
        path = self._here().path()
        before = path[place - 1].choice.run if place else None
        saved = show_events(
            self._console,
            begin,
            candidates=candidates,
            first=first,
            before="" if before is None else before.stdout,
        )
        if saved is not None:
            self._session = saved.session
        return saved is not None

    def _follow_again(self) -> None:
        """Let the steps after a changed one follow it, with the code that they have."""
        while self._session is not None and self._session.stale:
            for event in self._operations.follow_again(self._session):
                if isinstance(event, TurnSaved):
                    self._session = event.session

    def _give(self, line: TurnLine, place: int, *, known: bool) -> None:
        """Show a step, put it into the next cell, and run it if that is wanted.

        Args:
            line: the options.
            place: of the step.
            known: whether the step was there before. If it is as it was, so is its cell.
        """
        session = self._here()
        turn = session.path()[place]
        run = self._run if line.run is None else line.run
        text = cell_text(turn.prompt, turn.code)
        clear_output(self._shell)
        show_result(self._console, session, turn, position=place, ran=run and turn.choice.good)
        later = len(session.path()) - place - 1
        if later and line.changes:
            say(self._console, f"the steps after it ran again: {later}")
        if not turn.code.strip():
            return
        if run and not turn.choice.good:
            say(self._console, "not run in the kernel, because it is not good in the sandbox")
        elif run and not self._shell.run_cell(text).success:
            say(
                self._console,
                "it ran in the sandbox, but failed in the kernel: run the cells above",
            )
        if not known or line.changes or self._given.get(place, text) != text:
            if known or place in self._given:
                say(self._console, "its code is in a new cell; delete the one from before")
            self._shell.set_next_input(text)
        else:
            say(self._console, f"as before; `%turn --pick {turn.chosen + 1}` gives its cell again")
        self._given[place] = text

    # The commands of `%multiturn`.

    def _show_status(self) -> None:
        settings, engine = self._settings, self._context.loaded
        loaded = "not loaded yet" if engine is None else engine.info.engine
        say(self._console, f"model: {settings.model} ({loaded}); candidates per turn: {settings.n}")
        session = self._session
        name = self._name or "new" if session is None else f"{session.name} ({session.id})"
        count = 0 if session is None else len(session.path())
        say(self._console, f"session: {name}; turns: {count}")
        if session is not None:
            say(self._console, f"sandbox: {self._context.sandbox(settings).isolation.value}")
        shown = {None: "those that the code does not give", True: "all", False: "none"}
        say(self._console, f"variables in the prompt: {shown[self._values]}")
        say(self._console, f"steps run in the kernel: {'yes' if self._run else 'no'}")
        if self._carried.names:
            say(self._console, f"handed to the sandbox: {', '.join(self._carried.names)}")

    def _show_turns(self) -> None:
        session, before = self._here(), ""
        for turn in session.path():
            show_turn(self._console, session, turn, before=before)
            before = turn.choice.run.stdout if turn.choice.run is not None else ""

    def _undo(self) -> None:
        session = self._here()
        turn = turn_in_program(session)
        self._session = self._context.store.move(session, turn.parent)
        count = len(self._session.path())
        for places in (self._prompt_cells, self._code_cells):
            for cell_id in [each for each, place in places.items() if place >= count]:
                del places[cell_id]
        self._given.pop(count, None)
        say(self._console, f"undid: {one_line(turn.prompt, max_length=60)}")
        say(self._console, "delete its cell; the variables of the kernel are as the step left them")

    def _new(self) -> None:
        self._begin(None)
        self._pending.clear()
        say(self._console, "the next turn starts a new session")

    def _open(self, name: str) -> None:
        session = self._context.store.find(name)
        self._begin(session, session.name)
        say(self._console, f"{session.name} ({session.id}), {len(session.path())} turns")

    def _save(self, path: str) -> None:
        place = Path(path).expanduser()
        again = "overwrote" if place.exists() else "saved"
        export_session(self._here(), place)
        say(self._console, f"{again} {place}")

    def _show_sessions(self) -> None:
        summaries = self._context.store.list()
        if not summaries:
            say(self._console, "no sessions yet")
        for each in summaries[:20]:
            updated = each.updated_at[:16].replace("T", " ")
            prompt = one_line(each.last_prompt or "-", max_length=50)
            say(self._console, f"{each.id}  {updated}  {each.turns} turns  {each.name}: {prompt}")


def _is_earlier_version(session: Session, code: str) -> bool:
    """Whether a cell is that of a turn which is no longer part of the program."""
    return any(
        cell_text(turn.prompt, candidate.text) == code.rstrip()
        for turn in session.turns.values()
        for candidate in turn.candidates
    )
