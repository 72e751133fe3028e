"""The loop of a turn: prompt, candidates, their runs, choice; what a person does with a turn."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from threading import Event as Flag

from multiturn.core.errors import InputError
from multiturn.engines.protocol import Engine
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.candidate_writer import CandidateWriter
from multiturn.synthesis.candidates import TurnRequest, failing_line, failure_feedback
from multiturn.synthesis.events import (
    CandidateRan,
    CandidateWritten,
    LoopEvent,
    TurnCancelled,
    TurnSaved,
)
from multiturn.synthesis.execution import Execution, run_program, run_programs
from multiturn.synthesis.headers import resolve_header
from multiturn.synthesis.prompts import FailedAttempt, FinishedTurn, PromptStyle, choose_style
from multiturn.synthesis.ranking import best_candidate
from multiturn.synthesis.records import (
    Candidate,
    Example,
    ProgramRun,
    Sampling,
    Session,
    SessionSettings,
    Turn,
)
from multiturn.synthesis.store import SessionStore
from multiturn.synthesis.turn_text import validate_code, validate_turn
from multiturn.text.languages import language

__all__ = ["Synthesizer"]


class Synthesizer:
    """Writes programs with an engine, a sandbox and a store.

    Sessions are immutable: each method that changes one returns the new record, or gives it in
    `TurnSaved.session`, after it has been written to disk.

    Args:
        engine: generates the steps. This class does not close it, nor the sandbox or the store.
        sandbox: runs the program so far.
        store: saves the sessions.
        model: the name or path to open the model again; recorded in sessions.
        variables: gives names and values outside the program, such as those of a notebook's
            kernel, that the prompt of each step shows; or None where it shows what
            `Strategy.shown` says.
    """

    def __init__(
        self,
        engine: Engine,
        sandbox: Sandbox,
        store: SessionStore,
        *,
        model: str | None = None,
        variables: Callable[[], tuple[tuple[str, str], ...] | None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.sandbox = sandbox
        self.store = store
        self.model = model or engine.info.model
        self._writer = CandidateWriter(engine, sandbox)
        self._variables = variables

    def new_session(
        self, settings: SessionSettings | None = None, *, name: str | None = None
    ) -> Session:
        """A new session; resolves the style and the header for this model and sandbox.

        Raises:
            InputError: the model does not support the style, the header does not run, the tools
                of the language are not installed, or the name is invalid.
            MissingDependencyError: the package of the language's grammar is not installed.
        """
        settings = settings or SessionSettings()
        style = choose_style(self.engine.info, settings.style)
        written_in = language(settings.language)
        header = resolve_header(settings.header, style.name, self.sandbox, written_in)
        return self.store.create(
            name=name, model=self.model, style=style.name, header=header, settings=settings
        )

    def adopt(self, session: Session) -> Session:
        """Continue a session of another model: records this one and resolves an auto style again.

        Programs and earlier turns are unchanged.
        """
        style = choose_style(self.engine.info, session.settings.style)
        if (session.model, session.style) == (self.model, style.name):
            return session
        return self.store.update(replace(session, model=self.model, style=style.name))

    def take_turn(
        self,
        session: Session,
        prompt: str,
        *,
        sampling: Sampling | None = None,
        examples: Sequence[Example] = (),
        verbatim: bool = False,
        later: Sequence[int] = (),
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write the next step after the current turn.

        Args:
            session: the latest record.
            prompt: what this step should do, in plain language.
            sampling: for this turn only; by default that of the session.
            examples: what the step must give; they rank candidates and trigger retries.
            verbatim: keep blank space at the ends of the prompt.
            later: as in `Turn`.
            cancel: set it from any thread to stop soon; `TurnCancelled` is the last event.
                Closing the iterator discards the turn as well.

        Raises:
            InputError: the turn is empty, too long, or has control characters; or an example has
                an expression, and the language's values cannot be read.
            ContextOverflowError: the history does not fit the context window; names the options.
            EngineError, SandboxUnavailableError, StoreError, StorageError: the engine, the
                sandbox or the store failed. The stored session is unchanged.
        """
        for example in examples:
            example.check_language(session.language)
        request = TurnRequest(
            session=session,
            style=self._style(session),
            history=_steps(session.path()),
            previous=session.turn,
            prompt=validate_turn(prompt, verbatim=verbatim),
            examples=tuple(examples),
            sampling=sampling or session.settings.sampling,
            cancel=cancel,
            variables=self._variables(),
        )
        return self._take_turn(request, later)

    def retry(
        self,
        session: Session,
        *,
        turn_id: int | None = None,
        sampling: Sampling | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Generate more candidates for the current turn, or `turn_id`, with new seeds.

        The best of the new ones is chosen, because the person wanted something else; where all
        repeat candidates of the turn, the choice stays. Indices in events continue from the
        candidates of the turn. Without `sampling`, it is `Sampling.for_retry` of the session's.

        Raises:
            InputError: there is no turn yet; and what `take_turn` raises.
        """
        turn = _turn_at(session, turn_id, "to retry")
        if sampling is None:
            sampling = session.settings.sampling.for_retry()
        return self._retry(self._again(session, turn, sampling, cancel), turn)

    def repair(
        self,
        session: Session,
        message: str | None = None,
        *,
        turn_id: int | None = None,
        sampling: Sampling | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Like `retry`, with the code of the turn and what is wrong with it in the prompt.

        The best of all candidates is chosen, or the best new one where the code of the turn ran
        and does what is expected of it, so that only the person knows what is wrong.

        Args:
            session: the latest record.
            message: what is wrong; by default how the turn failed.
            turn_id: the turn; by default the current one.
            sampling: by default `Sampling.for_retry` of the session's.
            cancel: as in `take_turn`.

        Raises:
            InputError: there is no turn yet; and what `take_turn` raises.
        """
        turn = _turn_at(session, turn_id, "to repair")
        message = message or failure_feedback(
            turn.choice, turn.examples, failing_line(session.assembly(turn.id), turn.choice.run)
        )
        if sampling is None:
            sampling = session.settings.sampling.for_retry()
        request = self._again(session, turn, sampling, cancel)
        return self._retry(request, turn, FailedAttempt(turn.code, message))

    def expect(
        self,
        session: Session,
        example: Example,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Add an example to a turn, run its candidates with it, and choose the best.

        Raises:
            InputError: there is no turn yet.
        """
        turn = _turn_at(session, turn_id, "to expect something of")
        example.check_language(session.language)
        return self._expect(session, replace(turn, examples=(*turn.examples, example)), cancel)

    def expect_no_longer(
        self,
        session: Session,
        number: int,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Remove example `number`, from 1, of a turn; else like `expect`.

        Raises:
            InputError: there is no such example.
        """
        turn = _turn_at(session, turn_id, "to expect something of")
        if not 1 <= number <= len(turn.examples):
            raise InputError(
                "there is no such example", got=number, allowed=f"1 to {len(turn.examples)}"
            )
        examples = (*turn.examples[: number - 1], *turn.examples[number:])
        return self._expect(session, replace(turn, examples=examples), cancel)

    def apply_again(
        self,
        session: Session,
        turns: Sequence[Turn],
        *,
        later: Sequence[int] = (),
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Add turns after the current one, with the code that they have, and run each.

        Until they are added they are `Session.stale`, as the turns `later` are after them.
        """
        for place, turn in enumerate(turns):
            written = replace(turn.choice, run=None, examples_passed=(), copies=1)
            program = _program(session, session.path(), turn.prompt, turn.code)
            candidate = yield from self._run_candidate(session, turn, 0, written, program, cancel)
            if candidate is None:
                yield TurnCancelled()
                return
            session = self.store.add_turn(
                session,
                turn.prompt,
                [candidate],
                chosen=0,
                examples=turn.examples,
                later=(*(each.id for each in turns[place + 1 :]), *later),
            )
            yield _saved(session)

    def append(
        self,
        session: Session,
        prompt: str,
        code: str,
        *,
        examples: Sequence[Example] = (),
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Add the person's own step after the current turn, and run the program with it.

        Raises:
            InputError: a text is empty, too long, or has control characters.
        """
        code = validate_code(code)
        turn = Turn(
            id=0,
            parent=session.current,
            prompt=validate_turn(prompt),
            candidates=(Candidate(text=code, raw_text=code, origin="person"),),
            chosen=0,
            examples=tuple(examples),
        )
        return self.apply_again(session, [turn], cancel=cancel)

    def edit(
        self,
        session: Session,
        code: str,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Add the person's own code as a candidate of the turn, run it, and choose it.

        Raises:
            InputError: there is no turn yet, or the code is empty, too long, or has control
                characters.
        """
        turn = _turn_at(session, turn_id, "to edit")
        return self._edit(session, turn, validate_code(code), cancel)

    def reword(
        self,
        session: Session,
        prompt: str,
        code: str,
        *,
        turn_id: int | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Put a turn with another prompt and the person's own code in place of a turn.

        The turn stays as a branch, and the turns after it are `Session.stale`.

        Raises:
            InputError: as `take_turn` and `edit`.
        """
        turn = _turn_at(session, turn_id, "to reword")
        prompt, code = validate_turn(prompt), validate_code(code)
        return self._reword(session, turn, prompt, code, cancel)

    def rewrite(
        self,
        session: Session,
        prompt: str | None = None,
        *,
        turn_id: int | None = None,
        sampling: Sampling | None = None,
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write a turn in place of another one, from another prompt if there is one.

        The turn stays as a branch, and the turns after it are `Session.stale`.

        Raises:
            InputError: there is no turn yet; and what `take_turn` raises.
        """
        turn = _turn_at(session, turn_id, "to write again")
        return self.take_turn(
            session.at(turn.parent),
            turn.prompt if prompt is None else prompt,
            sampling=sampling,
            examples=turn.examples,
            later=session.following(turn.id),
            cancel=cancel,
        )

    def pick(self, session: Session, number: int, *, turn_id: int | None = None) -> Session:
        """Choose candidate `number`, from 1.

        Raises:
            InputError: there is no such candidate.
        """
        turn = _turn_at(session, turn_id, "to pick from")
        if not 1 <= number <= len(turn.candidates):
            raise InputError(
                "there is no such candidate",
                got=number,
                allowed=f"1 to {len(turn.candidates)}",
                fix="retry the turn for more candidates",
            )
        return self.store.choose(session, turn.id, number - 1)

    def undo(self, session: Session) -> Session:
        """Move to the turn before the current one, which stays as a branch.

        Raises:
            InputError: there is nothing to undo.
        """
        return self.store.move(session, _turn_at(session, None, "to undo").parent)

    def branch(self, session: Session, turn_id: int | None) -> Session:
        """Move to any turn (None: before the first); the next turn starts a branch there."""
        return self.store.move(session, turn_id)

    def run(self, session: Session) -> ProgramRun:
        """Run the program so far again."""
        return run_program(
            self.sandbox, session.program(), session.settings.limits, session.language
        )

    def _again(
        self, session: Session, turn: Turn, sampling: Sampling, cancel: Flag | None
    ) -> TurnRequest:
        """The request for more candidates of a turn."""
        unused = turn.first_unused_seed - sampling.seed
        return TurnRequest(
            session=session,
            style=self._style(session),
            history=_steps(session.path(turn.id)[:-1]),
            previous=None if turn.parent is None else session.find(turn.parent),
            prompt=turn.prompt,
            examples=turn.examples,
            sampling=sampling.with_seed_offset(max(unused, 0)),
            cancel=cancel,
            variables=self._variables(),
        )

    def _style(self, session: Session) -> PromptStyle:
        return choose_style(
            self.engine.info, session.style, session.settings.strategy, session.language
        )

    # The phases of a turn, each a generator of events.

    def _take_turn(self, request: TurnRequest, later: Sequence[int]) -> Iterator[LoopEvent]:
        found = yield from self._writer.write(request)
        if found is None:
            yield TurnCancelled()
            return
        session = self.store.add_turn(
            request.session,
            request.prompt,
            found.new,
            chosen=found.chosen() or 0,
            examples=request.examples,
            later=later,
        )
        yield _saved(session)

    def _retry(
        self, request: TurnRequest, turn: Turn, failure: FailedAttempt | None = None
    ) -> Iterator[LoopEvent]:
        found = yield from self._writer.write(request, known=turn.candidates, failure=failure)
        if found is None:
            yield TurnCancelled()
            return
        session = self.store.add_candidates(
            request.session,
            turn.id,
            found.new,
            chosen=found.chosen(),
            repeated=found.repeated,
        )
        saved = _changed(session, turn)
        if failure is not None and not turn.choice.good:
            # A repair that made it worse is there to be looked at, and the code stays.
            best = best_candidate(saved.candidates, request.strategy.choose)
            session = self.store.choose(session, saved.id, best)
            saved = _changed(session, saved)
        yield TurnSaved(session, saved)

    def _edit(
        self, session: Session, turn: Turn, code: str, cancel: Flag | None
    ) -> Iterator[LoopEvent]:
        index = len(turn.candidates)
        written = Candidate(text=code, raw_text=code, origin="person")
        program = _program(session, session.path(turn.id)[:-1], turn.prompt, code)
        candidate = yield from self._run_candidate(session, turn, index, written, program, cancel)
        if candidate is None:
            yield TurnCancelled()
            return
        yield _saved(self.store.add_candidates(session, turn.id, [candidate], chosen=0))

    def _reword(
        self, session: Session, turn: Turn, prompt: str, code: str, cancel: Flag | None
    ) -> Iterator[LoopEvent]:
        written = Candidate(text=code, raw_text=code, origin="person")
        program = _program(session, session.path(turn.id)[:-1], prompt, code)
        candidate = yield from self._run_candidate(session, turn, 0, written, program, cancel)
        if candidate is None:
            yield TurnCancelled()
            return
        yield _saved(
            self.store.add_turn(
                session.at(turn.parent),
                prompt,
                [candidate],
                chosen=0,
                examples=turn.examples,
                later=session.following(turn.id),
            )
        )

    def _run_candidate(
        self,
        session: Session,
        turn: Turn,
        index: int,
        candidate: Candidate,
        program: str,
        cancel: Flag | None,
    ) -> Generator[LoopEvent, None, Candidate | None]:
        """Run a program with a candidate that is there already.

        Returns:
            The candidate with its run; None if cancelled.
        """
        yield CandidateWritten(index, candidate)
        limits = session.settings.limits
        for ran in run_programs(
            self.sandbox, [program], turn.examples, limits, cancel, written_in=session.language
        ):
            candidate = _with_run(candidate, ran)
        if candidate.run is None or _is_set(cancel):
            return None
        yield CandidateRan(index, candidate, program)
        return candidate

    def _expect(self, session: Session, turn: Turn, cancel: Flag | None) -> Iterator[LoopEvent]:
        before = session.path(turn.id)[:-1]
        programs = [
            _program(session, before, turn.prompt, candidate.text) for candidate in turn.candidates
        ]
        candidates = list(turn.candidates)
        limits = session.settings.limits
        for ran in run_programs(
            self.sandbox, programs, turn.examples, limits, cancel, written_in=session.language
        ):
            candidates[ran.index] = _with_run(candidates[ran.index], ran)
            yield CandidateRan(ran.index, candidates[ran.index], programs[ran.index])
        if _is_set(cancel):
            yield TurnCancelled()
            return
        chosen = turn.chosen
        if not candidates[chosen].good:  # a person's choice stays where it is right
            chosen = best_candidate(candidates, session.settings.strategy.choose)
        turn = replace(turn, candidates=tuple(candidates), chosen=chosen)
        session = self.store.revise(session, turn)
        yield TurnSaved(session, _changed(session, turn))


def _turn_at(session: Session, turn_id: int | None, purpose: str) -> Turn:
    if turn_id is not None:
        return session.find(turn_id)
    if session.turn is None:
        raise InputError(f"there is no turn {purpose}", fix="say what the first step should do")
    return session.turn


def _changed(session: Session, turn: Turn) -> Turn:
    """A turn after a change: itself in the program so far, or the copy at its end."""
    path = session.path()
    return next((each for each in path if each.id == turn.id), path[-1])


def _saved(session: Session) -> TurnSaved:
    assert session.turn is not None  # the store moves to the turn that it has just saved
    return TurnSaved(session, session.turn)


def _steps(turns: Sequence[Turn]) -> tuple[FinishedTurn, ...]:
    return tuple(FinishedTurn(turn.prompt, turn.code) for turn in turns)


def _program(session: Session, before: Sequence[Turn], prompt: str, code: str) -> str:
    """The program of some turns and one more step."""
    steps = [(turn.prompt, turn.code) for turn in before]
    return session.program_of([*steps, (prompt, code)]).text


def _with_run(candidate: Candidate, ran: Execution) -> Candidate:
    return replace(candidate, run=ran.run, examples_passed=ran.examples_passed)


def _is_set(flag: Flag | None) -> bool:
    return flag is not None and flag.is_set()
