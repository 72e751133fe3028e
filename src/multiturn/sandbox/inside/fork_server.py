"""The fork-server: an isolated process with modules imported, which forks a child per program.

`supervisor.worker.Worker` starts it, with its settings as the only argument and its socket to the
supervisor as standard input. It never reads a program: each request is one number, the CPU time
allowed, and six descriptors, which a fresh child gets as they are. On a child's control socket
the server reports how the child ended; when the supervisor closes that socket, the child is
killed.
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

from multiturn.sandbox.inside.isolation import Isolation, Workspace, isolation_for
from multiturn.sandbox.inside.program import RunningProgram
from multiturn.sandbox.inside.rlimits import STACK_BYTES, die_with_parent, mapped_bytes, set_rlimits
from multiturn.sandbox.inside.threads import fit_threads, lock_among_threads
from multiturn.sandbox.ipc import Kind, send
from multiturn.sandbox.specs import IPC_FD, ChildExit, ChildSpec, ForkServerSettings

__all__ = ["REQUEST", "main", "receive_request"]

REQUEST = struct.Struct("<d")
"""CPU seconds that a child may use; with it come its descriptors: spec, stdin, stdout, stderr, IPC
socket and control socket."""
DESCRIPTORS = 6

ALLOWANCE = struct.Struct("<d")
"""On a control socket, from the supervisor: CPU seconds from now on."""

_M_ARENA_MAX = -8

WATCH_SECONDS = 0.01
"""The shortest time between two readings of a child's CPU clock."""


class _Forked(BaseException):
    """Raised in a forked child, to leave the server's loop and stack."""

    def __init__(
        self, descriptors: list[int], workspace: Workspace, parent: int, tasks: int | None
    ) -> None:
        super().__init__()
        self.descriptors, self.workspace, self.parent = descriptors, workspace, parent
        self.tasks = tasks


@dataclass(slots=True)
class _Child:
    """A running child, as the server sees it."""

    pid: int
    pidfd: int
    control_socket: socket.socket
    workspace: Workspace
    cpu_limit: float
    cpu_exceeded: bool = False

    @property
    def clock(self) -> int:
        """The id of the child's CPU clock: clock_getcpuclockid(3)."""
        return (~self.pid << 3) | 2

    def left(self) -> float:
        """CPU seconds it may still use. The clock of a zombie exists, too."""
        try:
            return self.cpu_limit - time.clock_gettime(self.clock)
        except OSError:
            return self.cpu_limit

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
        """In a child: detach the sockets; their numbers belong to other descriptors now."""
        self.control.detach()
        for child in self.children.values():
            child.control_socket.detach()

    def _pause(self) -> float | None:
        """Milliseconds until a child can have used up its CPU time, running on all cores."""
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
        received = receive_request(self.control)
        if received is None:
            return False
        allowed, descriptors = received
        *for_child, control_fd = descriptors
        # First, as it may fork: once a PID namespace is entered, forks go there.
        tasks = self.isolation.task_limit()
        workspace = self.isolation.prepare()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            raise _Forked(for_child, workspace, parent, tasks)
        for descriptor in for_child:
            os.close(descriptor)
        control_socket = socket.socket(fileno=control_fd)
        child = _Child(pid, os.pidfd_open(pid), control_socket, workspace, allowed)
        for descriptor in (child.pidfd, control_fd):
            self.children[descriptor] = child
            self.poller.register(descriptor, select.POLLIN)
        return True

    def _attend(self, descriptor: int) -> None:
        child = self.children.get(descriptor)
        if child is None:
            return
        if descriptor != child.pidfd:
            self._receive_control(child)
            return
        _, status, usage = os.wait4(child.pid, 0)
        report = ChildExit(
            status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10, child.cpu_exceeded
        )
        # Without a report the supervisor assumes a sandbox failure, and runs the program again.
        if self.isolation.release(child.workspace):
            with contextlib.suppress(OSError):
                child.control_socket.send(report.to_bytes())
        self._forget(child)

    def _receive_control(self, child: _Child) -> None:
        """The supervisor allows a session more CPU time, or wants the child killed."""
        try:
            data = child.control_socket.recv(64)
        except OSError:
            data = b""
        if len(data) == ALLOWANCE.size:
            # Answer with the CPU time so far, from which the supervisor finds a call's share.
            used = child.cpu_limit - child.left()
            child.cpu_limit = used + ALLOWANCE.unpack(data)[0]
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


def receive_request(control: socket.socket) -> tuple[float, list[int]] | None:
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
    """The first steps of a child, which now has its descriptors and nothing else of the server."""
    ipc: socket.socket | None = None
    nonce = b""
    try:
        die_with_parent(forked.parent)
        spec_fd, *ends = forked.descriptors
        with os.fdopen(os.dup(spec_fd), "rb") as file:
            spec = ChildSpec.from_bytes(file.read())
        nonce = spec.nonce
        _arrange(ends, isolation.inherited_fds())
        ipc = socket.socket(fileno=IPC_FD)
        os.setsid()
        isolation.enter(forked.workspace, spec)
        set_rlimits(spec, tasks=forked.tasks, mapped=mapped, stack_bytes=STACK_BYTES)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        isolation.seal(forked.workspace)
        return RunningProgram(spec, ipc)
    except MemoryError:
        # The memory limit leaves no room even for the preparation.
        if ipc is not None:
            send(ipc, nonce, Kind.STARTED)
            send(ipc, nonce, Kind.RAISED, b'{"status":"out_of_memory","error":null,"line":null}')
    except BaseException as error:
        if ipc is not None:
            send(ipc, nonce, Kind.SETUP_FAILED, f"{type(error).__name__}: {error}".encode())
    os._exit(1)


def _arrange(ends: list[int], inherited: list[int]) -> None:
    """Make 0 to 3 stdin, stdout, stderr and the IPC socket; close all others but `inherited`."""
    high = [os.dup2(end, 200 + number) for number, end in enumerate(ends)]
    for number, end in enumerate(high):
        os.dup2(end, number)
    before = IPC_FD + 1
    for descriptor in sorted(inherited):
        os.closerange(before, descriptor)
        before = descriptor + 1
    os.closerange(before, 1024)


def _preload(names: Iterator[str] | tuple[str, ...]) -> list[str]:
    """Import modules, without those that are not installed."""
    loaded = []
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            loaded.append(name)
    return loaded


def _share_arenas() -> None:
    """Let threads share heaps: each heap takes 64 MiB of a program's address space."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)


def _forget_names() -> None:
    """Clear the cached machine name, so that programs ask again and get a neutral one."""
    module = sys.modules.get("platform")
    if module is not None and hasattr(module, "_uname_cache"):
        setattr(module, "_uname_cache", None)  # noqa: B010


def main() -> RunningProgram | None:
    """Serve with the settings of the command line.

    Returns:
        In a child, the program to execute; in the server, at its end, None.
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
