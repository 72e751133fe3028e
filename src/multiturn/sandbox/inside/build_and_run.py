"""Builds and runs one program with its language's toolchain, in isolation of its own.

The build server forks a process for each program, and `build_and_run` is what that process does:
it starts each command as a child with limits, Landlock and a seccomp filter around it. It reports
on one descriptor, and ends all that it started when another one is closed.

Where each program has namespaces of its own, this process is the first of its process namespace,
so whatever is left of a command dies with it. Elsewhere a command cannot leave its process group
(the filter refuses setsid and setpgid), so killing the group kills all of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from multiturn.sandbox.inside.rlimits import die_with_parent, set_rlimits

__all__ = [
    "ERROR_FD",
    "BuildAndRunSpec",
    "Command",
    "CommandIsolation",
    "Ends",
    "build_and_run",
    "placed",
]

_SETUP_FAILED = 120
ERROR_FD = 1023
"""Where a child reports why it could not start its command: above all that it closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a toolchain, and its limits."""

    name: str
    argv: tuple[str, ...]
    forks: bool
    """Whether it may start processes; it may replace itself by another program either way."""
    limits_address_space: bool
    cpu_seconds: float
    memory_bytes: int
    file_bytes: int
    open_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildAndRunSpec:
    """What is to be done. Written to a descriptor that only the process of the program reads."""

    directory: str | None
    """An empty directory for the program; None where it has a private /tmp."""
    file_name: str
    source: str
    environment: dict[str, str]
    """``.`` and ``./name`` stand for the program's directory and what is in it."""
    ready: dict[str, str]
    """Variables that name a directory, and are set if it is there."""
    commands: tuple[Command, ...]

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> BuildAndRunSpec:
        """Read what `to_bytes` wrote."""
        fields: dict[str, Any] = json.loads(data)
        commands = [Command(**each | {"argv": tuple(each["argv"])}) for each in fields["commands"]]
        return cls(**fields | {"commands": tuple(commands)})


@dataclass(frozen=True, slots=True)
class Ends:
    """Descriptors of one program: its standard input, the control pipe, the report."""

    stdin: int
    control: int
    report: int


class CommandIsolation(Protocol):
    """What isolates each command."""

    def seal(self, command: Command) -> None:
        """In the child, last of all before its command."""
        ...


def placed(environment: Mapping[str, str], directory: str) -> dict[str, str]:
    """An environment in which ``.`` stands for a directory: absolute, for tools that leave it."""
    return {
        key: directory + value[1:] if value == "." or value.startswith("./") else value
        for key, value in environment.items()
    }


def build_and_run(
    spec: BuildAndRunSpec, ends: Ends, isolation: CommandIsolation, tasks: int | None
) -> None:
    """Do what the spec says in the working directory, and report it.

    Args:
        spec: the program and the commands.
        ends: where its input comes from and its report goes to.
        isolation: of each command.
        tasks: how many threads and processes the account may have.
    """
    # A lone surrogate is no text; the compiler says so.
    Path(spec.file_name).write_bytes(spec.source.encode("utf-8", "surrogatepass"))
    # Before any fork: what a child does is done in copied memory, which is slower.
    environment = placed(spec.environment, os.getcwd())  # noqa: PTH109
    # What was ready for the compiler may have been removed since.
    environment |= {key: path for key, path in spec.ready.items() if os.path.isdir(path)}  # noqa: PTH112
    for command in spec.commands:
        _report(ends, {"begins": command.name})
        end = _run(command, environment, ends, isolation, tasks)
        _report(ends, end)
        if end["status"] != 0:
            break
        _make_executable("program")


def _report(ends: Ends, event: dict[str, Any]) -> None:
    os.write(ends.report, json.dumps(event).encode("ascii") + b"\n")


def _make_executable(name: str) -> None:
    """Do what a linker does last, and cannot do where the filter ignores changes of modes."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        # By descriptor: nothing that the compiler left can lead to another file.
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _run(
    command: Command,
    environment: Mapping[str, str],
    ends: Ends,
    isolation: CommandIsolation,
    tasks: int | None,
) -> dict[str, Any]:
    """Run one command to its end, or until the supervisor closes the control pipe."""
    # The child reports an error before its command starts on a pipe that closes when it does.
    error_end, error = os.pipe2(os.O_CLOEXEC)
    began = time.monotonic()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(error_end)
        _become(command, environment, ends, isolation, error, tasks, parent)
    os.close(error)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    pidfd = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([pidfd, ends.control], [], [])
        if pidfd not in ready:
            _kill(pid)
        # It is still a zombie, so the number of its group cannot be another's by now.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        _kill(pid)
        _, status, usage = os.wait4(pid, 0)
        message = os.read(error_end, 2000).decode(errors="replace")
    finally:
        os.close(pidfd)
        os.close(error_end)
    if message:
        raise OSError(message)
    return {
        "ends": command.name,
        "status": status,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.monotonic() - began,
        "peak_memory_bytes": usage.ru_maxrss << 10,
    }


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _become(
    command: Command,
    environment: Mapping[str, str],
    ends: Ends,
    isolation: CommandIsolation,
    error_fd: int,
    tasks: int | None,
    parent: int,
) -> NoReturn:
    """In the child: turn into the command."""
    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(ends.stdin if command.name == "run" else null, 0)
        error_fd = os.dup2(error_fd, ERROR_FD, inheritable=False)
        # After the descriptor above, whose number may be beyond the limit on open files.
        # Where the address space cannot be limited, writable memory is.
        memory = resource.RLIMIT_AS if command.limits_address_space else resource.RLIMIT_DATA
        set_rlimits(command, tasks=tasks, memory=memory)
        isolation.seal(command)
        os.execvpe(command.argv[0], command.argv, environment)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(error_fd, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(_SETUP_FAILED)
