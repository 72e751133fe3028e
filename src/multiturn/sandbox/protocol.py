"""The `Sandbox` protocol: what a runner of programs promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from multiturn.core.errors import InputError
from multiturn.sandbox.outcomes import Rung, RunResult

__all__ = ["Limits", "Program", "Sandbox"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use. Part of every saved result."""

    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0
    """A backstop: CPU time is the main limit, so that a busy machine fails no good program."""
    memory_bytes: int = 1 << 30
    output_bytes: int = 1 << 20
    """For each of the two output streams."""
    file_bytes: int = 16 << 20
    """The largest file, and the size of the private /tmp where the rung has one."""
    open_files: int = 64

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
        stdin: what it can read; end of file follows.
        result: name of a global variable whose value is handed back as plain data in
            `RunResult.value` when the program finished (Python only).
        seed: seeds `random` and numpy's global generator before it starts, where given.
    """

    source: str
    language: str = "python"
    stdin: bytes = b""
    result: str | None = None
    seed: int | None = None


@runtime_checkable
class Sandbox(Protocol):
    """Runs programs apart from this process. Implementations are safe to use from threads.

    A program can do nothing to the person's files, network, processes or environment beyond
    what the rung's documented gaps say, and cannot forge or suppress its outcome.
    """

    @property
    def rung(self) -> Rung:
        """How strongly programs are isolated."""
        ...

    def run(self, program: Program, limits: Limits = ...) -> RunResult:
        """Run one program to its end.

        Raises:
            SandboxUnavailableError: the sandbox failed, and running again did not help.
            InputError: the language is unknown or its toolchain absent; a source that
                cannot be run at all (NUL bytes are the program's fault, not the caller's:
                they give `Status.SYNTAX_ERROR`).
        """
        ...

    def run_many(
        self, programs: Iterable[tuple[Program, Limits]]
    ) -> Iterator[tuple[int, RunResult]]:
        """Run programs side by side; yields ``(index, result)`` as each ends."""
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
