"""Runs the solver of one sample: the engine generates, the sandbox executes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import TypeVar

from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.benchmarks.runner.generation_cache import GenerationCache
from multiturn.benchmarks.runner.output import OutputMeter
from multiturn.benchmarks.runner.samples import SampleKey
from multiturn.benchmarks.runner.seeds import generation_seed
from multiturn.benchmarks.runner.shared_generations import SharedGenerations
from multiturn.benchmarks.runner.utilization import UtilizationMeter
from multiturn.benchmarks.solver import (
    Action,
    Complete,
    Completions,
    CountTokens,
    DescribeRun,
    Execute,
    Generate,
    Reply,
    RunProgram,
    Solution,
    Solver,
    SolverContext,
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
from multiturn.sandbox.outcomes import RunResult
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
        shared: generations of other runs.
    """

    def __init__(
        self,
        engine: Engine,
        sandbox: Sandbox,
        limits: Limits,
        utilization: UtilizationMeter,
        meter: OutputMeter,
        stop: Flag,
        shared: SharedGenerations | None = None,
    ) -> None:
        self._engine = engine
        self._sandbox = sandbox
        self._limits = limits
        self._utilization = utilization
        self._meter = meter
        self._stop = stop
        self._shared = shared

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
        work = _SampleWork(self, key, sampling, session, turns)
        solution = run_solver(solver, work.reply)
        return SampleTrace(solution, work.engine_seconds, work.sandbox_seconds, work.cached_tokens)

    def facts(self, sampling: SampleSettings) -> SolverContext:
        """What a solver may know."""
        return SolverContext(
            engine=self._engine.info,
            isolation=self._sandbox.isolation,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
        )

    def count_tokens(self, action: CountTokens) -> int:
        """The number of tokens of a prompt."""
        return self._engine.count_tokens(action.prompt, parse_special=action.parse_special)

    def execute(self, program: Program, limits: Limits | None = None) -> RunResult:
        """Run a program; by default within the limits of the benchmark."""
        within = self._limits if limits is None else limits
        return retry_unless_stopped(lambda: self._sandbox.run(program, within), self._stop)

    def complete(
        self, request: Request, key: SampleKey, index: int, turns: GenerationCache
    ) -> tuple[Completion, ...]:
        """The completions of request number `index` of a sample, cached or generated."""
        known = turns.find(key, index, request)
        if known is None and self._shared is not None:
            known = self._shared.find(request)
        if known is not None:
            for _ in known:
                self._meter.count_cached()
            return known
        completions = self._generate(request)
        turns.store(key, index, request, completions)
        if self._shared is not None:
            self._shared.store(request, completions)
        return completions

    @property
    def stopped(self) -> bool:
        """Whether the run is stopping."""
        return self._stop.is_set()

    def _generate(self, request: Request) -> tuple[Completion, ...]:
        """The completions of a request; if the window is too small, as much as fits."""
        try:
            return self._complete(request)
        except ContextOverflowError:
            prompt_tokens = self._engine.count_tokens(
                request.prompt, parse_special=request.parse_special
            )
            available = self._engine.info.context_window - prompt_tokens
            if available >= request.max_tokens:
                raise
        if available <= 0:
            return tuple(
                _empty_completion(index, prompt_tokens, OUT_OF_WINDOW) for index in range(request.n)
            )
        return tuple(
            replace(completion, cut_by=OUT_OF_WINDOW)
            if completion.finish_reason is FinishReason.LENGTH
            else completion
            for completion in self._complete(replace(request, max_tokens=available))
        )

    def _complete(self, request: Request) -> tuple[Completion, ...]:
        def once() -> tuple[Completion, ...]:
            found: dict[int, Completion] = {}
            with ExitStack() as stack:
                stack.enter_context(self._utilization.request(request.n))
                meters = [stack.enter_context(self._meter.turn()) for _ in range(request.n)]
                for event in self._engine.stream(request, cancel=self._stop):
                    if isinstance(event, Completion):
                        found[event.index] = event
                        if event.finish_reason is not FinishReason.CANCELLED:
                            meters[event.index].tokens = len(event.tokens)
                    else:
                        meters[event.index].add(event.text)
            if len(found) < request.n:
                raise EngineError("the engine ended without a completion")
            return tuple(found[index] for index in sorted(found))

        completions = retry_unless_stopped(once, self._stop)
        if any(each.finish_reason is FinishReason.CANCELLED for each in completions):
            raise StoppedError
        return completions


class _SampleWork:
    """The requests of one sample."""

    def __init__(
        self,
        runner: SampleRunner,
        key: SampleKey,
        sampling: SampleSettings,
        session: str,
        turns: GenerationCache,
    ) -> None:
        self._runner = runner
        self._key = key
        self._sampling = sampling
        self._session = session
        self._turns = turns
        self._requests = 0
        self.engine_seconds = 0.0
        self.sandbox_seconds = 0.0
        self.cached_tokens = 0

    def reply(self, action: Action) -> Reply:
        """Do what a solver asks for."""
        if self._runner.stopped:
            raise StoppedError
        began = time.perf_counter()
        match action:
            case DescribeRun():
                return self._runner.facts(self._sampling)
            case CountTokens():
                return self._runner.count_tokens(action)
            case Execute() | RunProgram():
                try:
                    if isinstance(action, RunProgram):
                        return self._runner.execute(action.program, action.limits)
                    return self._runner.execute(Program(source=action.source, seed=0))
                finally:
                    self.sandbox_seconds += time.perf_counter() - began
            case Generate():
                (completion,) = self._complete(
                    Request(
                        prompt=action.prompt,
                        temperature=self._sampling.temperature,
                        top_p=self._sampling.top_p,
                        max_tokens=action.max_tokens,
                        stop=action.stop,
                        parse_special=action.parse_special,
                    ),
                    began,
                )
                return completion
            case Complete():
                return Completions(self._complete(action.request, began))

    def _complete(self, request: Request, began: float) -> tuple[Completion, ...]:
        seed = generation_seed(
            self._sampling.seed, self._key.item, self._key.sample, self._requests
        )
        request = replace(request, seed=seed, session=self._session)
        completions = self._runner.complete(request, self._key, self._requests, self._turns)
        self._requests += 1
        # All continuations share the prompt.
        self.cached_tokens += completions[0].cached_tokens
        self.engine_seconds += time.perf_counter() - began
        return completions


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


def empty_completion(index: int = 0) -> Completion:
    """A completion without text, to run a solver without an engine."""
    return _empty_completion(index, 0, None)


def _empty_completion(index: int, prompt_tokens: int, cut_by: str | None) -> Completion:
    return Completion(
        index=index,
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
