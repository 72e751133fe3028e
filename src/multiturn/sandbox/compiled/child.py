"""A program that is built and run by its language's toolchain, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from multiturn.sandbox.inside.build_and_run import BuildAndRunSpec, Command
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.supervisor.child import (
    READ_BYTES,
    Child,
    ChildSetupError,
    sealed_file,
    signal_outcome,
)
from multiturn.sandbox.supervisor.directories import WorkDirectory
from multiturn.sandbox.supervisor.worker import Worker

__all__ = ["COMPILE_LIMITS", "BuildAndRun", "BuildAndRunChild", "started"]

COMPILE_LIMITS = Limits(
    cpu_seconds=60,
    # A backstop, which a busy machine must not reach: the CPU time is the limit.
    wall_seconds=600,
    memory_bytes=2 << 30,
    output_bytes=1 << 20,
    file_bytes=256 << 20,
    # Go's opens every package that a program uses, and those that they use.
    open_files=512,
)
"""What a compiler may use: the same on every machine, and not part of a program's own limits."""

_OUT_OF_MEMORY = r"^.*(?:OutOfMemoryError|std::bad_alloc|Cannot allocate memory|out of memory).*$"
"""The line in which a runtime says so."""


@dataclass(frozen=True, slots=True)
class BuildAndRun:
    """How a program is built and run."""

    file_name: str
    commands: tuple[Command, ...]
    environment: Mapping[str, str]
    ready: Mapping[str, str]
    """Variables that name a directory which may be removed; see `BuildAndRunSpec`."""
    error_line: str = ""
    """A pattern for the line that failed, in what the program prints; see `Language`."""
    error_text: str = ""
    """A pattern for the words that name the error."""


class BuildAndRunChild(Child):
    """A process that builds and runs one program, forked by a build server.

    Args:
        limits: what the program may use.
        build: how the program is built and run.
        server: what forked it.
        stdout: the end of a pipe from which its standard output can be read.
        stderr: the same for standard error.
        control_pipe: closing it kills all that was started.
        report: where the process reports, a line of JSON for each event.
    """

    def __init__(
        self,
        limits: Limits,
        build: BuildAndRun,
        server: Worker,
        *,
        stdout: int,
        stderr: int,
        control_pipe: int,
        report: int,
    ) -> None:
        super().__init__(limits, stdout, stderr, COMPILE_LIMITS.wall_seconds)
        self.events: list[dict[str, Any]] = []
        self._build = build
        self._server = server
        self._control_pipe: int | None = control_pipe
        self._report = report
        self._unread = bytearray()
        self._given_up = False
        self._watch(report, self._receive)

    @property
    def ended(self) -> bool:
        """Whether nothing more can come from the process."""
        return self._given_up or not self._handlers

    def wait(self) -> None:
        """Serve the process until it has ended."""
        self._serve(lambda: False)

    def close(self) -> None:
        """Close the control pipe, which kills whatever still runs."""
        if self._control_pipe is not None:
            os.close(self._control_pipe)
            self._control_pipe = None

    def result(self, isolation: IsolationLevel, retries: int, notes: tuple[str, ...]) -> RunResult:
        """The record of the run.

        Raises:
            ChildSetupError: the program was never started.
        """
        for event in self.events:
            if "error" in event:
                raise ChildSetupError(event["error"])
        ends = {event["ends"]: event for event in self.events if "ends" in event}
        last = ends.get("run") or ends.get("compile")
        begun = [event["begins"] for event in self.events if "begins" in event]
        if self.kill_reason is None and (last is None or begun[-1] not in ends):
            raise ChildSetupError(_error_line(self.stderr.content) or "it ended without a report")
        return RunResult(
            outcome=self._outcome(last),
            isolation=isolation,
            stdout=self.stdout.content,
            stderr=self.stderr.content,
            cpu_seconds=last["cpu_seconds"] if last else 0.0,
            wall_seconds=last["wall_seconds"] if last else 0.0,
            peak_memory_bytes=last["peak_memory_bytes"] if last else None,
            retries=retries,
            notes=notes,
        )

    def _kill(self) -> None:
        self.close()

    def _give_up(self) -> None:
        # Not even the process that isolates the program answers; it ends with its server.
        self._server.process.kill()
        self._given_up = True

    def _receive(self) -> bool:
        """Take a part of the report; False at its end."""
        data = os.read(self._report, READ_BYTES)
        self._unread += data
        *lines, rest = self._unread.split(b"\n")
        self._unread = bytearray(rest)
        events = [json.loads(line) for line in lines]
        self.events += events
        if self.kill_reason is None and any(event.get("begins") == "run" for event in events):
            self.allow_wall(self.limits.wall_seconds)
        return bool(data)

    def _outcome(self, last: dict[str, Any] | None) -> Outcome:
        stderr = self.stderr.content
        compiling = [event["begins"] for event in self.events if "begins" in event] == ["compile"]
        if compiling and self.kill_reason is Status.TOO_MUCH_OUTPUT:
            return _compile_error(stderr, "the compiler printed too much")
        if self.kill_reason is not None or last is None:
            return Outcome(self.kill_reason or Status.KILLED, compiling=compiling)
        code = os.waitstatus_to_exitcode(last["status"])
        if last["ends"] == "compile" and code != 0:
            return _compile_error(stderr)
        if code == 0:
            return Outcome(Status.FINISHED, exit_code=0)
        killed = signal_outcome(-code, last["cpu_seconds"], self.limits) if code < 0 else None
        if killed is not None and killed.status is Status.TIMED_OUT_CPU:
            return killed
        text = stderr.decode(errors="replace")
        exhausted = _found(_OUT_OF_MEMORY, text)
        if exhausted is not None:
            return Outcome(Status.OUT_OF_MEMORY, error=exhausted[0].strip()[:2000])
        named = _found(self._build.error_text, text)
        if killed is not None and named is None:
            return killed
        at = _found(self._build.error_line, text)
        return Outcome(
            Status.RAISED,
            error=(_words(named) if named else _error_line(stderr)) or f"exit code {code}",
            line=int(at[1]) if at else None,
            signal=killed.signal if killed is not None else None,
            exit_code=None if killed is not None else code,
        )


def _found(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, re.MULTILINE) if pattern else None


def _words(found: re.Match[str]) -> str:
    """The groups of a pattern, or all that it matches."""
    return (": ".join(filter(None, found.groups())) or found[0])[:2000]


def _compile_error(stderr: bytes, otherwise: str = "") -> Outcome:
    """The first error of a compiler, which has the form ``file:line: ...``, or of a linker.

    Without one it is `otherwise`, or else the last line.
    """
    text = stderr.decode(errors="replace")
    error, line = otherwise or _error_line(stderr) or "the compiler says nothing", None
    found = re.search(r"^[^\s:]+:(\d{1,9})(?::\d+)?: (?!warning:|note:)(\S.*)$", text, re.MULTILINE)
    if found is not None:
        error, line = found[2], int(found[1])
        # javac names the symbol below.
        symbol = re.search(r"^  symbol: +(.*)$", text[found.end() :], re.MULTILINE)
        if symbol is not None and error.endswith("cannot find symbol"):
            error += f": {symbol[1]}"
    elif (unlinked := re.search(r"undefined reference to .*$", text, re.MULTILINE)) is not None:
        error = unlinked[0]
    return Outcome(Status.SYNTAX_ERROR, error=error[:2000], line=line, compiling=True)


def _error_line(stderr: bytes) -> str:
    """The line that names an error, or else the last one."""
    text = stderr.decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [
        line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b|Exception in", line)
    ]
    return (errors or lines[-1:] or [""])[0][:2000]


@contextlib.contextmanager
def started(
    server: Worker, build: BuildAndRun, program: Program, limits: Limits, *, directories: bool
) -> Iterator[BuildAndRunChild]:
    """Have a process forked for one program; it is gone, with its files, afterwards.

    Args:
        server: forks it.
        build: how the program is built and run.
        program: the program.
        limits: what it may use.
        directories: whether it needs a directory of this machine; else it has a private one.

    Raises:
        WorkerDiedError: the server is gone.
    """
    with contextlib.ExitStack() as stack:
        directory = None
        if directories:
            made = WorkDirectory()
            stack.callback(made.remove)
            directory = str(made.path)
        spec = BuildAndRunSpec(
            directory=directory,
            file_name=build.file_name,
            source=program.source,
            environment=dict(build.environment),
            ready=dict(build.ready),
            commands=build.commands,
        )
        with contextlib.ExitStack() as theirs:
            ours: dict[str, int] = {}
            handed = {"spec": sealed_file(spec.to_bytes()), "stdin": sealed_file(program.stdin)}
            for name in ("stdout", "stderr", "control", "report"):
                reading, writing = os.pipe()
                ours[name], handed[name] = reading, writing
                if name == "control":
                    ours[name], handed[name] = writing, reading
            for descriptor in handed.values():
                theirs.callback(os.close, descriptor)
            for name in ("stdout", "stderr", "report"):
                stack.callback(os.close, ours[name])
            try:
                server.spawn(0.0, tuple(handed.values()))
            except BaseException:
                os.close(ours["control"])
                raise
        child = BuildAndRunChild(
            limits,
            build,
            server,
            stdout=ours["stdout"],
            stderr=ours["stderr"],
            control_pipe=ours["control"],
            report=ours["report"],
        )
        stack.callback(_end, child)
        yield child


def _end(child: BuildAndRunChild) -> None:
    """End a child, and wait until nothing of it is left."""
    child.kill(Status.KILLED)
    child.wait()
