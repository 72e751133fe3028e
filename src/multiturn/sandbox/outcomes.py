"""How a program ended: outcomes with reasons.

An outcome says what the *program* did. A failure of the sandbox itself never becomes an outcome:
the program is run again, and if that fails too the sandbox raises `SandboxUnavailableError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from multiturn.core.records import absent_if_default
from multiturn.sandbox.isolation import IsolationLevel

__all__ = ["Outcome", "RunResult", "Status"]


class Status(Enum):
    """How a run ended. The values are part of the schema of saved results."""

    FINISHED = "finished"
    """Ran to its end, or left by `SystemExit` with code 0, as ``sys.exit(main())`` does. An oracle
    decides whether what it printed is right."""
    RAISED = "raised"
    """An exception reached the top level; see `Outcome.error` and `Outcome.line`."""
    SYNTAX_ERROR = "syntax_error"
    """It does not parse, or does not compile."""
    EARLY_EXIT = "early_exit"
    """It left by `SystemExit` with a code other than 0, or by `os._exit` with any code; in a
    session, by either with any code. Never a pass."""
    TIMED_OUT_CPU = "timed_out_cpu"
    """It exceeded `Limits.cpu_seconds`."""
    TIMED_OUT_WALL = "timed_out_wall"
    """It exceeded `Limits.wall_seconds`."""
    OUT_OF_MEMORY = "out_of_memory"
    """It exceeded `Limits.memory_bytes`."""
    TOO_MUCH_OUTPUT = "too_much_output"
    """It exceeded `Limits.output_bytes`."""
    KILLED = "killed"
    """A signal ended it, e.g. a segmentation fault; `Outcome.signal` says which."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, with the details a person needs to fix the program."""

    status: Status
    """How the run ended."""
    error: str | None = None
    """Type and message, as Python prints the last line of a traceback; cut at 2,000 characters."""
    line: int | None = None
    """1-based line of the program at which it was raised."""
    signal: str | None = None
    """Name of the signal, e.g. ``SIGSEGV``."""
    exit_code: int | None = None
    """The exit code, where the program left early."""
    compiling: bool = field(default=False, metadata=absent_if_default())
    """Whether it ended in the compiler, before the program began."""

    @property
    def finished(self) -> bool:
        """Whether the program ran to its end without an error."""
        return self.status is Status.FINISHED

    def describe(self) -> str:
        """One line for a person.

        Example:
            >>> Outcome(Status.RAISED, error="ValueError: no", line=3).describe()
            'raised ValueError: no (line 3)'
        """
        text = self._compiler_words() if self.compiling else self._program_words()
        return f"{text} (line {self.line})" if self.line else text

    def _compiler_words(self) -> str:
        return {
            Status.TIMED_OUT_CPU: "does not compile in time",
            Status.TIMED_OUT_WALL: "does not compile in time",
            Status.OUT_OF_MEMORY: "needs too much memory to compile",
        }.get(self.status, f"does not compile: {(self.error or '').removeprefix('error: ')}")

    def _program_words(self) -> str:
        return {
            Status.FINISHED: "finished",
            Status.RAISED: f"raised {self.error}",
            Status.SYNTAX_ERROR: f"does not parse: {self.error}",
            Status.EARLY_EXIT: f"left early with exit code {self.exit_code}",
            Status.TIMED_OUT_CPU: "used up its CPU time",
            Status.TIMED_OUT_WALL: "ran out of time",
            Status.OUT_OF_MEMORY: "ran out of memory",
            Status.TOO_MUCH_OUTPUT: "printed too much",
            Status.KILLED: f"was ended by {self.signal}",
        }[self.status]


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of one program."""

    outcome: Outcome
    """How it ended."""
    isolation: IsolationLevel
    """How strongly it was isolated."""
    stdout: bytes = b""
    """Its standard output, cut at `Limits.output_bytes`."""
    stderr: bytes = b""
    """Its standard error, cut at `Limits.output_bytes`."""
    value: object = None
    """The value that the program handed back, if one was asked for (see `Program.result`)."""
    cpu_seconds: float = 0.0
    """CPU time used, in seconds."""
    wall_seconds: float = 0.0
    """Wall-clock time, in seconds."""
    peak_memory_bytes: int | None = None
    """The most resident memory, in bytes; None if it could not be measured."""
    retries: int = 0
    """How often the run was restarted because the sandbox itself failed."""
    notes: tuple[str, ...] = field(default=())
    """Remarks about the run, for the user."""

    @property
    def stdout_text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stdout.decode("utf-8", errors="replace")

    @property
    def stderr_text(self) -> str:
        """Standard error as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stderr.decode("utf-8", errors="replace")
