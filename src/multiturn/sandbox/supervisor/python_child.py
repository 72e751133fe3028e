"""A Python program in a child of a fork-server, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import time
from dataclasses import replace

from multiturn.sandbox.encoding import MAX_BYTES, EncodingError, Opaque, decode_text
from multiturn.sandbox.ipc import NONCE_BYTES, Assembler, Kind, Message, send_call
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import Outcome, RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.specs import ChildExit, ChildSpec
from multiturn.sandbox.supervisor.child import (
    READ_BYTES,
    REAP_SECONDS,
    Child,
    ChildSetupError,
    WorkerDiedError,
    sealed_file,
    signal_outcome,
)
from multiturn.sandbox.supervisor.worker import Worker

__all__ = ["PythonChild"]

SESSION_CPU_SECONDS = 3600.0
"""The kernel's own limit for a child that takes calls; the fork-server limits each call."""

DECODE_SECONDS = 1.5
"""CPU time for decoding a value: several times what the largest honest one takes."""

_CPU_SECONDS = struct.Struct("<d")

_ANSWERS = frozenset((Kind.RETURNED, Kind.CALL_RAISED))


class _Stdin:
    """What is still to be written to a program's standard input."""

    def __init__(self, descriptor: int, data: bytes) -> None:
        os.set_blocking(descriptor, False)
        self.fd = descriptor
        self._left = memoryview(data)

    def write(self) -> bool:
        """Write what fits; whether more has to be written later."""
        try:
            while self._left:
                self._left = self._left[os.write(self.fd, self._left) :]
        except BlockingIOError:
            return True
        except OSError:
            pass  # The program has closed it.
        self.close()
        return False

    def close(self) -> None:
        """End the program's input; safe to call twice."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class PythonChild(Child):
    """A program in a child of a fork-server.

    Args:
        worker: the fork-server.
        program: what to run.
        limits: what it may use; for a session, its top level.
        session: whether the program stays for calls after its top level has run.

    Raises:
        WorkerDiedError: the fork-server is gone.
    """

    def __init__(
        self, worker: Worker, program: Program, limits: Limits, *, session: bool = False
    ) -> None:
        self.messages: list[Message] = []
        self.exit: ChildExit | None = None
        self.cpu_seconds = 0.0
        """What the child has used, as last reported."""
        self._unanswered = 0
        nonce = os.urandom(NONCE_BYTES)
        self._assembler = Assembler(nonce, MAX_BYTES)
        spec = ChildSpec(
            nonce=nonce,
            source=program.source,
            result=program.result,
            seed=program.seed,
            session=session,
            cpu_seconds=SESSION_CPU_SECONDS if session else limits.cpu_seconds,
            memory_bytes=limits.memory_bytes,
            file_bytes=limits.file_bytes,
            open_files=limits.open_files,
        )
        with contextlib.ExitStack() as given:
            spec_fd = sealed_file(spec.to_bytes())
            given.callback(os.close, spec_fd)
            stdin, stdin_end = os.pipe()
            given.callback(os.close, stdin)
            self._stdin = _Stdin(stdin_end, program.stdin)
            stdout_end, stdout = os.pipe()
            given.callback(os.close, stdout)
            stderr_end, stderr = os.pipe()
            given.callback(os.close, stderr)
            self._ipc, ipc = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            given.callback(ipc.close)
            self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            given.callback(control.close)
            super().__init__(limits, stdout_end, stderr_end, limits.wall_seconds)
            try:
                worker.spawn(
                    limits.cpu_seconds,
                    [spec_fd, stdin, stdout, stderr, ipc.fileno(), control.fileno()],
                )
            except WorkerDiedError:
                self.close()
                raise
        self._watch(self._ipc.fileno(), self._receive)
        self._watch(self._control.fileno(), self._receive_control)
        if self._stdin.write():
            self._watch(stdin_end, self._stdin.write, select.POLLOUT)

    @property
    def ended(self) -> bool:
        """Whether the fork-server has reported the child's end."""
        return self.exit is not None

    def wait(self, until: frozenset[bytes] = frozenset()) -> None:
        """Serve the child until it has ended, or has sent a message of a kind in `until`.

        Raises:
            WorkerDiedError: the fork-server died; what the program did is not known.
        """
        self._serve(lambda: bool(self.messages) and self.messages[-1].kind in until)
        self.stdout.drain()
        self.stderr.drain()
        if self.exit is None:
            return
        # What the child has sent is all there by now, and limited in number.
        while self._has_packet() and self._receive():
            pass
        if (self.stdout.exceeded or self.stderr.exceeded) and self.kill_reason is None:
            self.kill_reason = Status.TOO_MUCH_OUTPUT

    def call(self, payload: bytes, limits: Limits) -> float:
        """Call a function of the program, and wait for the answer.

        Args:
            payload: the encoded name and arguments.
            limits: CPU and wall time of this call.

        Returns:
            CPU seconds that the call took.

        Raises:
            WorkerDiedError: the fork-server died during the call.
        """
        self.messages.clear()
        self.limits = replace(
            self.limits, cpu_seconds=limits.cpu_seconds, wall_seconds=limits.wall_seconds
        )
        for output in (self.stdout, self.stderr):
            output.drain()
            output.data.clear()
        self._assembler.reset()
        self._allow_cpu()
        self.allow_wall(limits.wall_seconds)
        used = self.cpu_seconds
        # A program that does not read must not delay the supervisor for longer than it may.
        with contextlib.suppress(OSError):
            self._ipc.settimeout(limits.wall_seconds)
            send_call(self._ipc, payload)
        self._ipc.settimeout(None)
        self.wait(until=_ANSWERS)
        self.measure_cpu()
        return max(0.0, self.cpu_seconds - used)

    def measure_cpu(self) -> None:
        """Bring `cpu_seconds` up to date.

        Raises:
            WorkerDiedError: the fork-server does not answer.
        """
        if self.exit is not None:
            return
        self._allow_cpu()
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        while self._unanswered > 0 and self.exit is None:
            if not poller.poll(1000 * REAP_SECONDS):
                raise WorkerDiedError("the fork-server does not answer")
            self._receive_control()

    def answer(self) -> tuple[Outcome, object]:
        """The outcome of the last call, and what it returned."""
        answers = [message for message in self.messages if message.kind in _ANSWERS]
        if self.exit is None and answers:
            if answers[-1].kind == Kind.RETURNED:
                return Outcome(Status.FINISHED), self._value(Kind.RETURNED)
            return _error_outcome(answers[-1].payload), None
        outcome = self._outcome(started=True)
        if outcome.finished:
            outcome = Outcome(Status.EARLY_EXIT, exit_code=outcome.exit_code)
        return outcome, None

    def result(self, isolation: IsolationLevel, retries: int, notes: tuple[str, ...]) -> RunResult:
        """The record of the run.

        Raises:
            ChildSetupError: the program was never started.
        """
        outcome = self._outcome()
        return RunResult(
            outcome=outcome,
            isolation=isolation,
            stdout=self.stdout.content,
            stderr=self.stderr.content,
            value=self._value(Kind.FINISHED) if outcome.finished else None,
            cpu_seconds=self.cpu_seconds,
            wall_seconds=time.monotonic() - self.begun,
            peak_memory_bytes=self.exit.peak_memory_bytes if self.exit else None,
            retries=retries,
            notes=notes,
        )

    def close(self) -> None:
        """Close all descriptors, which kills a child that still runs."""
        self._stdin.close()
        for output in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                os.close(output.fd)
        self._ipc.close()
        self._control.close()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            self._control.send(b"k")

    def _give_up(self) -> None:
        raise WorkerDiedError("a killed child was not reaped")

    def _allow_cpu(self) -> None:
        """Allow a session the CPU time of a call; the fork-server answers with what it used."""
        with contextlib.suppress(OSError):
            self._control.send(_CPU_SECONDS.pack(self.limits.cpu_seconds))
            self._unanswered += 1

    def _receive(self) -> bool:
        """Take one packet of the child; False when no more can come."""
        try:
            packet = self._ipc.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not packet:
            return False
        message = self._assembler.feed(packet)
        if message is not None:
            self.messages.append(message)
        if self._assembler.exceeded:
            self.kill(Status.TOO_MUCH_OUTPUT)
            return False
        return True

    def _has_packet(self) -> bool:
        poller = select.poll()
        poller.register(self._ipc, select.POLLIN)
        return bool(poller.poll(0)) and not self._assembler.exceeded

    def _receive_control(self) -> bool:
        """Take what the fork-server reports."""
        try:
            data = self._control.recv(64)
        except ConnectionResetError:
            # The fork-server closed its end without reading our last message. The kernel says
            # so once, before it hands over what the fork-server sent itself.
            data = self._control.recv(64)
        if not data:
            raise WorkerDiedError("the fork-server ended")
        if len(data) == _CPU_SECONDS.size:
            self.cpu_seconds = _CPU_SECONDS.unpack(data)[0]
            self._unanswered -= 1
        else:
            self.exit = ChildExit.from_bytes(data)
            self.cpu_seconds = self.exit.cpu_seconds
        return True

    def _outcome(self, *, started: bool = False) -> Outcome:
        """How the program ended, or how far it has come.

        Args:
            started: whether it is known to have started.

        Raises:
            ChildSetupError: the program was never started.
        """
        messages = {message.kind: message for message in self.messages}
        if Kind.SETUP_FAILED in messages and Kind.STARTED not in messages and not started:
            # Once started, only the program itself can have sent this.
            raise ChildSetupError(messages[Kind.SETUP_FAILED].payload.decode(errors="replace"))
        if self.kill_reason is not None:
            return Outcome(self.kill_reason)
        ended = self.exit
        if ended is not None and not started and Kind.STARTED not in messages:
            raise ChildSetupError(f"the child ended before the program began: {ended}")
        if ended is not None and os.WIFSIGNALED(ended.status):
            return signal_outcome(
                os.WTERMSIG(ended.status),
                ended.cpu_seconds,
                self.limits,
                cpu_exceeded=ended.cpu_exceeded,
            )
        if Kind.RAISED in messages:
            return _error_outcome(messages[Kind.RAISED].payload)
        if Kind.EXIT in messages:
            text = messages[Kind.EXIT].payload[:3]
            return Outcome(Status.EARLY_EXIT, exit_code=int(text) if text.isdigit() else None)
        if Kind.FINISHED in messages:
            return Outcome(Status.FINISHED)
        code = os.WEXITSTATUS(ended.status) if ended is not None else None
        return Outcome(Status.EARLY_EXIT, exit_code=code)

    def _value(self, kind: bytes) -> object:
        """The value in the last message of a kind, which is removed from the messages.

        Decoding takes no more CPU time than the program may, and never more than
        `DECODE_SECONDS`.
        """
        at = max(at for at, message in enumerate(self.messages) if message.kind == kind)
        message = self.messages.pop(at)
        try:
            text = message.payload.decode("ascii")
            del message  # So that the payload and its text are not in memory together.
            seconds = min(DECODE_SECONDS, self.limits.cpu_seconds)
            value: object = decode_text(text, seconds=seconds)
        except (EncodingError, UnicodeDecodeError) as error:
            return Opaque(f"not a value: {error}"[:200])
        return value


def _error_outcome(payload: bytes | bytearray) -> Outcome:
    """The outcome in the JSON of a RAISED or CALL_RAISED message, whose form is not trusted."""
    try:
        report = json.loads(payload)
        status = Status(report["status"])
        line = report["line"] if type(report["line"]) is int else None
        error = None if report["error"] is None else str(report["error"])[:2000]
        if status in (Status.RAISED, Status.SYNTAX_ERROR, Status.OUT_OF_MEMORY):
            return Outcome(status, error=error, line=line)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return Outcome(Status.RAISED, error="an error that could not be read")
