"""The loop of a turn: prompt, candidates, runs of the program so far, choice."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag
from threading import Thread

from multiturn.core.errors import ContextOverflowError, InputError
from multiturn.engines.protocol import Completion, Delta, Engine, Event, Request
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.candidates import (
    DistinctCandidates,
    TurnRequest,
    failure_feedback,
    make_candidate,
)
from multiturn.synthesis.checks import checks_from, checks_request
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
from multiturn.synthesis.execution import Execution, run_program, run_programs
from multiturn.synthesis.feed import Feed
from multiturn.synthesis.headers import resolve_header
from multiturn.synthesis.program_text import program_text
from multiturn.synthesis.prompts import (
    FailedAttempt,
    FinishedTurn,
    PromptStyle,
    choose_style,
)
from multiturn.synthesis.ranking import best_candidate
from multiturn.synthesis.records import (
    Candidate,
    Example,
    GenerationInfo,
    ProgramRun,
    Sampling,
    Session,
    SessionSettings,
    Turn,
)
from multiturn.synthesis.store import SessionStore
from multiturn.synthesis.turn_text import validate_code, validate_turn

__all__ = [
    "CandidateRan",
    "CandidateRepeated",
    "CandidateWritten",
    "HistoryDropped",
    "LoopEvent",
    "Retrying",
    "Synthesizer",
    "TextWritten",
    "TurnCancelled",
    "TurnSaved",
]

Found = Generator[LoopEvent, None, DistinctCandidates | None]
"""Yields events, returns the candidates; None if cancelled."""


@dataclass(frozen=True, slots=True)
class _Ran:
    """The run of the program with a candidate."""

    index: int
    candidate: Candidate
    program: str
    execution: Execution


class Synthesizer:
    """Writes programs with an engine, a sandbox and a store.

    Sessions are immutable: each method that changes one returns the new record, or gives it in
    `TurnSaved.session`, after it has been written to disk.

    Args:
        engine: generates the steps. This class does not close it, nor the sandbox or the store.
        sandbox: runs the program so far.
        store: saves the sessions.
        model: the name or path to open the model again; recorded in sessions.
    """

    def __init__(
        self, engine: Engine, sandbox: Sandbox, store: SessionStore, *, model: str | None = None
    ) -> None:
        self.engine = engine
        self.sandbox = sandbox
        self.store = store
        self.model = model or engine.info.model

    def new_session(
        self, settings: SessionSettings | None = None, *, name: str | None = None
    ) -> Session:
        """A new session; resolves the style and the header for this model and sandbox.

        Raises:
            InputError: the model does not support the style, the header does not run, or the
                name is invalid.
        """
        settings = settings or SessionSettings()
        style = choose_style(self.engine.info, settings.style)
        header = resolve_header(settings.header, style.name, self.sandbox)
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
        cancel: Flag | None = None,
    ) -> Iterator[LoopEvent]:
        """Write the next step after the current turn.

        Args:
            session: the latest record.
            prompt: what this step should do, in plain language.
            sampling: for this turn only; by default that of the session.
            examples: what the step must give; they rank candidates and trigger retries.
            verbatim: keep blank space at the ends of the prompt.
            cancel: set it from any thread to stop soon; `TurnCancelled` is the last event.
                Closing the iterator discards the turn as well.

        Raises:
            InputError: the turn is empty, too long, or has control characters.
            ContextOverflowError: the history does not fit the context window; names the options.
            EngineError, SandboxUnavailableError, StoreError, StorageError: the engine, the
                sandbox or the store failed. The stored session is unchanged.
        """
        request = TurnRequest(
            session=session,
            style=self._style(session),
            history=_steps(session.path()),
            values=_values_after(session.turn),
            prompt=validate_turn(prompt, verbatim=verbatim),
            examples=tuple(examples),
            sampling=sampling or session.settings.sampling,
            cancel=cancel,
        )
        return self._take_turn(request)

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

    def _again(
        self, session: Session, turn: Turn, sampling: Sampling, cancel: Flag | None
    ) -> TurnRequest:
        """The request for more candidates of a turn."""
        unused = turn.first_unused_seed - sampling.seed
        return TurnRequest(
            session=session,
            style=self._style(session),
            history=_steps(session.path(turn.id)[:-1]),
            values=_values_after(None if turn.parent is None else session.find(turn.parent)),
            prompt=turn.prompt,
            examples=turn.examples,
            sampling=sampling.with_seed_offset(max(unused, 0)),
            cancel=cancel,
        )

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
        message = message or failure_feedback(turn.choice, turn.examples)
        if sampling is None:
            sampling = session.settings.sampling.for_retry()
        request = self._again(session, turn, sampling, cancel)
        return self._retry(request, turn, FailedAttempt(turn.code, message))

    def expect(
        self, session: Session, example: Example, *, turn_id: int | None = None
    ) -> Iterator[LoopEvent]:
        """Add an example to a turn, run its candidates with it, and choose the best.

        Raises:
            InputError: there is no turn yet.
        """
        turn = _turn_at(session, turn_id, "to expect something of")
        return self._expect(session, replace(turn, examples=(*turn.examples, example)))

    def apply_again(self, session: Session, turns: Sequence[Turn]) -> Iterator[LoopEvent]:
        """Add turns after the current one, with the code that they have, and run each."""
        for turn in turns:
            candidate = replace(turn.choice, run=None, examples_passed=(), copies=1)
            index = 0
            steps = [(step.prompt, step.code) for step in _steps(session.path())]
            program = program_text(session.header, [*steps, (turn.prompt, turn.code)])
            yield CandidateWritten(index, candidate)
            limits = session.settings.limits
            for ran in run_programs(self.sandbox, [program], turn.examples, limits):
                candidate = replace(candidate, run=ran.run, examples_passed=ran.examples_passed)
            yield CandidateRan(index, candidate, program)
            session = self.store.add_turn(
                session, turn.prompt, [candidate], chosen=0, examples=turn.examples
            )
            yield _saved(session)

    def edit(
        self, session: Session, code: str, *, turn_id: int | None = None
    ) -> Iterator[LoopEvent]:
        """Add the person's own code as a candidate of the turn, run it, and choose it.

        Raises:
            InputError: there is no turn yet, or the code is empty, too long, or has control
                characters.
        """
        turn = _turn_at(session, turn_id, "to edit")
        return self._edit(session, turn, validate_code(code))

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
        return run_program(self.sandbox, session.program(), session.settings.limits)

    def _style(self, session: Session) -> PromptStyle:
        stop = session.settings.strategy.comment_stop
        return choose_style(self.engine.info, session.style, stop)

    # The phases of a turn, each a generator of events.

    def _take_turn(self, request: TurnRequest) -> Iterator[LoopEvent]:
        found = yield from self._candidates(request, known=())
        if found is None:
            yield TurnCancelled()
            return
        session = self.store.add_turn(
            request.session,
            request.prompt,
            found.new,
            chosen=found.chosen() or 0,
            examples=request.examples,
        )
        yield _saved(session)

    def _retry(
        self, request: TurnRequest, turn: Turn, failure: FailedAttempt | None = None
    ) -> Iterator[LoopEvent]:
        found = yield from self._candidates(request, known=turn.candidates, failure=failure)
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
        if failure is not None and not turn.choice.good and session.turn is not None:
            # A repair that made it worse is there to be looked at, and the code stays.
            best = best_candidate(session.turn.candidates, request.strategy.choose)
            session = self.store.choose(session, session.turn.id, best)
        yield _saved(session)

    def _edit(self, session: Session, turn: Turn, code: str) -> Iterator[LoopEvent]:
        index = len(turn.candidates)
        candidate = Candidate(text=code, raw_text=code, origin="person")
        yield CandidateWritten(index, candidate)
        steps = [(step.prompt, step.code) for step in _steps(session.path(turn.id)[:-1])]
        program = program_text(session.header, [*steps, (turn.prompt, code)])
        for ran in run_programs(self.sandbox, [program], turn.examples, session.settings.limits):
            candidate = replace(candidate, run=ran.run, examples_passed=ran.examples_passed)
        yield CandidateRan(index, candidate, program)
        yield _saved(self.store.add_candidates(session, turn.id, [candidate], chosen=0))

    def _expect(self, session: Session, turn: Turn) -> Iterator[LoopEvent]:
        steps = [(step.prompt, step.code) for step in _steps(session.path(turn.id)[:-1])]
        programs = [
            program_text(session.header, [*steps, (turn.prompt, candidate.text)])
            for candidate in turn.candidates
        ]
        candidates = list(turn.candidates)
        limits = session.settings.limits
        for ran in run_programs(self.sandbox, programs, turn.examples, limits):
            candidates[ran.index] = replace(
                candidates[ran.index], run=ran.run, examples_passed=ran.examples_passed
            )
            yield CandidateRan(ran.index, candidates[ran.index], programs[ran.index])
        chosen = turn.chosen
        if not candidates[chosen].good:  # a person's choice stays where it is right
            chosen = best_candidate(candidates, session.settings.strategy.choose)
        turn = replace(turn, candidates=tuple(candidates), chosen=chosen)
        yield _saved(self.store.revise(session, turn))

    def _candidates(
        self,
        request: TurnRequest,
        *,
        known: Sequence[Candidate],
        failure: FailedAttempt | None = None,
    ) -> Found:
        """Generate and run candidates; if none is good, again, as often as the session allows."""
        strategy = request.strategy
        found = DistinctCandidates(known, strategy.choose)
        if strategy.checks:
            request = replace(request, checks=self._checks(request))
        max_retries = request.session.settings.retries
        n = request.sampling.n
        for attempt in range(max_retries + 1):
            first = len(known) + attempt * n
            again = replace(request, sampling=request.sampling.with_seed_offset(attempt * n))
            try:
                for offset, wave in enumerate(_waves(again)):
                    if strategy.agree and found.agreeing() >= strategy.agree:
                        break
                    completed = yield from self._write_and_run(
                        wave, failure, found, first=first + offset
                    )
                    if not completed:
                        return None
            except ContextOverflowError:
                if failure is None or attempt == 0:
                    raise
                break  # the feedback does not fit beside the history
            best = found.best()
            if best.good or attempt == max_retries:
                break
            message = failure_feedback(best, request.examples)
            if strategy.retry == "feedback":
                failure = FailedAttempt(best.text, message)
            yield Retrying(attempt + 1, max_retries, message)
        return found

    def _checks(self, request: TurnRequest) -> tuple[Example, ...]:
        """Checks of the step, written by the model; none if their prompt does not fit."""
        count = request.strategy.checks
        prompt = request.style.render(
            request.session.header, request.history, checks_request(request.prompt, count)
        )
        sampling = replace(request.sampling, n=1)
        try:
            events = self.engine.stream(_engine_request(request, prompt, sampling))
            written = [event for event in events if isinstance(event, Completion)]
        except ContextOverflowError:
            return ()
        text = request.style.clean(written[0].text, request.history) if written else ""
        return checks_from(text, count)

    def _write_and_run(
        self,
        request: TurnRequest,
        failure: FailedAttempt | None,
        found: DistinctCandidates,
        *,
        first: int,
    ) -> Generator[LoopEvent, None, bool]:
        """Generate candidates, and run the program with each while the others are written.

        Args:
            request: the step.
            failure: of the attempt before.
            found: collects the candidates.
            first: the index of the first one.

        Returns:
            Whether all ran; False if cancelled.
        """
        dropped, prompt = self._fitting_prompt(request, failure)
        if dropped:
            yield HistoryDropped(dropped, len(request.history))
        info = self.engine.info
        generation = GenerationInfo(
            engine=info.engine,
            model=info.model,
            weights_sha256=info.weights_sha256,
            style=request.style.name,
            sampling=request.sampling,
            prompt_sha256=hashlib.sha256(prompt.encode("utf-8")).hexdigest(),
            history_dropped=dropped,
        )
        stop = Flag()
        feed: Feed[Event | _Ran] = Feed(request.cancel)
        writing: Thread | None = None
        try:
            engine_request = _engine_request(request, prompt, request.sampling)
            stream = self.engine.stream(engine_request, cancel=stop)
            writing = feed.add(stream)
            for event in feed:
                if isinstance(event, Delta):
                    yield TextWritten(first + event.index, event.text)
                elif isinstance(event, Completion):
                    index = first + event.index
                    candidate = make_candidate(
                        request, event, generation, repair=failure is not None
                    )
                    equal = found.add(index, candidate)
                    if equal is not None:
                        yield CandidateRepeated(index, equal)
                        continue
                    feed.add(self._run(request, index, candidate, stop))
                    yield CandidateWritten(index, candidate)
                else:
                    ran = found.set_run(event.candidate, event.execution)
                    yield CandidateRan(event.index, ran, event.program)
        except ContextOverflowError as error:
            raise _overflow(error) from error
        finally:
            stop.set()
            if writing is not None:
                writing.join()  # within about a token; a program ends at its limits at the latest
        return not _is_set(request.cancel)

    def _run(
        self, request: TurnRequest, index: int, candidate: Candidate, stop: Flag
    ) -> Iterator[_Ran]:
        program = request.program(candidate.text)
        limits = request.session.settings.limits
        for execution in run_programs(
            self.sandbox, [program], request.examples, limits, stop, checks=request.checks
        ):
            yield _Ran(index, candidate, program, execution)

    def _fitting_prompt(
        self, request: TurnRequest, failure: FailedAttempt | None
    ) -> tuple[int, str]:
        """How many of the oldest turns are omitted, if the session allows it, and the prompt."""
        header, history = request.session.header, request.history
        window = self.engine.info.context_window - request.sampling.max_tokens
        for dropped in range(len(history) + 1):
            prompt = request.style.render(
                header, history[dropped:], request.prompt, failure, request.notes
            )
            if request.session.settings.history == "whole":
                return 0, prompt
            tokens = self.engine.count_tokens(prompt, parse_special=request.style.parse_special)
            if tokens <= window:
                return dropped, prompt
        # Not even the turn alone fits: the engine reports the numbers.
        return 0, request.style.render(header, history, request.prompt, failure, request.notes)


def _waves(request: TurnRequest) -> Iterator[TurnRequest]:
    """The request in the parts that are written one after the other."""
    sampling = request.sampling
    if not request.strategy.agree:
        yield request
        return
    others = (
        sampling.temperature if sampling.other_temperature is None else (sampling.other_temperature)
    )
    for offset in range(sampling.n):
        one = replace(sampling.with_seed_offset(offset), n=1)
        yield replace(request, sampling=one if offset == 0 else one.with_one_temperature(others))


def _engine_request(request: TurnRequest, prompt: str, sampling: Sampling) -> Request:
    others = sampling.other_temperature
    return Request(
        prompt=prompt,
        n=sampling.n,
        temperature=sampling.temperature if others is None else others,
        first_temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        stop=request.style.stop,
        seed=sampling.seed,
        logprobs=True,
        parse_special=request.style.parse_special,
        session=request.session.id,
    )


def _overflow(error: ContextOverflowError) -> ContextOverflowError:
    return ContextOverflowError(
        error.what,
        got=error.got,
        allowed=error.allowed,
        fix="undo some turns, shorten the prompt, open the model with a larger --context, or omit "
        "the oldest turns with --history drop-oldest",
    )


def _turn_at(session: Session, turn_id: int | None, purpose: str) -> Turn:
    if turn_id is not None:
        return session.find(turn_id)
    if session.turn is None:
        raise InputError(f"there is no turn {purpose}", fix="say what the first step should do")
    return session.turn


def _saved(session: Session) -> TurnSaved:
    assert session.turn is not None  # the store moves to the turn that it has just saved
    return TurnSaved(session, session.turn)


def _steps(turns: Sequence[Turn]) -> tuple[FinishedTurn, ...]:
    return tuple(FinishedTurn(turn.prompt, turn.code) for turn in turns)


def _values_after(turn: Turn | None) -> tuple[tuple[str, str], ...] | None:
    """The values that a turn left; none before the first."""
    if turn is None:
        return ()
    return None if turn.choice.run is None else turn.choice.run.values


def _is_set(flag: Flag | None) -> bool:
    return flag is not None and flag.is_set()
