"""Runs the solver of one sample: the engine generates, the sandbox executes."""

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
from multiturn.core.errors import (
    ContextOverflowError,
    EngineError,
    RetriesExhaustedError,
    SandboxUnavailableError,
)
from multiturn.core.retry import RetryPolicy, with_retries
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
    "retry_unless_stopped",
]

OUT_OF_WINDOW = "context window"
"""The `cut_by` of a generation that filled the context window."""

RETRIES = RetryPolicy(attempts=3, first_wait=0.2)
"""Attempts at a request or a program when the engine or the sandbox fails."""

_T = TypeVar("_T")


class StoppedError(Exception):
    """The run is stopping; work in progress is dropped."""


@dataclass(frozen=True, slots=True)
class SampleTrace:
    """The solution of a sample and the resources that it took."""

    solution: Solution
    engine_seconds: float
    sandbox_seconds: float
    cached_tokens: int


class SampleRunner:
    """Runs solvers. Thread-safe, with one solver per thread.

    Args:
        engine: generates text.
        sandbox: executes the programs that a solver asks for.
        limits: the limits of these programs.
        utilization: tracks the requests.
        meter: counts generations, and their tokens as they arrive.
        stop: once set, generations in progress are dropped and `StoppedError` is raised.
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
        """Run one solver to completion.

        Args:
            solver: a fresh generator.
            key: identifies the sample; the seeds depend on it.
            sampling: sampling parameters.
            session: names what the engine may cache between the sample's requests.
            turns: earlier generations; new ones are added.

        Raises:
            StoppedError: the run is stopping.
            EngineError, SandboxUnavailableError: every attempt failed.
        """
        requests = cached = 0
        seconds = {Generate: 0.0, Execute: 0.0}

        def reply(action: Action) -> Reply:
            nonlocal requests, cached
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
                    seed=generation_seed(sampling.seed, key.item, key.sample, requests),
                    session=session,
                )
                answer = self._cached_or_generated(request, key, requests, turns)
                requests += 1
                cached += answer.cached_tokens
            else:
                program = Program(source=action.source, seed=0)
                answer = retry_unless_stopped(
                    lambda: self._sandbox.run(program, self._limits), self._stop
                )
            seconds[type(action)] += time.perf_counter() - began
            return answer

        solution = run_solver(solver, reply)
        return SampleTrace(solution, seconds[Generate], seconds[Execute], cached)

    def _cached_or_generated(
        self, request: Request, key: SampleKey, index: int, turns: GenerationCache
    ) -> Completion:
        known = turns.find(key, index, request)
        if known is not None:
            self._meter.count_cached()
            return known
        completion = self._generate(request)
        turns.store(key, index, request, completion)
        return completion

    def _generate(self, request: Request) -> Completion:
        """The completion of a request; if the window is too small, as much as fits."""
        try:
            return self._complete(request)
        except ContextOverflowError:
            prompt_tokens = self._engine.count_tokens(request.prompt)
            available = self._engine.info.context_window - prompt_tokens
            if available >= request.max_tokens:
                raise
        if available <= 0:
            return _empty_completion(prompt_tokens, OUT_OF_WINDOW)
        completion = self._complete(replace(request, max_tokens=available))
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

        completion = retry_unless_stopped(once, self._stop)
        if completion.finish_reason is FinishReason.CANCELLED:
            raise StoppedError
        return completion


def retry_unless_stopped(action: Callable[[], _T], stop: Flag) -> _T:
    """Call `action`; retry if the engine or the sandbox fails temporarily.

    The same request gives the same text and the same program the same result, so a retry
    changes no sample. An engine that has used up its own retries is not asked again.

    Raises:
        EngineError, SandboxUnavailableError: every attempt failed.
        StoppedError: the run is stopping.
    """

    def check(error: Exception) -> None:
        if stop.is_set():
            raise StoppedError from error
        if isinstance(error, RetriesExhaustedError):
            raise error

    return with_retries(
        action,
        RETRIES,
        retry_on=(EngineError, SandboxUnavailableError),
        on_failure=check,
        sleep=stop.wait,
    )


def empty_completion() -> Completion:
    """A completion without text, to run a solver without an engine."""
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
