"""The fork-server: warm, confined, and forks one child for each program.

Started by `worker.Worker` with its settings as the only argument and its control socket on
standard input. It never reads a job: each message on the control socket is one number, the
CPU time allowed, and six descriptors, which go to a fresh child as they are. What it says
to the supervisor is only when a child ended, and how, on that child's lifeline; when the
supervisor closes a lifeline, the child is killed.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from multiturn.sandbox.inside.isolation import Isolation, Place, isolation_for
from multiturn.sandbox.inside.program import RunningProgram
from multiturn.sandbox.inside.rlimits import die_with_parent, mapped_bytes, set_rlimits
from multiturn.sandbox.inside.threads import fit_threads, lock_among_threads
from multiturn.sandbox.ipc import Kind, send
from multiturn.sandbox.specs import IPC_FD, ChildExit, ChildSpec, ForkServerSettings

__all__ = ["REQUEST", "main"]

REQUEST = struct.Struct("<d")
"""CPU seconds that a child may use; with it go the descriptors job, stdin, stdout, stderr,
wire and lifeline."""
DESCRIPTORS = 6

ALLOWANCE = struct.Struct("<d")
"""On a lifeline, from the supervisor: CPU seconds from now on."""

_M_ARENA_MAX = -8

WATCH_SECONDS = 0.01
"""The shortest time between two looks at a child's CPU clock."""


class _Forked(BaseException):
    """A child was forked: raised in it, to leave the server's loop and the server's stack."""

    def __init__(
        self, descriptors: list[int], place: Place, parent: int, tasks: int | None
    ) -> None:
        super().__init__()
        self.descriptors, self.place, self.parent = descriptors, place, parent
        self.tasks = tasks


@dataclass(slots=True)
class _Child:
    """A running child, as the server sees it."""

    pid: int
    pidfd: int
    control_socket: socket.socket
    place: Place
    limit: float
    cpu_exceeded: bool = False

    @property
    def clock(self) -> int:
        """The id of the child's CPU clock: clock_getcpuclockid(3)."""
        return (~self.pid << 3) | 2

    def left(self) -> float:
        """CPU seconds it may still use; it is still our zombie at least, so the clock exists."""
        try:
            return self.limit - time.clock_gettime(self.clock)
        except OSError:
            return self.limit

    def kill(self) -> None:
        """End it now; nothing survives SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


class Server:
    """The loop: take descriptors, fork, watch the CPU clocks, report ends."""

    def __init__(self, control: socket.socket, isolation: Isolation) -> None:
        self.control = control
        self.isolation = isolation
        self.children: dict[int, _Child] = {}
        self.poller = select.poll()
        self.poller.register(control, select.POLLIN)

    def serve(self) -> None:
        """Serve until the supervisor is gone."""
        while True:
            for descriptor, _ in self.poller.poll(self._pause()):
                if descriptor == self.control.fileno():
                    if not self._accept():
                        return
                else:
                    self._attend(descriptor)
            self._watch()

    def leave(self) -> None:
        """In a child: forget the sockets without closing their numbers, which are others' now."""
        self.control.detach()
        for child in self.children.values():
            child.control_socket.detach()

    def _pause(self) -> float | None:
        """Milliseconds until a child can have used up its CPU time on all cores together."""
        if not self.children:
            return None
        left = min(child.left() for child in self.children.values())
        return 1000 * max(WATCH_SECONDS, left / (os.cpu_count() or 1))

    def _watch(self) -> None:
        for child in self.children.values():
            if not child.cpu_exceeded and child.left() <= 0:
                child.cpu_exceeded = True
                child.kill()

    def _accept(self) -> bool:
        received = _receive(self.control)
        if received is None:
            return False
        allowed, descriptors = received
        *for_child, control_fd = descriptors
        # Before the place: it may fork, and a slot would lead that elsewhere.
        tasks = self.isolation.task_limit()
        place = self.isolation.prepare()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            raise _Forked(for_child, place, parent, tasks)
        for descriptor in for_child:
            os.close(descriptor)
        control_socket = socket.socket(fileno=control_fd)
        child = _Child(pid, os.pidfd_open(pid), control_socket, place, allowed)
        for descriptor in (child.pidfd, control_fd):
            self.children[descriptor] = child
            self.poller.register(descriptor, select.POLLIN)
        return True

    def _attend(self, descriptor: int) -> None:
        child = self.children.get(descriptor)
        if child is None:
            return
        if descriptor != child.pidfd:
            self._hear(child)
            return
        _, status, usage = os.wait4(child.pid, 0)
        report = ChildExit(
            status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10, child.cpu_exceeded
        )
        # No report is a fault of the sandbox, and the program is run again.
        if self.isolation.clear(child.place):
            with contextlib.suppress(OSError):
                child.control_socket.send(report.to_bytes())
        self._forget(child)

    def _hear(self, child: _Child) -> None:
        """The supervisor allows a candidate more CPU time, or wants the child gone."""
        try:
            said = child.control_socket.recv(64)
        except OSError:
            said = b""
        if len(said) == ALLOWANCE.size:
            # The answer is the CPU time so far, so that a call's share can be told.
            used = child.limit - child.left()
            child.limit = used + ALLOWANCE.unpack(said)[0]
            with contextlib.suppress(OSError):
                child.control_socket.send(ALLOWANCE.pack(used))
            return
        child.kill()
        self.poller.unregister(child.control_socket)

    def _forget(self, child: _Child) -> None:
        for descriptor in (child.pidfd, child.control_socket.fileno()):
            with contextlib.suppress(KeyError):
                self.poller.unregister(descriptor)
            del self.children[descriptor]
        os.close(child.pidfd)
        child.control_socket.close()


def _receive(control: socket.socket) -> tuple[float, list[int]] | None:
    """One request: the CPU seconds and the descriptors; None when the supervisor is gone."""
    space = socket.CMSG_SPACE(DESCRIPTORS * 4)
    data, extra, _, _ = control.recvmsg(REQUEST.size, space, socket.MSG_CMSG_CLOEXEC)
    if len(data) != REQUEST.size:
        return None
    descriptors = array.array("i")
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content)
    return REQUEST.unpack(data)[0], descriptors.tolist()


def _begin(forked: _Forked, isolation: Isolation, mapped: int) -> RunningProgram:
    """The first steps of a child: from here on it is alone with its descriptors."""
    wire: socket.socket | None = None
    nonce = b""
    try:
        die_with_parent(forked.parent)
        job_fd, *ends = forked.descriptors
        with os.fdopen(os.dup(job_fd), "rb") as file:
            job = ChildSpec.from_bytes(file.read())
        nonce = job.nonce
        _arrange(ends, isolation.kept())
        wire = socket.socket(fileno=IPC_FD)
        os.setsid()
        isolation.enter(forked.place, job)
        set_rlimits(job, mapped, forked.tasks)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        isolation.close(forked.place)
        return RunningProgram(job, wire)
    except MemoryError:
        # The limit leaves not even room to get ready: the program's fault, or its limit's.
        if wire is not None:
            send(wire, nonce, Kind.STARTED)
            send(wire, nonce, Kind.RAISED, b'{"status":"out_of_memory","error":null,"line":null}')
    except BaseException as error:
        if wire is not None:
            send(wire, nonce, Kind.FAULT, f"{type(error).__name__}: {error}".encode())
    os._exit(1)


def _arrange(ends: list[int], kept: list[int]) -> None:
    """Descriptors 0 to 3 become stdin, stdout, stderr and the wire; all others but `kept` close."""
    high = [os.dup2(end, 200 + place) for place, end in enumerate(ends)]
    for place, end in enumerate(high):
        os.dup2(end, place)
    before = IPC_FD + 1
    for descriptor in sorted(kept):
        os.closerange(before, descriptor)
        before = descriptor + 1
    os.closerange(before, 1024)


def _preload(names: Iterator[str] | tuple[str, ...]) -> list[str]:
    """Import modules; those that are not installed are left out."""
    loaded = []
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            loaded.append(name)
    return loaded


def _share_arenas() -> None:
    """Let threads share their heaps: each of their own takes 64 MiB of a program's addresses."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)


def _forget_names() -> None:
    """Let programs ask anew what the machine is called, and be told a neutral name."""
    module = sys.modules.get("platform")
    if module is not None and hasattr(module, "_uname_cache"):
        setattr(module, "_uname_cache", None)  # noqa: B010


def main() -> RunningProgram | None:
    """Serve with the settings of the command line.

    Returns:
        In a child, the program that it is to execute; in the server, at its end, nothing.
    """
    settings = ForkServerSettings.from_json(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    isolation = isolation_for(settings)
    loaded = _preload(settings.modules)
    _share_arenas()
    _forget_names()
    lock_among_threads()
    fit_threads()
    sys.argv = [""]
    gc.collect()
    gc.freeze()
    control.send("\n".join(["ready", *loaded]).encode())
    server = Server(control, isolation)
    mapped = mapped_bytes()
    try:
        server.serve()
    except _Forked as forked:
        server.leave()
        child = forked.with_traceback(None)
    else:
        return None
    return _begin(child, isolation, mapped)
