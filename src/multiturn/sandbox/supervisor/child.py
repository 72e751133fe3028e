"""One child supervisor: watches the process of a program, whatever its language.

It reads what the program prints, up to a limit, keeps the wall-clock deadline, and has the
process killed when either is exceeded. How a process is started, killed and heard from differs:
`python_child` has the children of fork-servers, `compiled.child` those that are built and run.
"""

from __future__ import annotations

import abc
import fcntl
import functools
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.outcomes import Outcome, Status
from multiturn.sandbox.protocol import Limits

__all__ = [
    "READ_BYTES",
    "REAP_SECONDS",
    "Child",
    "ChildSetupError",
    "CapturedOutput",
    "SandboxFailureError",
    "WorkerDiedError",
    "retried",
    "sealed_file",
    "signal_outcome",
]

REAP_SECONDS = 20.0
"""How long a killed process may take to disappear before the sandbox counts as failed."""

_T = TypeVar("_T")

READ_BYTES = 1 << 16

MAX_TRIES = 4
"""How often a program is started before the sandbox counts as failed."""


class SandboxFailureError(Exception):
    """The sandbox failed, not the program; the program is started again."""


class WorkerDiedError(SandboxFailureError):
    """The fork-server ended, or does not answer."""


class ChildSetupError(SandboxFailureError):
    """A child could not be isolated, or died before its program began."""


@dataclass(slots=True)
class CapturedOutput:
    """What a program has printed on one of its streams."""

    fd: int
    max_bytes: int
    data: bytearray = field(default_factory=bytearray)
    open: bool = True

    @property
    def content(self) -> bytes:
        """The output, cut at the limit."""
        return bytes(self.data[: self.max_bytes])

    @property
    def exceeded(self) -> bool:
        """Whether the program printed more than it may."""
        return len(self.data) > self.max_bytes

    def read(self) -> None:
        """Read what is there now."""
        try:
            chunk = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self.open = False
        self.data += chunk

    def drain(self) -> None:
        """Read all that is there, up to the limit."""
        before = -1
        while self.open and len(self.data) != before and not self.exceeded:
            before = len(self.data)
            self.read()


class Child(abc.ABC):
    """A program's process, seen from outside.

    Args:
        limits: what the program may use.
        stdout: the descriptor from which its standard output can be read without blocking.
        stderr: the same for standard error.
        wall_seconds: how long it may take from now on.
    """

    def __init__(self, limits: Limits, stdout: int, stderr: int, wall_seconds: float) -> None:
        self.limits = limits
        self.stdout = CapturedOutput(stdout, limits.output_bytes)
        self.stderr = CapturedOutput(stderr, limits.output_bytes)
        self.kill_reason: Status | None = None
        """Why the supervisor killed it."""
        self._poller = select.poll()
        self._handlers: dict[int, Callable[[], bool]] = {}
        self.allow_wall(wall_seconds)
        for output in (self.stdout, self.stderr):
            os.set_blocking(output.fd, False)
            self._watch(output.fd, functools.partial(self._read, output))

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """Whether the process is gone and has said all that it had to say."""

    @abc.abstractmethod
    def _kill(self) -> None:
        """Have the process killed."""

    @abc.abstractmethod
    def _give_up(self) -> None:
        """The killed process has not disappeared in time."""

    def allow_wall(self, seconds: float) -> None:
        """Set the deadline, from now on."""
        self.begun = time.monotonic()
        self.deadline = self.begun + seconds

    def kill(self, reason: Status) -> None:
        """Have the process killed; the first reason counts."""
        if self.kill_reason is not None:
            return
        self.kill_reason = reason
        self.deadline = time.monotonic() + REAP_SECONDS
        self._kill()

    def _serve(self, until: Callable[[], bool]) -> None:
        """Handle events until the process has ended, or `until` holds."""
        while not self.ended and not until():
            left = self.deadline - time.monotonic()
            events = self._poller.poll(max(0.0, 1000 * left))
            if not events and left <= 0:
                if self.kill_reason is None:
                    self.kill(Status.TIMED_OUT_WALL)
                else:
                    self._give_up()
            for descriptor, _ in events:
                if not self._handlers[descriptor]():
                    self._poller.unregister(descriptor)
                    del self._handlers[descriptor]

    def _watch(
        self, descriptor: int, handler: Callable[[], bool], events: int = select.POLLIN
    ) -> None:
        """Call `handler` at each event, until it returns False."""
        self._handlers[descriptor] = handler
        self._poller.register(descriptor, events)

    def _read(self, output: CapturedOutput) -> bool:
        output.read()
        if output.exceeded:
            self.kill(Status.TOO_MUCH_OUTPUT)
        return output.open and not output.exceeded


def signal_outcome(
    number: int, cpu_seconds: float, limits: Limits, *, cpu_exceeded: bool = False
) -> Outcome:
    """The outcome of a process that a signal ended.

    Args:
        number: of the signal.
        cpu_seconds: how much CPU time the process had used.
        limits: what it was allowed.
        cpu_exceeded: whether it is known to have been killed for its CPU time.
    """
    if cpu_exceeded or number == signal.SIGXCPU:
        return Outcome(Status.TIMED_OUT_CPU)
    if number == signal.SIGKILL and cpu_seconds >= limits.cpu_seconds:
        return Outcome(Status.TIMED_OUT_CPU)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return Outcome(Status.KILLED, signal=name)


def retried(attempt: Callable[[int, tuple[str, ...]], _T], notes: tuple[str, ...]) -> _T:
    """Make an attempt, and repeat it where the sandbox failed.

    Args:
        attempt: called with the number of tries before it, and the notes for its result.
        notes: for the result of the first attempt.

    Raises:
        SandboxUnavailableError: the sandbox failed each time.
    """
    for retries in range(MAX_TRIES):
        try:
            return attempt(retries, notes)
        except SandboxFailureError as error:
            notes = (*notes, f"restarted because the sandbox failed: {error}")
    raise SandboxUnavailableError(
        f"the sandbox failed {MAX_TRIES} times with the same program",
        got=notes[-1],
        fix="run `multiturn doctor`",
    )


def sealed_file(data: bytes) -> int:
    """A descriptor from which `data` can be read, and whose content no process can change."""
    descriptor = os.memfd_create("multiturn", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor
