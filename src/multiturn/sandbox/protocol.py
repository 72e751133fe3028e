"""The `Sandbox` protocol: runs programs apart from this process, within limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from multiturn.core.errors import InputError
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult

__all__ = ["CallResult", "Limits", "Program", "ProgramSession", "Sandbox"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use. Part of every saved result."""

    cpu_seconds: float = 10.0
    """CPU time, in seconds."""
    wall_seconds: float = 30.0
    """Wall-clock time, in seconds. A backstop: CPU time is the main limit, so that a busy machine
    fails no good program."""
    memory_bytes: int = 1 << 30
    """Memory, in bytes."""
    output_bytes: int = 1 << 20
    """Bytes of each of the two output streams."""
    file_bytes: int = 16 << 20
    """The largest file, and the size of the private /tmp on the levels that have one."""
    open_files: int = 64
    """File descriptors open at once."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not value > 0:
                raise InputError(f"the limit {name} is not positive", got=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to run.

    Attributes:
        source: the text of the program.
        language: a key of the table of languages.
        stdin: its standard input.
        result: a global variable, or another expression, whose value is handed back as plain
            data in `RunResult.value` once the program has finished (Python only). If its
            evaluation fails, the outcome is `Status.RAISED`.
        seed: seeds `random` and numpy's global generator before the program starts.
    """

    source: str
    language: str = "python"
    stdin: bytes = b""
    result: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of one call in a session."""

    outcome: Outcome
    """`Status.FINISHED` if the call returned; RAISED with the error and the line if it raised."""
    value: object = None
    """What the call returned, as plain data (see `multiturn.sandbox.encoding`)."""
    stdout: bytes = b""
    """What the call printed."""
    stderr: bytes = b""
    """What the call printed on standard error."""
    cpu_seconds: float = 0.0
    """CPU time of the call, in seconds."""
    wall_seconds: float = 0.0
    """Wall-clock time of the call, in seconds."""


@runtime_checkable
class ProgramSession(Protocol):
    """A program whose top level has run and whose functions can be called from outside.

    Arguments and values cross as plain data, so the caller compares them where the program cannot
    reach: expected values never enter the program's process. A hostile program can lie only about
    its own values. For use from one thread.
    """

    @property
    def loaded(self) -> RunResult:
        """The result of the top level. If it did not finish, no call can be made."""
        ...

    @property
    def alive(self) -> bool:
        """Whether calls can (still) be made."""
        ...

    def call(
        self,
        name: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        limits: Limits | None = None,
    ) -> CallResult:
        """Call the program's global function `name` and wait for it.

        Args:
            name: a global name of the program, or a dotted path from one.
            args: plain data: None, bool, int, float, complex, str, bytes and tuples, lists,
                sets, frozensets and dicts of them, and what a call returned.
            kwargs: the same, by keyword.
            limits: `cpu_seconds` and `wall_seconds` of this call; by default those of the
                session. The other limits hold for the session.

        Returns:
            What it returned, or why it did not. A call that ends the process (out of time, a
            signal, too much output, an early exit) ends the session: `alive` becomes False, and
            every later call returns the same outcome at once.

        Raises:
            InputError: an argument is not plain data.
            SandboxUnavailableError: the sandbox itself failed. It cannot repeat the calls so far;
                open a new session.
        """
        ...

    def close(self) -> None:
        """End the program. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Sandbox(Protocol):
    """Runs programs apart from this process. Implementations can be used from several threads.

    A program cannot touch the user's files, network, processes or environment beyond the
    documented gaps of the isolation level, and cannot forge or suppress its outcome.
    """

    @property
    def isolation(self) -> IsolationLevel:
        """How strongly programs are isolated."""
        ...

    def run(self, program: Program, limits: Limits = ...) -> RunResult:
        """Run one program to its end.

        Raises:
            SandboxUnavailableError: the sandbox failed, and running again did not help.
            InputError: the language is unknown, or its toolchain is not installed. (A source that
                cannot be compiled, with NUL bytes for example, gives `Status.SYNTAX_ERROR`.)
        """
        ...

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """Run programs side by side; yields ``(index, result)`` as each ends."""
        ...

    def open_session(self, program: Program, limits: Limits = ...) -> ProgramSession:
        """Run the top level of a program and keep its process, so that its functions can be called.

        Raises:
            InputError: the program is not a Python program.
            SandboxUnavailableError: the sandbox failed, and starting again did not help.
        """
        ...

    def close(self) -> None:
        """End every process that was started. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
