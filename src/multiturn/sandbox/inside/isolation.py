"""The kinds of walls that a fork-server puts around itself and its children."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from multiturn.sandbox.inside.drop_root import drop_root
from multiturn.sandbox.inside.jail import DEVICES, TMP_REBIND, enter_jail, paths_below_tmp
from multiturn.sandbox.inside.pid_namespaces import PidNamespacePool
from multiturn.sandbox.inside.scratch import Scratch
from multiturn.sandbox.inside.syscall_emulation import emulate_syscalls
from multiturn.sandbox.inside.task_limit import (
    MAX_THREADS,
    TaskLimit,
    can_count_tasks_separately,
    count_tasks_separately,
)
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.linux import landlock, seccomp
from multiturn.sandbox.linux import namespaces as ns
from multiturn.sandbox.specs import IPC_FD, ChildSpec, ForkServerSettings

__all__ = [
    "LandlockIsolation",
    "LimitsOnlyIsolation",
    "NamespaceIsolation",
    "Place",
    "SharedNamespaceIsolation",
    "Isolation",
    "isolation_for",
]

Place = Path | int
"""Where a child works: a directory, or a slot of `PidNamespacePool`."""

MAX_FILES = 4096
"""How many files a private /tmp can hold."""


class Isolation(Protocol):
    """What stands between programs and the machine, in the steps of a child's life."""

    def kept(self) -> list[int]:
        """Descriptors that stay open in children."""
        ...

    def prepare(self) -> Place:
        """In the server, before the fork: a place for the child to work in."""
        ...

    def enter(self, place: Place, job: ChildSpec) -> None:
        """In the child, before its limits are set."""
        ...

    def task_limit(self) -> int | None:
        """In the server, before the fork: the RLIMIT_NPROC of the next child."""
        ...

    def close(self, place: Place) -> None:
        """In the child, with its limits set, as the last thing before the program."""
        ...

    def clear(self, place: Place) -> bool:
        """In the server, after the child's end; whether the walls stood until then."""
        ...


class LimitsOnlyIsolation:
    """No walls: a private directory, an empty environment and the kernel's limits."""

    def __init__(self, settings: ForkServerSettings) -> None:
        self._kept = drop_root(settings.readable)
        self._tasks = TaskLimit()
        self.scratch = Scratch(Path(settings.scratch))

    def kept(self) -> list[int]:
        """The places of the interpreter that have no name any more."""
        return self._kept

    def prepare(self) -> Place:
        """A directory of its own."""
        return self.scratch.make()

    def enter(self, place: Place, job: ChildSpec) -> None:  # noqa: ARG002
        """Go to the directory."""
        _settle(str(place))

    def task_limit(self) -> int | None:
        """What the account has already, and the threads of one program on top."""
        return self._tasks.get()

    def close(self, place: Place) -> None:
        """Nothing: there are no walls."""

    def clear(self, place: Place) -> bool:
        """Remove the directory."""
        self.scratch.remove(Path(str(place)))
        return True


class LandlockIsolation(LimitsOnlyIsolation):
    """Landlock and seccomp around each child; no privilege and no namespaces needed."""

    def __init__(self, settings: ForkServerSettings) -> None:
        self.version = landlock.abi(settings.max_landlock_abi)
        if not self.version:
            raise OSError("the kernel has no Landlock, or it is turned off")
        self.filter = seccomp.Template(
            wire=IPC_FD,
            file_modes=False,
            emulated=emulate_syscalls(),
            host_name=settings.isolation is not IsolationLevel.LANDLOCK,
        )
        self.readable = _opened(settings.readable)
        self.devices = _opened((os.devnull,))
        super().__init__(settings)

    def kept(self) -> list[int]:
        """Also the places that Landlock leaves open; they are closed once it is up."""
        return [*super().kept(), *self.readable, *self.devices]

    def close(self, place: Place) -> None:
        """Landlock, then seccomp."""
        own = os.open(str(place), os.O_PATH | os.O_DIRECTORY)
        landlock.restrict(self.version, self.readable, [own, *self.devices])
        for descriptor in (own, *self.readable, *self.devices):
            os.close(descriptor)
        self.filter.install()


class SharedNamespaceIsolation(LandlockIsolation):
    """Namespaces around the fork-server, shared by its children; Landlock around each."""

    def __init__(self, settings: ForkServerSettings) -> None:
        if settings.provider is NamespaceProvider.OWN:
            enter_jail(settings.scratch, settings.readable)
        super().__init__(settings)
        self.scratch = Scratch(Path("/tmp"))
        self._separate_count = can_count_tasks_separately()

    def task_limit(self) -> int | None:
        """The threads of one program, where it can be counted by itself."""
        return MAX_THREADS if self._separate_count else super().task_limit()

    def enter(self, place: Place, job: ChildSpec) -> None:
        """Where it can be, in a count of its own."""
        super().enter(place, job)
        if self._separate_count:
            count_tasks_separately()

    def close(self, place: Place) -> None:
        """As on the level below, without the capabilities of the shared user namespace."""
        ns.drop_capabilities(bounding=False)
        super().close(place)


class NamespaceIsolation:
    """Namespaces around the fork-server, and again around each child; seccomp inside."""

    def __init__(self, settings: ForkServerSettings) -> None:
        if settings.provider is NamespaceProvider.OWN:
            enter_jail(settings.scratch, settings.readable)
        else:
            # bubblewrap can show a device, or show it read-only and then useless. Written to
            # as ever, but its times and modes stay as they are.
            for device in DEVICES:
                ns.remount_read_only(device, devices=True, recursive=False)
        self.filter = seccomp.Template(wire=IPC_FD, file_modes=True, emulated=emulate_syscalls())
        _import_from_elsewhere(paths_below_tmp(settings.readable))
        self._separate_count = can_count_tasks_separately()
        # Found before there are slots, into which this process forks from then on.
        self._tasks = MAX_THREADS if self._separate_count else TaskLimit().get()
        self.slots = PidNamespacePool()

    def kept(self) -> list[int]:
        """Nothing: a child finds all it may read by its path."""
        return []

    def prepare(self) -> Place:
        """A process namespace in which nothing runs."""
        return self.slots.take()

    def enter(self, place: Place, job: ChildSpec) -> None:  # noqa: ARG002
        """A private /tmp. (The filter leaves a program no way to use System V's IPC.)"""
        ns.unshare(ns.NEW_NS)
        ns.mount_tmpfs("/tmp", size=job.file_bytes, files=MAX_FILES, mode=0o700)
        _settle("/tmp")
        if self._separate_count:
            count_tasks_separately()

    def task_limit(self) -> int | None:
        """The threads of one program, where it can be counted by itself."""
        return self._tasks

    def close(self, place: Place) -> None:  # noqa: ARG002
        """Without capabilities, under seccomp."""
        ns.drop_capabilities(bounding=False)
        self.filter.install()

    def clear(self, place: Place) -> bool:
        """The slot is free again; the mounts went with the child."""
        return self.slots.give(int(str(place)))


def _import_from_elsewhere(hidden: list[Path]) -> None:
    """Have modules below /tmp found where they are shown again, as children mount over /tmp."""

    def moved(name: str) -> str:
        return f"{TMP_REBIND}{name}" if any(map(Path(name).is_relative_to, hidden)) else name

    if hidden:
        sys.path[:] = map(moved, sys.path)
        for module in list(sys.modules.values()):
            places = getattr(module, "__path__", None)
            if isinstance(places, list):
                places[:] = map(moved, places)
        sys.path_importer_cache.clear()


def _settle(place: str) -> None:
    os.chdir(place)
    os.environ["HOME"] = os.environ["TMPDIR"] = place


def _opened(places: tuple[str, ...]) -> list[int]:
    """Descriptors of the places that exist, good for naming them to Landlock."""
    return [os.open(place, os.O_PATH | os.O_CLOEXEC) for place in places if Path(place).exists()]


def isolation_for(settings: ForkServerSettings) -> Isolation:
    """The walls that the settings name.

    Raises:
        OSError: the kernel, or this account, does not allow them.
    """
    kinds: dict[IsolationLevel, Callable[[ForkServerSettings], Isolation]] = {
        IsolationLevel.NAMESPACES: NamespaceIsolation,
        IsolationLevel.SHARED_NAMESPACES: SharedNamespaceIsolation,
        IsolationLevel.LANDLOCK: LandlockIsolation,
        IsolationLevel.LIMITS_ONLY: LimitsOnlyIsolation,
    }
    return kinds[settings.isolation](settings)
