"""Process namespaces for children, each with an init of its own.

A program is never process 1: the kernel would not let it die of its own signals. So each
slot is a namespace with a small init that only waits, and the fork-server forks a program
into a slot in which nothing else runs. A program can leave nothing behind in it, as it cannot
start processes.
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
    """The slots of one fork-server."""

    def __init__(self) -> None:
        self._own = os.pidfd_open(os.getpid())
        self._inits: dict[int, int] = {}
        self._free = [self._make()]

    def take(self) -> int:
        """A slot for the next fork; answers a pidfd of its init."""
        while self._free and not self._sound(self._free[-1]):
            self._forget(self._free.pop())
        slot = self._free.pop() if self._free else self._make()
        ns.set_namespace(slot, ns.NEW_PID)
        return slot

    def give(self, slot: int) -> bool:
        """The program in it has ended, and it could start nothing.

        Returns:
            Whether the slot's init lives. Where not, somebody killed it, and the kernel the
            program with it.
        """
        if not self._sound(slot):
            self._forget(slot)
            return False
        self._free.append(slot)
        return True

    def _sound(self, slot: int) -> bool:
        return not select.select([slot], [], [], 0)[0]

    def _forget(self, slot: int) -> None:
        os.waitpid(self._inits.pop(slot), 0)
        os.close(slot)

    def _make(self) -> int:
        ns.set_namespace(self._own, ns.NEW_PID)
        ns.unshare(ns.NEW_PID)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_init(parent)
        # The kernel lets no process start threads whose children would go elsewhere, and
        # modules may start some when they are imported.
        ns.set_namespace(self._own, ns.NEW_PID)
        slot = os.pidfd_open(pid)
        self._inits[slot] = pid
        return slot


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
