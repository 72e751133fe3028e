"""One dialogue led to its end: its texts asked of the engine, its programs run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import TypeVar

from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.benchmarks.runner.generation_cache import GenerationCache
from multiturn.benchmarks.runner.output import OutputMeter
from multiturn.benchmarks.runner.samples import SampleKey
from multiturn.benchmarks.runner.seeds import generation_seed
from multiturn.benchmarks.runner.utilization import UtilizationMeter
from multiturn.benchmarks.solver import (
    Action,
    Execute,
    Generate,
    Reply,
    Solution,
    Solver,
    run_solver,
)
from multiturn.core.errors import ContextOverflowError, EngineError, SandboxUnavailableError
from multiturn.engines.protocol import (
    Completion,
    Engine,
    FinishReason,
    Request,
    Timings,
)
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = [
    "OUT_OF_WINDOW",
    "SampleRunner",
    "SampleTrace",
    "StoppedError",
    "empty_completion",
    "with_retries",
]

OUT_OF_WINDOW = "context window"
"""What a step says that it was cut by where the model's window was full."""

MOST_TRIES = 3
"""How often a request, or a program, is tried where engine or sandbox fail."""

FIRST_PAUSE = 0.2
"""Seconds before the second try; doubled before each further one."""

_T = TypeVar("_T")


class StoppedError(Exception):
    """The run is being stopped; what was under way is dropped."""


@dataclass(frozen=True, slots=True)
class SampleTrace:
    """A dialogue that came to its end, and what it took."""

    solution: Solution
    engine_seconds: float
    sandbox_seconds: float
    cached_tokens: int


class SampleRunner:
    """Leads dialogues. Safe to use from several threads, one dialogue in each.

    Args:
        engine: writes.
        sandbox: runs what a dialogue wants run before it goes on.
        limits: of such a program.
        gauge: is told of each request.
        meter: is told of each text, and of its pieces as they come.
        stop: once set, texts under way are given up, and `StoppedError` is raised.
    """

    def __init__(
        self,
        engine: Engine,
        sandbox: Sandbox,
        limits: Limits,
        utilization: UtilizationMeter,
        meter: OutputMeter,
        stop: Flag,
    ) -> None:
        self._engine = engine
        self._sandbox = sandbox
        self._limits = limits
        self._utilization = utilization
        self._meter = meter
        self._stop = stop

    def run(
        self,
        solver: Solver,
        key: SampleKey,
        sampling: SampleSettings,
        session: str,
        turns: GenerationCache,
    ) -> SampleTrace:
        """Lead one dialogue to its end.

        Args:
            solver: a fresh generator.
            key: the sample that it is for; the seeds depend on it.
            sampling: how its texts are drawn.
            session: a name for what the engine may keep between the dialogue's texts.
            turns: texts that were written at an earlier time; new ones are added.

        Raises:
            StoppedError: the run is being stopped.
            EngineError, SandboxUnavailableError: trying again did not help.
        """
        asks = cached = 0
        seconds = {Generate: 0.0, Execute: 0.0}

        def reply(action: Action) -> Reply:
            nonlocal asks, cached
            if self._stop.is_set():
                raise StoppedError
            began = time.perf_counter()
            answer: Reply
            if isinstance(action, Generate):
                request = Request(
                    prompt=action.prompt,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=action.max_tokens,
                    stop=action.stop,
                    seed=generation_seed(sampling.seed, key.item, key.sample, asks),
                    session=session,
                )
                answer = self._kept_or_written(request, key, asks, turns)
                asks += 1
                cached += answer.cached_tokens
            else:
                program = Program(source=action.source, seed=0)
                answer = with_retries(lambda: self._sandbox.run(program, self._limits), self._stop)
            seconds[type(action)] += time.perf_counter() - began
            return answer

        solution = run_solver(solver, reply)
        return SampleTrace(solution, seconds[Generate], seconds[Execute], cached)

    def _kept_or_written(
        self, request: Request, key: SampleKey, ask: int, turns: GenerationCache
    ) -> Completion:
        kept = turns.find(key, ask, request)
        if kept is not None:
            self._meter.kept()
            return kept
        completion = self._write(request)
        turns.keep(key, ask, request, completion)
        return completion

    def _write(self, request: Request) -> Completion:
        """The completion of a request, and of one that outgrows the window what fits into it."""
        try:
            return self._complete(request)
        except ContextOverflowError:
            prompt_tokens = self._engine.count_tokens(request.prompt)
            room = self._engine.info.context_window - prompt_tokens
            if room >= request.max_tokens:
                raise
        if room <= 0:
            return _empty_completion(prompt_tokens, OUT_OF_WINDOW)
        completion = self._complete(replace(request, max_tokens=room))
        if completion.finish_reason is FinishReason.LENGTH:
            completion = replace(completion, cut_by=OUT_OF_WINDOW)
        return completion

    def _complete(self, request: Request) -> Completion:
        def once() -> Completion:
            with self._utilization.request(), self._meter.turn() as turn:
                for event in self._engine.stream(request, cancel=self._stop):
                    if isinstance(event, Completion):
                        if event.finish_reason is not FinishReason.CANCELLED:
                            turn.tokens = len(event.tokens)
                        return event
                    turn.add(event.text)
            raise EngineError("the engine ended without a completion")

        completion = with_retries(once, self._stop)
        if completion.finish_reason is FinishReason.CANCELLED:
            raise StoppedError
        return completion


def with_retries(action: Callable[[], _T], stop: Flag) -> _T:
    """Do something that engine or sandbox may fail at for a moment, a few times if need be.

    The same request gives the same text and the same program does the same, so that nothing
    is counted twice.

    Raises:
        EngineError, SandboxUnavailableError: it failed each time.
        StoppedError: the run was stopped meanwhile.
    """
    for attempt in range(MOST_TRIES):
        try:
            return action()
        except (EngineError, SandboxUnavailableError) as error:
            if stop.is_set():
                raise StoppedError from error
            if attempt == MOST_TRIES - 1:
                raise
        stop.wait(FIRST_PAUSE * 2**attempt)
    raise AssertionError("not reached")


def empty_completion() -> Completion:
    """A completion without text, for going through a dialogue without an engine."""
    return _empty_completion(0, None)


def _empty_completion(prompt_tokens: int, cut_by: str | None) -> Completion:
    return Completion(
        index=0,
        text="",
        raw_text="",
        cut_by=cut_by,
        finish_reason=FinishReason.LENGTH if cut_by else FinishReason.END_OF_TEXT,
        tokens=(),
        logprobs=None,
        text_tokens=0,
        prompt_tokens=prompt_tokens,
        cached_tokens=0,
        timings=Timings(0.0, 0.0),
    )
