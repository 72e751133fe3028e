"""Builds and runs one program with its language's toolchain, in isolation of its own.

A fresh interpreter runs `main` for each program. It isolates itself first, then starts each
command as a child with limits, Landlock and a seccomp filter around it. It reports on one
descriptor, and dies, with all that it started, when another one is closed.

Where there are namespaces, this process is the first of its process namespace, so whatever is
left of a command dies with it. Where there are none, a command cannot leave its process group
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
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from multiturn.sandbox.inside.drop_root import drop_root
from multiturn.sandbox.inside.jail import enter_jail
from multiturn.sandbox.inside.rlimits import set_rlimits
from multiturn.sandbox.inside.task_limit import TaskLimit
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.linux import landlock, seccomp
from multiturn.sandbox.linux import namespaces as ns
from multiturn.sandbox.linux.libc import prctl

__all__ = ["BuildAndRunSpec", "Command", "main"]

_NO_IPC_FD = 0x3FFFFFFF
"""A descriptor that never exists: these programs have no IPC socket to protect."""
_PR_SET_PDEATHSIG = 1
_SETUP_FAILED = 120
_ERROR_FD = 1023
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
    """What is to be done, and how it is isolated."""

    isolation: IsolationLevel
    provider: NamespaceProvider
    scratch: str
    readable: tuple[str, ...]
    file_name: str
    environment: dict[str, str]
    commands: tuple[Command, ...]
    source: int
    """Descriptors: the program's text, its standard input, the control pipe, the report."""
    stdin: int
    control: int
    report: int

    def to_json(self) -> str:
        """As text for the command line."""
        enums = {"isolation": self.isolation.value, "provider": self.provider.value}
        return json.dumps(asdict(self) | enums)

    @classmethod
    def from_json(cls, text: str) -> BuildAndRunSpec:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        commands = [Command(**each | {"argv": tuple(each["argv"])}) for each in data["commands"]]
        return cls(
            **data
            | {
                "isolation": IsolationLevel(data["isolation"]),
                "provider": NamespaceProvider(data["provider"]),
                "readable": tuple(data["readable"]),
                "commands": tuple(commands),
            }
        )


class _CommandIsolation:
    """What isolates this process, and then each command."""

    def __init__(self, spec: BuildAndRunSpec) -> None:
        self.level = spec.isolation
        self.namespaces = self.level in (
            IsolationLevel.NAMESPACES,
            IsolationLevel.SHARED_NAMESPACES,
        )
        self.readable: list[int] = []
        self.abi = 0
        if self.namespaces:
            if spec.provider is NamespaceProvider.OWN:
                enter_jail(spec.scratch, spec.readable)
            self.directory = Path("/tmp/program")
        else:
            if self.level is IsolationLevel.LANDLOCK:
                self.abi = landlock.abi()
                if not self.abi:
                    raise OSError("the kernel has no Landlock, or it is turned off")
                self.readable = [
                    os.open(path, os.O_PATH | os.O_CLOEXEC)
                    for path in spec.readable
                    if Path(path).exists()
                ]
            drop_root(())
            self.directory = Path(spec.scratch) / "program"
        self.directory.mkdir(mode=0o700)
        os.chdir(self.directory)
        self.tasks = TaskLimit()

    def seal(self, command: Command) -> None:
        """In the child, last of all before its command."""
        if self.abi:
            own = os.open(".", os.O_PATH | os.O_DIRECTORY)
            null = os.open(os.devnull, os.O_PATH)
            landlock.restrict(self.abi, self.readable, [own, null])
            os.closerange(3, _ERROR_FD)
        if self.namespaces:
            ns.drop_capabilities(bounding=True)
        if self.level is not IsolationLevel.LIMITS_ONLY:
            seccomp.Template(
                ipc_fd=_NO_IPC_FD,
                file_modes=self.namespaces,
                processes=True,
                forks=command.forks,
            ).install()


def main() -> None:
    """Do what the spec on the command line says."""
    spec = BuildAndRunSpec.from_json(sys.argv[1])
    with os.fdopen(spec.report, "w", encoding="ascii", buffering=1) as report:
        try:
            with os.fdopen(spec.source, "rb") as file:
                source = file.read()
            isolation = _CommandIsolation(spec)
            Path(spec.file_name).write_bytes(source)
            for command in spec.commands:
                report.write(json.dumps({"begins": command.name}) + "\n")
                end = _run(command, spec, isolation)
                report.write(json.dumps(end) + "\n")
                if end["status"] != 0:
                    break
                _make_executable("program")
        except BaseException as error:
            report.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        finally:
            report.flush()
            os._exit(0)


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


def _run(command: Command, spec: BuildAndRunSpec, isolation: _CommandIsolation) -> dict[str, Any]:
    """Run one command to its end, or until the supervisor closes the control pipe."""
    tasks = isolation.tasks.get()
    # The child reports an error before its command starts on a pipe that closes when it does.
    error_end, error = os.pipe2(os.O_CLOEXEC)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(error_end)
        _become(command, spec, isolation, error, tasks)
    os.close(error)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    pidfd = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([pidfd, spec.control], [], [])
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
    spec: BuildAndRunSpec,
    isolation: _CommandIsolation,
    error_fd: int,
    tasks: int | None,
) -> NoReturn:
    """In the child: turn into the command."""
    try:
        os.setpgid(0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(spec.stdin if command.name == "run" else null, 0)
        error_fd = os.dup2(error_fd, _ERROR_FD, inheritable=False)
        for descriptor in (spec.stdin, spec.control, spec.report, null):
            with contextlib.suppress(OSError):
                os.set_inheritable(descriptor, False)
        # After the descriptor above, whose number may be beyond the limit on open files.
        # Where the address space cannot be limited, writable memory is.
        memory = resource.RLIMIT_AS if command.limits_address_space else resource.RLIMIT_DATA
        set_rlimits(command, tasks=tasks, memory=memory)
        isolation.seal(command)
        # Absolute, for tools that change their directory.
        here = str(isolation.directory)
        environment = {
            key: here if value == "." else value.replace("./", here + "/")
            for key, value in spec.environment.items()
        }
        os.execvpe(command.argv[0], command.argv, environment)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(error_fd, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(_SETUP_FAILED)
