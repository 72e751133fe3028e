"""Runs code that calls an engine and a sandbox as a solver, which asks its runner for both.

The code runs in a thread of its own. Its engine and its sandbox hand each call over as an action;
the solver yields it, and gives the reply back. The same code thus serves a person at the prompt
and hundreds of samples that share an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import Generic, TypeVar

from multiturn.benchmarks.solver import (
    Action,
    Complete,
    Completions,
    CountTokens,
    Reply,
    RunProgram,
    SolverContext,
)
from multiturn.core.closing import Closing
from multiturn.core.errors import InputError
from multiturn.engines.protocol import EngineInfo, Event, Request
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program, ProgramSession

__all__ = ["ActionEngine", "ActionSandbox", "AskFor", "Bridge", "asked"]

T = TypeVar("T")
R = TypeVar("R")

AskFor = Callable[[Action], Reply]


class _ClosedError(Exception):
    """The runner has dropped the sample."""


@dataclass(frozen=True, slots=True)
class _Question:
    action: Action
    answer: SimpleQueue[Reply | _ClosedError]


@dataclass(frozen=True, slots=True)
class _Ended(Generic[T]):
    value: T | None
    error: BaseException | None


class Bridge(Generic[T]):
    """Runs `work` as a generator of actions.

    Args:
        work: gets a function that asks for an action and waits for its reply; it may be called
            from several threads.
    """

    def __init__(self, work: Callable[[AskFor], T]) -> None:
        self._work = work
        self._arrived: SimpleQueue[_Question | _Ended[T]] = SimpleQueue()
        self._waiting: set[int] = set()
        self._lock = Lock()
        self._closed = False

    def run(self) -> Generator[Action, Reply, T]:
        """Yields the actions, in the order in which they are asked for; returns what `work` does.

        Closing the generator ends `work` at its next action.
        """
        Thread(target=self._run, name="multiturn-solver", daemon=True).start()
        question: _Question | None = None
        try:
            while True:
                arrived = self._arrived.get()
                if isinstance(arrived, _Ended):
                    if arrived.error is not None:
                        raise arrived.error
                    return arrived.value  # type: ignore[return-value]
                question = arrived
                question.answer.put((yield question.action))
                question = None
        finally:
            self._close(question)

    def _run(self) -> None:
        try:
            self._arrived.put(_Ended(self._work(self._ask), None))
        except BaseException as error:  # raised where the actions are
            self._arrived.put(_Ended(None, error))

    def _ask(self, action: Action) -> Reply:
        question = _Question(action, SimpleQueue())
        with self._lock:
            if self._closed:
                raise _ClosedError
            self._arrived.put(question)
        answer = question.answer.get()
        if isinstance(answer, _ClosedError):
            raise answer
        return answer

    def _close(self, question: _Question | None) -> None:
        """Let every thread that waits for a reply end."""
        with self._lock:
            self._closed = True
        if question is not None:
            question.answer.put(_ClosedError())
        while not self._arrived.empty():
            left = self._arrived.get()
            if isinstance(left, _Question):
                left.answer.put(_ClosedError())


class ActionEngine(Closing):
    """An `Engine` whose requests are actions.

    Args:
        ask: asks for an action.
        facts: describes the real engine.
        budget: new tokens that may be generated in total; unlimited if None.
    """

    def __init__(self, ask: AskFor, facts: SolverContext, budget: int | None = None) -> None:
        self._ask = ask
        self._info = facts.engine
        self._budget = budget
        self.finished: list[tuple[Request, Completions]] = []
        """The requests so far, with their completions."""

    @property
    def info(self) -> EngineInfo:
        """That of the real engine."""
        return self._info

    @property
    def exhausted(self) -> bool:
        """Whether the budget is exhausted."""
        return self._budget is not None and self._spent >= self._budget

    @property
    def _spent(self) -> int:
        return sum(len(each.tokens) for _, done in self.finished for each in done.all)

    def count_tokens(self, text: str, *, parse_special: bool = False) -> int:
        """The number of tokens of `text` as a prompt."""
        return asked(self._ask, CountTokens(text, parse_special), int)

    def stream(self, request: Request, *, cancel: Flag | None = None) -> Iterator[Event]:
        """The completions, all at once at the end."""
        del cancel  # the runner drops the sample
        done = asked(self._ask, Complete(self._within_budget(request)), Completions)
        self.finished.append((request, done))
        yield from done.all

    def close(self) -> None:
        """Nothing: the engine is the runner's."""

    def _within_budget(self, request: Request) -> Request:
        if self._budget is None:
            return request
        left = max((self._budget - self._spent) // request.n, 1)
        return replace(request, max_tokens=min(request.max_tokens, left))


class ActionSandbox(Closing):
    """A `Sandbox` whose runs are actions."""

    def __init__(self, ask: AskFor, facts: SolverContext) -> None:
        self._ask = ask
        self._isolation = facts.isolation

    @property
    def isolation(self) -> IsolationLevel:
        """That of the real sandbox."""
        return self._isolation

    def run(self, program: Program, limits: Limits | None = None) -> RunResult:
        """Run one program to its end."""
        return asked(self._ask, RunProgram(program, limits or Limits()), RunResult)

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """Run programs one after the other: other samples keep the sandbox busy."""
        for index, (program, limits) in enumerate(programs):
            yield index, self.run(program, limits)

    def open_session(self, program: Program, limits: Limits | None = None) -> ProgramSession:
        """Not possible here."""
        del program, limits
        raise InputError("a solver cannot keep a program running")

    def close(self) -> None:
        """Nothing: the sandbox is the runner's."""


def asked(ask: AskFor, action: Action, kind: type[R]) -> R:
    """The reply to an action, of a certain type."""
    reply = ask(action)
    if not isinstance(reply, kind):
        raise TypeError(f"the reply to {type(action).__name__} is not a {kind.__name__}")
    return reply
