"""One program's run, seen from outside: its pipes, its messages, its clock, its outcome."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass

from multiturn.sandbox.encoding import MAX_BYTES, EncodingError, Opaque, decode_text
from multiturn.sandbox.ipc import NONCE_BYTES, Assembler, Kind, Message
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.specs import ChildExit, ChildSpec
from multiturn.sandbox.supervisor.worker import Worker, WorkerDiedError

__all__ = ["Child", "ChildSetupError"]

REAP_SECONDS = 20.0
"""How long a killed child may take to be gone before the fork-server counts as dead."""

CALLS_CPU_SECONDS = 3600.0
"""The kernel's own limit for a child that takes calls; the server watches each call's."""

READ_BYTES = 1 << 16

READ_SECONDS = 1.5
"""CPU time for reading a value: several times what the largest honest one takes."""

_ALLOWANCE = struct.Struct("<d")


class ChildSetupError(WorkerDiedError):
    """A child could not be made ready for its program. A fault of the sandbox."""


@dataclass(slots=True)
class _Stream:
    """What came out of one pipe, and whether it was too much."""

    fd: int
    most: int
    data: bytearray
    open: bool = True

    def read(self) -> bool:
        """Take what is there; whether more than allowed has come."""
        try:
            chunk = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self.open = False
        self.data += chunk
        return len(self.data) > self.most

    def drain(self) -> bool:
        """Take all that is left after the writer's end; whether it was too much."""
        before = -1
        while self.open and len(self.data) != before and len(self.data) <= self.most:
            before = len(self.data)
            self.read()
        return len(self.data) > self.most


@dataclass(slots=True)
class _Feed:
    """What is still to be written into a program's standard input."""

    fd: int
    left: memoryview

    def write(self) -> bool:
        """Write what fits; whether that was all, or nobody will read the rest."""
        try:
            while self.left:
                self.left = self.left[os.write(self.fd, self.left) :]
        except BlockingIOError:
            return False
        except OSError:
            pass
        self.close()
        return True

    def close(self) -> None:
        """The end of the program's input; safe to call twice."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Child:
    """A program in a child of a fork-server.

    Raises:
        WorkerDiedError: the fork-server is gone.
    """

    def __init__(
        self, worker: Worker, program: Program, limits: Limits, *, keep: bool = False
    ) -> None:
        self.worker = worker
        self.limits = limits
        self.messages: list[Message] = []
        self.exit: ChildExit | None = None
        self.cpu_seconds = 0.0
        """What the child has used, as last heard."""
        self._unanswered = 0
        self.kill_reason: Status | None = None
        """Why the supervisor killed it."""
        nonce = os.urandom(NONCE_BYTES)
        self._assembler = Assembler(nonce, MAX_BYTES)
        job = ChildSpec(
            nonce=nonce,
            source=program.source,
            result=program.result,
            seed=program.seed,
            keep=keep,
            cpu_seconds=CALLS_CPU_SECONDS if keep else limits.cpu_seconds,
            memory_bytes=limits.memory_bytes,
            file_bytes=limits.file_bytes,
            open_files=limits.open_files,
        )
        kind = socket.SOCK_SEQPACKET
        with contextlib.ExitStack() as given:
            job_fd = _file_of("job", job.to_bytes())
            given.callback(os.close, job_fd)
            stdin, in_end = os.pipe()
            given.callback(os.close, stdin)
            os.set_blocking(in_end, False)
            self.feed = _Feed(in_end, memoryview(program.stdin))
            out_end, out = os.pipe()
            given.callback(os.close, out)
            err_end, err = os.pipe()
            given.callback(os.close, err)
            self.wire, wire = socket.socketpair(socket.AF_UNIX, kind)
            given.callback(wire.close)
            self.control_socket, control_socket = socket.socketpair(socket.AF_UNIX, kind)
            given.callback(control_socket.close)
            self.out = _Stream(out_end, limits.output_bytes, bytearray())
            self.err = _Stream(err_end, limits.output_bytes, bytearray())
            for end in (out_end, err_end):
                os.set_blocking(end, False)
            self.begun = time.monotonic()
            self.deadline = self.begun + limits.wall_seconds
            try:
                worker.spawn(
                    limits.cpu_seconds,
                    [job_fd, stdin, out, err, wire.fileno(), control_socket.fileno()],
                )
            except WorkerDiedError:
                self.close()
                raise
        self._poller = select.poll()
        self._sources: dict[int, _Stream | _Feed | socket.socket] = {
            self.out.fd: self.out,
            self.err.fd: self.err,
            self.wire.fileno(): self.wire,
            self.control_socket.fileno(): self.control_socket,
        }
        for source in self._sources:
            self._poller.register(source, select.POLLIN)
        if not self.feed.write():
            self._sources[in_end] = self.feed
            self._poller.register(in_end, select.POLLOUT)

    def wait(self, until: frozenset[bytes] = frozenset()) -> None:
        """Serve the child until it has ended, or has sent a message of a kind in `until`.

        Raises:
            WorkerDiedError: the fork-server died; what the program did is not known.
        """
        while self.exit is None:
            if self.messages and self.messages[-1].kind in until:
                self._drain(ended=False)
                return
            left = self.deadline - time.monotonic()
            events = self._poller.poll(max(0.0, 1000 * left))
            if not events and left <= 0:
                if self.kill_reason is None:
                    self.end(Status.TIMED_OUT_WALL)
                else:
                    raise WorkerDiedError("a killed child was not reaped")
            for descriptor, _ in events:
                self._take(descriptor)
        self._drain(ended=True)

    def _take(self, descriptor: int) -> None:
        source = self._sources[descriptor]
        if isinstance(source, _Feed):
            self._poller.unregister(descriptor)
            if not source.write():
                self._poller.register(descriptor, select.POLLOUT)
        elif isinstance(source, _Stream):
            if source.read():
                self.end(Status.TOO_MUCH_OUTPUT)
            if not source.open or len(source.data) > source.most:
                self._poller.unregister(descriptor)
        elif source is self.wire:
            if not self._hear():
                self._poller.unregister(descriptor)
        else:
            try:
                data = self.control_socket.recv(64)
            except ConnectionResetError:
                # The server closed its end with a word of ours unread. That is told once,
                # before what the server said itself.
                data = self.control_socket.recv(64)
            if not data:
                raise WorkerDiedError("the fork-server ended")
            if len(data) == _ALLOWANCE.size:
                self.cpu_seconds = _ALLOWANCE.unpack(data)[0]
                self._unanswered -= 1
            else:
                self.exit = ChildExit.from_bytes(data)
                self.cpu_seconds = self.exit.cpu_seconds

    def _hear(self) -> bool:
        """Take one packet of the child; false when there will be no more."""
        try:
            packet = self.wire.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not packet:
            return False
        message = self._assembler.feed(packet)
        if message is not None:
            self.messages.append(message)
        if self._assembler.too_much:
            self.end(Status.TOO_MUCH_OUTPUT)
            return False
        return True

    def _more_to_hear(self) -> bool:
        waiting = select.poll()
        waiting.register(self.wire, select.POLLIN)
        return bool(waiting.poll(0)) and not self._assembler.too_much

    def _drain(self, *, ended: bool) -> None:
        """Take what is left in the pipes; the child's own writes are all there by now."""
        overflow = self.out.drain() | self.err.drain()
        if not ended:
            return
        # What the child has sent is all there by now, and of bounded number.
        while self._more_to_hear() and self._hear():
            pass
        if overflow and self.kill_reason is None:
            self.kill_reason = Status.TOO_MUCH_OUTPUT

    def end(self, why: Status) -> None:
        """Have the child killed."""
        if self.kill_reason is not None:
            return
        self.kill_reason = why
        self.deadline = time.monotonic() + REAP_SECONDS
        with contextlib.suppress(OSError):
            self.control_socket.send(b"k")

    def allow(self, limits: Limits) -> None:
        """Give a child that takes calls the CPU and wall time of its next one."""
        self._assembler.renew()
        self._grant(limits)
        self.begun = time.monotonic()
        self.deadline = self.begun + limits.wall_seconds

    def _grant(self, limits: Limits) -> None:
        with contextlib.suppress(OSError):
            self.control_socket.send(_ALLOWANCE.pack(limits.cpu_seconds))
            self._unanswered += 1

    def measure(self) -> None:
        """Bring `cpu_seconds` up to date.

        Raises:
            WorkerDiedError: the fork-server does not answer.
        """
        self._grant(self.limits)
        waiting = select.poll()
        waiting.register(self.control_socket, select.POLLIN)
        while self._unanswered > 0 and self.exit is None:
            if not waiting.poll(1000 * REAP_SECONDS):
                raise WorkerDiedError("the fork-server does not answer")
            self._take(self.control_socket.fileno())

    def forget_output(self) -> None:
        """Start the next call with nothing printed yet."""
        self._drain(ended=False)
        self.out.data.clear()
        self.err.data.clear()

    def outcome(self, *, started: bool = False) -> Outcome:
        """How the program ended, or how far it has come.

        Args:
            started: whether it is known to have been started.

        Raises:
            ChildSetupError: the program was never started.
        """
        kinds = {message.kind: message for message in self.messages}
        if Kind.FAULT in kinds and Kind.STARTED not in kinds and not started:
            # Later on it is the program that broke its own process: no fault of the sandbox.
            raise ChildSetupError(kinds[Kind.FAULT].payload.decode(errors="replace"))
        if self.kill_reason is not None:
            return Outcome(self.kill_reason)
        ended = self.exit
        if ended is not None and not started and Kind.STARTED not in kinds:
            raise ChildSetupError(f"the child ended before the program began: {ended}")
        if ended is not None and os.WIFSIGNALED(ended.status):
            return self._killed(ended, os.WTERMSIG(ended.status))
        for kind in (Kind.RAISED, Kind.EXIT, Kind.FINISHED):
            if kind in kinds:
                return _reported_outcome(kinds[kind])
        code = os.WEXITSTATUS(ended.status) if ended is not None else None
        return Outcome(Status.EARLY_EXIT, exit_code=code)

    def _killed(self, ended: ChildExit, number: int) -> Outcome:
        if ended.cpu_exceeded or number == signal.SIGXCPU:
            return Outcome(Status.TIMED_OUT_CPU)
        if number == signal.SIGKILL and ended.cpu_seconds >= self.limits.cpu_seconds:
            return Outcome(Status.TIMED_OUT_CPU)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return Outcome(Status.KILLED, signal=name)

    def result(self, isolation: IsolationLevel, retries: int, notes: tuple[str, ...]) -> RunResult:
        """The record of the run."""
        outcome = self.outcome()
        value: object = None
        if outcome.finished:
            value = read_value(self.messages, Kind.FINISHED, self.limits)
        return RunResult(
            outcome=outcome,
            isolation=isolation,
            stdout=bytes(self.out.data[: self.limits.output_bytes]),
            stderr=bytes(self.err.data[: self.limits.output_bytes]),
            value=value,
            cpu_seconds=self.cpu_seconds,
            wall_seconds=time.monotonic() - self.begun,
            peak_memory_bytes=self.exit.peak_memory_bytes if self.exit else None,
            retries=retries,
            notes=notes,
        )

    def close(self) -> None:
        """Let go of all descriptors; a child that still runs is killed by that."""
        self.feed.close()
        for end in (self.out.fd, self.err.fd):
            with contextlib.suppress(OSError):
                os.close(end)
        self.wire.close()
        self.control_socket.close()


def read_value(messages: list[Message], kind: bytes, limits: Limits) -> object:
    """The value of the last message of a kind, which is taken out of the messages.

    Reading takes no more CPU time than the program may, and never more than `READ_SECONDS`.
    """
    at = max(at for at, message in enumerate(messages) if message.kind == kind)
    message = messages.pop(at)
    try:
        text = message.payload.decode("ascii")
        del message  # Memory: the payload and its text need not stay side by side.
        value: object = decode_text(text, seconds=min(READ_SECONDS, limits.cpu_seconds))
    except (EncodingError, UnicodeDecodeError) as error:
        return Opaque(f"not a value: {error}"[:200])
    return value


def _reported_outcome(message: Message) -> Outcome:
    """The outcome that a child tells of itself."""
    if message.kind == Kind.FINISHED:
        return Outcome(Status.FINISHED)
    if message.kind == Kind.EXIT:
        code = message.payload[:3]
        return Outcome(Status.EARLY_EXIT, exit_code=int(code) if code.isdigit() else None)
    return parse_error(message.payload)


def parse_error(payload: bytes | bytearray) -> Outcome:
    """The outcome in the JSON of a RAISED or THREW message; never trusts its form."""
    try:
        said = json.loads(payload)
        status = Status(said["status"])
        line = said["line"] if type(said["line"]) is int else None
        if status in (Status.RAISED, Status.SYNTAX_ERROR, Status.OUT_OF_MEMORY):
            return Outcome(status, error=_text(said["error"]), line=line)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return Outcome(Status.RAISED, error="an error that could not be read")


def _text(said: object) -> str | None:
    return None if said is None else str(said)[:2000]


def _file_of(name: str, data: bytes) -> int:
    """A descriptor from which `data` can be read, and that nobody can change."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor
