"""A pool of PID namespaces for children, each with an init of its own.

A program must not be process 1, which the kernel protects from its own signals. So each namespace
has a small init that only waits, and the fork-server forks a program into a namespace in which
nothing else runs. A program leaves nothing behind in it, as it cannot start processes.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import NoReturn

from multiturn.sandbox.inside.rlimits import die_with_parent
from multiturn.sandbox.linux import namespaces as ns

__all__ = ["PidNamespacePool"]


class PidNamespacePool:
    """The PID namespaces of one fork-server, each known by a pidfd of its init."""

    def __init__(self) -> None:
        self._own = os.pidfd_open(os.getpid())
        self._inits: dict[int, int] = {}
        self._free = [self._make()]

    def acquire(self) -> int:
        """Enter a free namespace with the next fork; returns the pidfd of its init."""
        while self._free and not self._lives(self._free[-1]):
            self._forget(self._free.pop())
        init = self._free.pop() if self._free else self._make()
        ns.set_namespace(init, ns.NEW_PID)
        return init

    def release(self, init: int) -> bool:
        """Return a namespace whose program has ended.

        Returns:
            Whether its init lives. If not, it was killed, and the kernel killed the program too.
        """
        if not self._lives(init):
            self._forget(init)
            return False
        self._free.append(init)
        return True

    def _lives(self, init: int) -> bool:
        return not select.select([init], [], [], 0)[0]

    def _forget(self, init: int) -> None:
        os.waitpid(self._inits.pop(init), 0)
        os.close(init)

    def _make(self) -> int:
        ns.set_namespace(self._own, ns.NEW_PID)
        ns.unshare(ns.NEW_PID)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_init(parent)
        # The kernel starts no threads while forks go to another namespace, and modules may start
        # threads when they are imported.
        ns.set_namespace(self._own, ns.NEW_PID)
        init = os.pidfd_open(pid)
        self._inits[init] = pid
        return init


def _be_init(parent: int) -> NoReturn:
    """Wait, and reap what is orphaned, until killed."""
    try:
        die_with_parent(parent)
        os.closerange(0, 1024)
        ns.drop_capabilities(bounding=False)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel reaps.
        while True:
            time.sleep(3600)
    finally:
        os._exit(1)
