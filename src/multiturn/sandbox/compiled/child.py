"""One program's compiling and running by a recipe, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.sandbox.inside.build_and_run import BuildAndRunSpec, Command
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.specs import UNPRIVILEGED_ID
from multiturn.sandbox.supervisor.bwrap import bwrap_command
from multiturn.sandbox.supervisor.directories import WorkDirectory
from multiturn.sandbox.supervisor.worker import readable_paths

__all__ = ["COMPILE_LIMITS", "BuildAndRun", "ChildSetupError", "BuildAndRunChild", "launched"]

COMPILE_LIMITS = Limits(
    cpu_seconds=60,
    wall_seconds=120,
    memory_bytes=2 << 30,
    output_bytes=1 << 20,
    file_bytes=256 << 20,
)
"""What compiling may use: the machine's business, so not part of a program's own limits."""

_PACKAGE = str(Path(__file__).resolve().parents[3])
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from multiturn.sandbox.inside.build_and_run import main; sys.path.pop(0); main()"
)
_REAP_SECONDS = 10.0
_OUT_OF_MEMORY = (
    b"OutOfMemoryError",
    b"heap out of memory",
    b"std::bad_alloc",
    b"Cannot allocate memory",
    b"out of memory",
)


@dataclass(frozen=True, slots=True)
class BuildAndRun:
    """What to do with a program's text, and what its tools may read."""

    file_name: str
    steps: tuple[Command, ...]
    environment: Mapping[str, str]
    readable: tuple[str, ...]


class ChildSetupError(Exception):
    """The walls could not be put up, or the process that keeps them died."""


class BuildAndRunChild:
    """One process that compiles and runs one program, seen from outside."""

    def __init__(
        self,
        isolation: IsolationLevel,
        limits: Limits,
        process: subprocess.Popen[bytes],
        control_socket: int,
        report: int,
    ) -> None:
        self.isolation = isolation
        self.limits = limits
        self.process = process
        self.control_socket: int | None = control_socket
        self.report = report
        self.said: list[dict[str, Any]] = []
        self.kill_reason: Status | None = None
        self.out = bytearray()
        self.err = bytearray()
        self._words = bytearray()

    def wait(self) -> None:
        """Take what it prints and reports until it is gone."""
        assert self.process.stdout is not None and self.process.stderr is not None
        deadline = time.monotonic() + COMPILE_LIMITS.wall_seconds
        sources = {self.process.stdout.fileno(): self.out, self.process.stderr.fileno(): self.err}
        with selectors.DefaultSelector() as selector:
            for descriptor in (*sources, self.report):
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                events = selector.select(max(0.0, deadline - time.monotonic()))
                if not events and time.monotonic() >= deadline:
                    if self.kill_reason is not None:
                        # Not even the process that keeps the walls answers.
                        self.process.kill()
                        break
                    self._end(Status.TIMED_OUT_WALL)
                    deadline = time.monotonic() + _REAP_SECONDS
                for key, _ in events:
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fd)
                    elif key.fd == self.report:
                        if self._hear(data) and self.kill_reason is None:
                            deadline = time.monotonic() + self.limits.wall_seconds
                    else:
                        kept = sources[key.fd]
                        kept += data[: self.limits.output_bytes + 1 - len(kept)]
                        if len(kept) > self.limits.output_bytes and self.kill_reason is None:
                            self._end(Status.TOO_MUCH_OUTPUT)
                            deadline = time.monotonic() + _REAP_SECONDS

    def _hear(self, data: bytes) -> bool:
        """Take words of the report; whether the program starts to run with them."""
        self._words += data
        *lines, rest = self._words.split(b"\n")
        self._words = bytearray(rest)
        heard = [json.loads(line) for line in lines]
        self.said += heard
        return any(each.get("begins") == "run" for each in heard)

    def _end(self, why: Status) -> None:
        self.kill_reason = why
        self.let_go()

    def let_go(self) -> None:
        """Close the lifeline: whatever still runs is killed by that."""
        if self.control_socket is not None:
            os.close(self.control_socket)
            self.control_socket = None

    def result(self, retries: int, notes: tuple[str, ...]) -> RunResult:
        """The record of the run.

        Raises:
            ChildSetupError: nothing can be said of the program.
        """
        for each in self.said:
            if "fault" in each:
                raise ChildSetupError(each["fault"])
        ended = {each["step"]: each for each in self.said if "step" in each}
        last = ended.get("run") or ended.get("compile")
        if last is None and self.kill_reason is None:
            raise ChildSetupError(_last_line(bytes(self.err)) or "it ended without a report")
        outcome = self._outcome(last)
        cut = self.limits.output_bytes
        return RunResult(
            outcome=outcome,
            isolation=self.isolation,
            stdout=bytes(self.out[:cut]),
            stderr=bytes(self.err[:cut]),
            cpu_seconds=last["cpu_seconds"] if last else 0.0,
            wall_seconds=last["wall_seconds"] if last else 0.0,
            peak_memory_bytes=last["peak_memory_bytes"] if last else None,
            retries=retries,
            notes=notes,
        )

    def _outcome(self, last: dict[str, Any] | None) -> Outcome:
        if self.kill_reason is not None or last is None:
            return Outcome(self.kill_reason or Status.KILLED)
        code = os.waitstatus_to_exitcode(last["status"])
        if last["step"] == "compile" and code != 0:
            return _not_compiled(bytes(self.err))
        if code == 0:
            return Outcome(Status.FINISHED, exit_code=0)
        if -code == signal.SIGXCPU or (
            -code == signal.SIGKILL and last["cpu_seconds"] >= self.limits.cpu_seconds
        ):
            return Outcome(Status.TIMED_OUT_CPU)
        if any(word in self.err for word in _OUT_OF_MEMORY):
            return Outcome(Status.OUT_OF_MEMORY, error=_last_line(bytes(self.err)))
        if code < 0:
            return Outcome(Status.KILLED, signal=signal.Signals(-code).name)
        error = _last_line(bytes(self.err)) or f"exit code {code}"
        return Outcome(Status.RAISED, error=error, exit_code=code)


def _not_compiled(said: bytes) -> Outcome:
    """The first error of a compiler, which names it as ``file:line: ...``."""
    text = said.decode(errors="replace")
    found = re.search(r"^[^\s:]+:(\d+)(?::\d+)?: (.*error.*)$", text, re.MULTILINE)
    if found is None:
        return Outcome(Status.SYNTAX_ERROR, error=_last_line(said) or "it does not compile")
    return Outcome(Status.SYNTAX_ERROR, error=found[2][:2000], line=int(found[1]))


def _last_line(said: bytes) -> str:
    """What was wrong, as far as it can be told: the line that names an error, or the last."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    named = [
        line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b|Exception in", line)
    ]
    return (named or lines[-1:] or [""])[0][:2000]


@contextlib.contextmanager
def launched(
    isolation: IsolationLevel,
    provider: NamespaceProvider,
    build: BuildAndRun,
    program: Program,
    limits: Limits,
) -> Iterator[BuildAndRunChild]:
    """Start a process for one program; it is gone, with its files, afterwards."""
    with contextlib.ExitStack() as stack:
        place = WorkDirectory()
        stack.callback(place.remove)
        source = _file_of(stack, program.source.encode("utf-8", "surrogatepass"))
        stdin = _file_of(stack, program.stdin)
        lifeline_end, control_socket = os.pipe()
        stack.callback(os.close, lifeline_end)
        report, report_end = os.pipe()
        stack.callback(os.close, report)
        spec = BuildAndRunSpec(
            isolation=isolation,
            provider=provider,
            scratch=str(place.path),
            readable=build.readable,
            file_name=build.file_name,
            environment=dict(build.environment),
            steps=build.steps,
            source=source,
            stdin=stdin,
            control_socket=lifeline_end,
            report=report_end,
        )
        command = [sys.executable, "-s", "-P", "-c", _BOOTSTRAP, _PACKAGE, spec.to_json()]
        user: int | None = None
        if provider is NamespaceProvider.BWRAP:
            user = UNPRIVILEGED_ID if os.geteuid() == 0 else None
            # bubblewrap makes the root directory before this interpreter starts in it.
            shown = (*spec.readable, *readable_paths())
            around = bwrap_command(IsolationLevel.SHARED_NAMESPACES, shown, _PACKAGE)
            command = [*around, *command]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
                cwd="/",
                start_new_session=True,
                pass_fds=(source, stdin, lifeline_end, report_end),
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        finally:
            os.close(report_end)
        stack.callback(process.wait)
        stack.callback(process.kill)
        stack.enter_context(process)
        run = BuildAndRunChild(isolation, limits, process, control_socket, report)
        stack.callback(run.let_go)
        yield run


def _file_of(stack: contextlib.ExitStack, data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    descriptor = os.memfd_create("multiturn", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
