"""Writes the candidates of a step: the engine generates them, the sandbox runs the program so far.

A candidate runs while others are still written. Where none is good, others are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag
from threading import Thread

from multiturn.core.errors import ContextOverflowError
from multiturn.engines.protocol import Completion, Delta, Engine, Event, Request
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.candidates import (
    DistinctCandidates,
    TurnRequest,
    failing_line,
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
)
from multiturn.synthesis.execution import Execution, run_programs
from multiturn.synthesis.feed import Feed
from multiturn.synthesis.prompts import FailedAttempt
from multiturn.synthesis.records import Candidate, Example, GenerationInfo, Sampling

__all__ = ["CandidateWriter", "engine_request"]


@dataclass(frozen=True, slots=True)
class _Ran:
    """The run of the program with a candidate."""

    index: int
    candidate: Candidate
    program: str
    execution: Execution


class CandidateWriter:
    """Writes and runs candidates; saves nothing.

    Args:
        engine: generates.
        sandbox: runs the program so far with each.
    """

    def __init__(self, engine: Engine, sandbox: Sandbox) -> None:
        self._engine = engine
        self._sandbox = sandbox

    def write(
        self,
        request: TurnRequest,
        *,
        known: Sequence[Candidate] = (),
        failure: FailedAttempt | None = None,
    ) -> Generator[LoopEvent, None, DistinctCandidates | None]:
        """Write and run candidates; if none is good, again, as often as the session allows.

        Args:
            request: the step.
            known: candidates that the turn has already.
            failure: what the prompt says of an earlier attempt.

        Returns:
            The candidates; None if cancelled.

        Raises:
            ContextOverflowError: the history does not fit the context window; names the options.
            EngineError, SandboxUnavailableError: the engine or the sandbox failed.
        """
        strategy = request.strategy
        found = DistinctCandidates(known, strategy.choose)
        if strategy.checks and request.language.inspects:
            request = replace(request, checks=self._checks(request))
        max_retries = request.session.settings.retries
        n = request.sampling.n
        for attempt in range(max_retries + 1):
            first = len(known) + attempt * n
            again = replace(request, sampling=request.sampling.with_seed_offset(attempt * n))
            try:
                for wave in _waves(again):
                    if strategy.agree and found.agreeing() >= strategy.agree:
                        break
                    completed = yield from self._write_and_run(wave, failure, found, first=first)
                    if not completed:
                        return None
                    first += wave.sampling.n
            except ContextOverflowError:
                if failure is None or attempt == 0:
                    raise
                break  # the feedback does not fit beside the history
            best = found.best()
            if (best.good and not best.lacks) or attempt == max_retries:
                break
            line = failing_line(request.assembly(best.text), best.run)
            message = failure_feedback(best, request.examples, line)
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
            events = self._engine.stream(engine_request(request, prompt, sampling))
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
        """Write candidates, and run the program with each while the others are written.

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
        info = self._engine.info
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
            wanted = engine_request(request, prompt, request.sampling)
            stream = self._engine.stream(wanted, cancel=stop)
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
                    lacks = request.lacks(event.candidate.text, event.execution.run)
                    ran = found.set_run(event.candidate, event.execution, lacks)
                    yield CandidateRan(event.index, ran, event.program)
        except ContextOverflowError as error:
            raise _overflow(error) from error
        finally:
            stop.set()
            if writing is not None:
                writing.join()  # within about a token; a program ends at its limits at the latest
        return request.cancel is None or not request.cancel.is_set()

    def _run(
        self, request: TurnRequest, index: int, candidate: Candidate, stop: Flag
    ) -> Iterator[_Ran]:
        program = request.program(candidate.text)
        limits = request.session.settings.limits
        for execution in run_programs(
            self._sandbox,
            [program],
            request.examples,
            limits,
            stop,
            checks=request.checks,
            written_in=request.language,
        ):
            yield _Ran(index, candidate, program, execution)

    def _fitting_prompt(
        self, request: TurnRequest, failure: FailedAttempt | None
    ) -> tuple[int, str]:
        """How many of the oldest turns are omitted, if the session allows it, and the prompt."""
        header, history = request.session.header, request.history
        window = self._engine.info.context_window - request.sampling.max_tokens
        for dropped in range(len(history) + 1):
            prompt = request.style.render(
                header, history[dropped:], request.prompt, failure, request.notes
            )
            if request.session.settings.history == "whole":
                return 0, prompt
            tokens = self._engine.count_tokens(prompt, parse_special=request.style.parse_special)
            if tokens <= window:
                return dropped, prompt
        # Not even the turn alone fits: the engine reports the numbers.
        return 0, request.style.render(header, history, request.prompt, failure, request.notes)


def _waves(request: TurnRequest) -> Iterator[TurnRequest]:
    """The request in the parts that are written one after the other, `agree` candidates each."""
    sampling, size = request.sampling, request.strategy.agree
    if not size:
        yield request
        return
    others = (
        sampling.temperature if sampling.other_temperature is None else sampling.other_temperature
    )
    for offset in range(0, sampling.n, size):
        part = replace(sampling.with_seed_offset(offset), n=min(size, sampling.n - offset))
        yield replace(request, sampling=part.with_one_temperature(others) if offset else part)


def engine_request(request: TurnRequest, prompt: str, sampling: Sampling) -> Request:
    """The request to the engine for the candidates of a step."""
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
