"""Isolation: what a fork-server puts around itself and its children, at each level."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from multiturn.sandbox.inside.drop_root import drop_root, move_imports
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
    "SharedNamespaceIsolation",
    "Isolation",
    "Workspace",
    "isolation_for",
    "remount_devices",
]

Workspace = Path | int
"""Where a child works: a directory, or a PID namespace of `PidNamespacePool`."""

MAX_FILES = 4096
"""How many files a private /tmp can hold."""


class Isolation(Protocol):
    """What isolates programs from the machine, in the order of a child's life."""

    def inherited_fds(self) -> list[int]:
        """Descriptors that stay open in children."""
        ...

    def prepare(self) -> Workspace:
        """In the server, before the fork: a workspace for the child."""
        ...

    def enter(self, workspace: Workspace, spec: ChildSpec) -> None:
        """In the child, before its limits are set."""
        ...

    def task_limit(self) -> int | None:
        """In the server, before the fork: the RLIMIT_NPROC of the next child."""
        ...

    def seal(self, workspace: Workspace) -> None:
        """In the child, with its limits set, as the last thing before the program."""
        ...

    def release(self, workspace: Workspace) -> bool:
        """In the server, after the child's end; whether the isolation held until then."""
        ...


class LimitsOnlyIsolation:
    """No isolation: a private directory, an empty environment and rlimits."""

    def __init__(self, settings: ForkServerSettings) -> None:
        self._inherited_fds = drop_root(settings.readable)
        self._tasks = TaskLimit()
        self.scratch = Scratch(Path(settings.scratch))

    def inherited_fds(self) -> list[int]:
        """Directories of the interpreter that the account can no longer reach by path."""
        return self._inherited_fds

    def prepare(self) -> Workspace:
        """A directory of its own."""
        return self.scratch.make()

    def enter(self, workspace: Workspace, spec: ChildSpec) -> None:  # noqa: ARG002
        """Change to the directory."""
        _change_directory(str(workspace))

    def task_limit(self) -> int | None:
        """The tasks that the account has already, plus the threads of one program."""
        return self._tasks.get()

    def seal(self, workspace: Workspace) -> None:
        """Nothing to seal."""

    def release(self, workspace: Workspace) -> bool:
        """Remove the directory."""
        self.scratch.remove(Path(str(workspace)))
        return True


class LandlockIsolation(LimitsOnlyIsolation):
    """Landlock and seccomp around each child; no privilege and no namespaces needed."""

    def __init__(self, settings: ForkServerSettings) -> None:
        self.abi = landlock.abi(settings.max_landlock_abi)
        if not self.abi:
            raise OSError("the kernel has no Landlock, or it is turned off")
        self.filter = seccomp.Template(
            ipc_fd=IPC_FD,
            file_modes=False,
            emulated=emulate_syscalls(),
            host_name=settings.isolation is not IsolationLevel.LANDLOCK,
        )
        self.readable = _opened(settings.readable)
        self.devices = _opened((os.devnull,))
        super().__init__(settings)

    def inherited_fds(self) -> list[int]:
        """Also what Landlock leaves readable; a child closes them once it is sealed."""
        return [*super().inherited_fds(), *self.readable, *self.devices]

    def seal(self, workspace: Workspace) -> None:
        """Landlock, then seccomp."""
        own = os.open(str(workspace), os.O_PATH | os.O_DIRECTORY)
        landlock.restrict(self.abi, self.readable, [own, *self.devices])
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
        """The threads of one program, where its tasks are counted separately."""
        return MAX_THREADS if self._separate_count else super().task_limit()

    def enter(self, workspace: Workspace, spec: ChildSpec) -> None:
        """Count its tasks separately, where that is possible."""
        super().enter(workspace, spec)
        if self._separate_count:
            count_tasks_separately()

    def seal(self, workspace: Workspace) -> None:
        """As with Landlock alone, and without the capabilities of the shared user namespace."""
        ns.drop_capabilities(bounding=False)
        super().seal(workspace)


class NamespaceIsolation:
    """Namespaces around the fork-server, and again around each child; seccomp inside."""

    def __init__(self, settings: ForkServerSettings) -> None:
        if settings.provider is NamespaceProvider.OWN:
            enter_jail(settings.scratch, settings.readable)
        else:
            remount_devices()
        self.filter = seccomp.Template(ipc_fd=IPC_FD, file_modes=True, emulated=emulate_syscalls())
        _use_tmp_rebind(paths_below_tmp(settings.readable))
        self._separate_count = can_count_tasks_separately()
        # Counted first, as this process forks into the pool's PID namespaces afterwards.
        self._tasks = MAX_THREADS if self._separate_count else TaskLimit().get()
        self.pid_namespaces = PidNamespacePool()

    def inherited_fds(self) -> list[int]:
        """None: a child reaches all it may read by its path."""
        return []

    def prepare(self) -> Workspace:
        """A PID namespace in which nothing runs."""
        return self.pid_namespaces.acquire()

    def enter(self, workspace: Workspace, spec: ChildSpec) -> None:  # noqa: ARG002
        """Mount a private /tmp. (The filter refuses System V IPC.)"""
        ns.unshare(ns.NEW_NS)
        ns.mount_tmpfs("/tmp", size=spec.file_bytes, files=MAX_FILES, mode=0o700)
        _change_directory("/tmp")
        if self._separate_count:
            count_tasks_separately()

    def task_limit(self) -> int | None:
        """The threads of one program, where its tasks are counted separately."""
        return self._tasks

    def seal(self, workspace: Workspace) -> None:  # noqa: ARG002
        """Drop capabilities, then install the seccomp filter."""
        ns.drop_capabilities(bounding=False)
        self.filter.install()

    def release(self, workspace: Workspace) -> bool:
        """Return the PID namespace; the mounts ended with the child."""
        return self.pid_namespaces.release(int(str(workspace)))


def remount_devices() -> None:
    """Take from the devices that bubblewrap binds what programs must not have.

    It binds them either so that their times and modes can be changed, or read-only and useless.
    Remounted like this they can be written to, and no more.
    """
    for device in DEVICES:
        ns.remount_read_only(device, devices=True, recursive=False)


def _use_tmp_rebind(hidden: list[Path]) -> None:
    """Let imports below /tmp use the second bind mount, as children mount over /tmp."""

    def moved(name: str) -> str:
        return f"{TMP_REBIND}{name}" if any(map(Path(name).is_relative_to, hidden)) else name

    if hidden:
        move_imports(moved)


def _change_directory(path: str) -> None:
    os.chdir(path)
    os.environ["HOME"] = os.environ["TMPDIR"] = path


def _opened(paths: tuple[str, ...]) -> list[int]:
    """Descriptors of the paths that exist, for Landlock rules."""
    return [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths if Path(path).exists()]


def isolation_for(settings: ForkServerSettings) -> Isolation:
    """The isolation that the settings name.

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
