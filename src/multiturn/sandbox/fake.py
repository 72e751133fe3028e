"""A sandbox that runs nothing: tests script its results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from multiturn.core.closing import Closing
from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import CallResult, Limits, Program, ProgramSession

__all__ = ["FakeSession", "FakeSandbox"]

Answer = RunResult | Exception
Call = Callable[[str, Sequence[object], Mapping[str, object]], CallResult]


class FakeSandbox(Closing):
    """Returns scripted results, and records the programs it was given.

    Args:
        answers: results for one program after the other (an exception is raised instead), or a
            function from a program to a result. The last one of a sequence is repeated.
        calls: a function that answers calls in sessions.

    Example:
        >>> sandbox = FakeSandbox(lambda program: FakeSandbox.printed(program.source.upper()))
        >>> sandbox.run(Program(source="hello")).stdout_text
        'HELLO'
        >>> len(sandbox.asked)
        1
    """

    def __init__(
        self,
        answers: Sequence[Answer] | Callable[[Program], Answer] = (),
        *,
        calls: Call | None = None,
    ) -> None:
        self._answers = answers
        self._calls = calls
        self.asked: list[tuple[Program, Limits]] = []
        """The programs that were run, in order."""
        self.closed = False

    @staticmethod
    def printed(text: str, *, value: object = None) -> RunResult:
        """The result of a program that printed `text` and finished."""
        return RunResult(
            Outcome(Status.FINISHED), IsolationLevel.FAKE, stdout=text.encode(), value=value
        )

    @staticmethod
    def failed(error: str, *, line: int | None = None) -> RunResult:
        """The result of a program that raised `error`, e.g. ``"ValueError: no"``."""
        outcome = Outcome(Status.RAISED, error=error, line=line)
        return RunResult(outcome, IsolationLevel.FAKE, stderr=f"{error}\n".encode())

    @property
    def isolation(self) -> IsolationLevel:
        """`IsolationLevel.FAKE`."""
        return IsolationLevel.FAKE

    def run(self, program: Program, limits: Limits | None = None) -> RunResult:
        """The next scripted result."""
        if self.closed:
            raise SandboxUnavailableError("the sandbox was closed", fix="open a new one")
        number = len(self.asked)
        self.asked.append((program, limits or Limits()))
        if callable(self._answers):
            answer = self._answers(program)
        elif self._answers:
            answer = self._answers[min(number, len(self._answers) - 1)]
        else:
            answer = self.printed("")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """The scripted results, in order."""
        for index, (program, limits) in enumerate(programs):
            yield index, self.run(program, limits)

    def open_session(self, program: Program, limits: Limits | None = None) -> ProgramSession:
        """A session whose top level has the next scripted result."""
        return FakeSession(self.run(program, limits), self._calls)

    def close(self) -> None:
        """Refuse programs from now on."""
        self.closed = True


class FakeSession(Closing):
    """A session whose calls a function of the test answers."""

    def __init__(self, loaded: RunResult, calls: Call | None) -> None:
        self._loaded = loaded
        self._calls = calls
        self._alive = loaded.outcome.finished

    @property
    def loaded(self) -> RunResult:
        """The scripted result of the top level."""
        return self._loaded

    @property
    def alive(self) -> bool:
        """Whether the top level finished, and nothing was closed."""
        return self._alive

    def call(
        self,
        name: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        limits: Limits | None = None,  # noqa: ARG002
    ) -> CallResult:
        """What the test's function returns; a call that returned None if there is no function."""
        if not self._alive:
            return CallResult(self._loaded.outcome)
        if self._calls is None:
            return CallResult(Outcome(Status.FINISHED))
        return self._calls(name, args, kwargs or {})

    def close(self) -> None:
        """Answer no more calls."""
        self._alive = False
