"""The build server: an isolated process that forks one for each program of a toolchain.

A warm interpreter saves what its start costs, which is more than a compiler of C takes for a small
program. `supervisor.worker.Worker` starts it like a fork-server. It never reads a program: each
request is descriptors alone, which a fresh child gets as they are, and in which it does
`build_and_run`. The supervisor closes the child's control pipe to end it.

Where namespaces can be nested, the server is in a jail, and each child is the first process of a
namespace of its own, with a /tmp of its own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from multiturn.sandbox.inside.build_and_run import (
    ERROR_FD,
    BuildAndRunSpec,
    Command,
    Ends,
    build_and_run,
)
from multiturn.sandbox.inside.drop_root import drop_root
from multiturn.sandbox.inside.fork_server import receive_request
from multiturn.sandbox.inside.isolation import remount_devices
from multiturn.sandbox.inside.jail import SHARED_TMP_BYTES, enter_jail
from multiturn.sandbox.inside.rlimits import die_with_parent
from multiturn.sandbox.inside.task_limit import (
    MAX_THREADS,
    TaskLimit,
    can_count_tasks_separately,
    count_tasks_separately,
)
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.linux import landlock, seccomp
from multiturn.sandbox.linux import namespaces as ns
from multiturn.sandbox.specs import ForkServerSettings

__all__ = ["main", "namespaces_nest"]

_NO_IPC_FD = 0x3FFFFFFF
"""A descriptor that never exists: these programs have no IPC socket to protect."""
_MAX_FILES = 1 << 16
"""How many files the /tmp of a program can hold."""


def namespaces_nest(isolation: IsolationLevel, provider: NamespaceProvider) -> bool:
    """Whether children of a server have namespaces of their own.

    bubblewrap leaves the right to make them only on the first level. On the second one a server is
    started for each program.
    """
    if provider is NamespaceProvider.BWRAP:
        return isolation is IsolationLevel.NAMESPACES
    return provider is NamespaceProvider.OWN


class _BuildIsolation:
    """What isolates the server, each program's process, and each command."""

    def __init__(self, settings: ForkServerSettings) -> None:
        level, provider = settings.isolation, settings.provider
        self._namespaces = provider is not NamespaceProvider.NONE
        self._nest = namespaces_nest(level, provider)
        self._readable: list[int] = []
        self._abi = 0
        if provider is NamespaceProvider.OWN:
            enter_jail(settings.scratch, settings.readable)
        elif self._nest:
            remount_devices()
        elif not self._namespaces:
            if level is IsolationLevel.LANDLOCK:
                self._abi = landlock.abi(settings.max_landlock_abi)
                if not self._abi:
                    raise OSError("the kernel has no Landlock, or it is turned off")
                self._readable = [
                    os.open(path, os.O_PATH | os.O_CLOEXEC)
                    for path in settings.readable
                    if Path(path).exists()
                ]
            drop_root(())
        self._filters = {
            forks: seccomp.Template(
                ipc_fd=_NO_IPC_FD, file_modes=self._namespaces, processes=True, forks=forks
            )
            for forks in (False, True)
            if level is not IsolationLevel.LIMITS_ONLY
        }
        self._count_separately = self._nest and can_count_tasks_separately()
        self._tasks = TaskLimit()
        self._own = os.pidfd_open(os.getpid())

    def fork(self) -> int:
        """Fork a child: where they nest, as the first of a namespace of processes."""
        if not self._nest:
            return os.fork()
        ns.unshare(ns.NEW_PID)
        pid = os.fork()
        if pid:
            ns.set_namespace(self._own, ns.NEW_PID)
        return pid

    def tasks(self) -> int | None:
        """In the server: how many threads and processes the account may have."""
        return MAX_THREADS if self._count_separately else self._tasks.get()

    def enter(self, directory: str | None) -> None:
        """In the child: go to an empty directory of its own."""
        if self._nest:
            ns.unshare(ns.NEW_NS)
            ns.mount_tmpfs("/tmp", size=SHARED_TMP_BYTES, files=_MAX_FILES, mode=0o700)
            if self._count_separately:
                count_tasks_separately()
        if self._namespaces:
            # Once for all commands: this process needs none from here on.
            ns.drop_capabilities(bounding=True)
        own = Path(directory or "/tmp") / "program"
        own.mkdir(mode=0o700)
        os.chdir(own)

    def seal(self, command: Command) -> None:
        """In the process of a command, last of all before it starts."""
        if self._abi:
            own = os.open(".", os.O_PATH | os.O_DIRECTORY)
            null = os.open(os.devnull, os.O_PATH)
            landlock.restrict(self._abi, self._readable, [own, null])
            os.closerange(3, ERROR_FD)
        if self._filters:
            self._filters[command.forks].install()


class _Server:
    """The loop: take descriptors, fork, reap."""

    def __init__(self, control: socket.socket, isolation: _BuildIsolation) -> None:
        self._control = control
        self._isolation = isolation
        self._children: dict[int, int] = {}
        self._poller = select.poll()
        self._poller.register(control, select.POLLIN)

    def serve(self) -> None:
        """Serve until the supervisor is gone."""
        while True:
            for descriptor, _ in self._poller.poll():
                if descriptor == self._control.fileno():
                    if not self._accept():
                        return
                else:
                    self._reap(descriptor)

    def _accept(self) -> bool:
        received = receive_request(self._control)
        if received is None:
            return False
        _, descriptors = received
        tasks = self._isolation.tasks()
        parent = os.getpid()
        pid = self._isolation.fork()
        if pid == 0:
            self._be_child(descriptors, parent, tasks)
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poller.register(pidfd, select.POLLIN)
        return True

    def _reap(self, pidfd: int) -> None:
        self._poller.unregister(pidfd)
        os.close(pidfd)
        os.waitpid(self._children.pop(pidfd), 0)

    def _be_child(self, descriptors: list[int], parent: int, tasks: int | None) -> NoReturn:
        spec_fd, stdin, stdout, stderr, control, report = descriptors
        try:
            die_with_parent(parent)
            os.setsid()
            self._control.close()
            for pidfd in self._children:
                os.close(pidfd)
            for descriptor, standard in ((stdout, 1), (stderr, 2)):
                os.dup2(descriptor, standard)
                os.close(descriptor)
            spec = BuildAndRunSpec.from_bytes(os.pread(spec_fd, os.fstat(spec_fd).st_size, 0))
            os.close(spec_fd)
            self._isolation.enter(spec.directory)
            build_and_run(spec, Ends(stdin, control, report), self._isolation, tasks)
        except BaseException as error:
            text = json.dumps({"error": f"{type(error).__name__}: {error}"})
            with contextlib.suppress(OSError):
                os.write(report, text.encode("ascii") + b"\n")
        finally:
            os._exit(0)


def main() -> None:
    """Serve with the settings of the command line."""
    settings = ForkServerSettings.from_json(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    isolation = _BuildIsolation(settings)
    # A collection would copy the pages that a child shares with this process.
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(b"ready")
    _Server(control, isolation).serve()
