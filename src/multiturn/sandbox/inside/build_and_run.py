"""Compiles and runs one program of another language than Python, behind walls of its own.

Started once for each program as `main(ORDER)`. It shuts itself in first, and starts
each step of the recipe as a child with limits, Landlock and a seccomp filter around it. It
reports on one descriptor and dies, with all that it started, when another is closed.

Where there are namespaces, this process is the first of its process namespace, and what is
left of a step dies with it. Where there are none, a step may not leave its process group
(the filter refuses setsid and setpgid), so that killing the group kills all of it.
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
from multiturn.sandbox.inside.rlimits import KERNEL_MEMORY, lower_rlimits
from multiturn.sandbox.inside.task_limit import TaskLimit
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.linux import landlock, seccomp
from multiturn.sandbox.linux import namespaces as ns
from multiturn.sandbox.linux.libc import prctl

__all__ = ["BuildAndRunSpec", "Command", "main"]

_NO_WIRE = 0x3FFFFFFF
"""A descriptor that there never is: nothing of these programs needs to stay open."""
_PR_SET_PDEATHSIG = 1
_SETUP_FAILED = 120
_ERROR_FD = 1023
"""Where a child says why it could not become its program; above all it might close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a recipe, and its limits."""

    name: str
    command: tuple[str, ...]
    forks: bool
    """Whether it may start processes; becoming another program is allowed either way."""
    limits_address_space: bool
    cpu_seconds: float
    memory_bytes: int
    file_bytes: int
    open_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildAndRunSpec:
    """What is to be done, and behind which walls."""

    isolation: IsolationLevel
    provider: NamespaceProvider
    scratch: str
    readable: tuple[str, ...]
    file_name: str
    environment: dict[str, str]
    steps: tuple[Command, ...]
    source: int
    """Descriptors: of the program's text, its standard input, the lifeline, the report."""
    stdin: int
    control_socket: int
    report: int

    def to_json(self) -> str:
        """As text for the command line."""
        return json.dumps(
            asdict(self) | {"isolation": self.isolation.value, "provider": self.provider.value}
        )

    @classmethod
    def from_json(cls, text: str) -> BuildAndRunSpec:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        steps = [Command(**step | {"command": tuple(step["command"])}) for step in data["steps"]]
        return cls(
            **data
            | {
                "isolation": IsolationLevel(data["isolation"]),
                "provider": NamespaceProvider(data["provider"]),
                "readable": tuple(data["readable"]),
                "steps": tuple(steps),
            }
        )


class _StepIsolation:
    """What stands around this process and around each step."""

    def __init__(self, spec: BuildAndRunSpec) -> None:
        self.spec = spec
        self.namespaces = spec.isolation in (
            IsolationLevel.NAMESPACES,
            IsolationLevel.SHARED_NAMESPACES,
        )
        self.readable: list[int] = []
        self.version = 0
        if self.namespaces:
            if spec.provider is NamespaceProvider.OWN:
                enter_jail(spec.scratch, spec.readable)
            self.place = Path("/tmp/program")
        else:
            if spec.isolation is IsolationLevel.LANDLOCK:
                self.version = landlock.abi()
                if not self.version:
                    raise OSError("the kernel has no Landlock, or it is turned off")
                self.readable = [
                    os.open(place, os.O_PATH | os.O_CLOEXEC)
                    for place in spec.readable
                    if Path(place).exists()
                ]
            drop_root(())
            self.place = Path(spec.scratch) / "program"
        self.place.mkdir(mode=0o700)
        os.chdir(self.place)
        self.tasks = TaskLimit()

    def close(self, step: Command) -> None:
        """In the child, last of all before its program."""
        if self.version:
            own = os.open(".", os.O_PATH | os.O_DIRECTORY)
            null = os.open(os.devnull, os.O_PATH)
            landlock.restrict(self.version, self.readable, [own, null])
            os.closerange(3, _ERROR_FD)
        if self.namespaces:
            ns.drop_capabilities(bounding=True)
        if self.spec.isolation is not IsolationLevel.LIMITS_ONLY:
            seccomp.Template(
                wire=_NO_WIRE,
                file_modes=self.namespaces,
                processes=True,
                forks=step.forks,
            ).install()


def main() -> None:
    """Do what the order on the command line says."""
    spec = BuildAndRunSpec.from_json(sys.argv[1])
    report = os.fdopen(spec.report, "w", encoding="ascii", buffering=1)
    try:
        with os.fdopen(spec.source, "rb") as file:
            source = file.read()
        isolation = _StepIsolation(spec)
        Path(spec.file_name).write_bytes(source)
        for step in spec.steps:
            report.write(json.dumps({"begins": step.name}) + "\n")
            said = _run(step, spec, isolation)
            report.write(json.dumps(said) + "\n")
            if said["status"] != 0:
                break
            _make_executable("program")
    except BaseException as error:
        report.write(json.dumps({"fault": f"{type(error).__name__}: {error}"}) + "\n")
    finally:
        report.flush()
        os._exit(0)


def _make_executable(name: str) -> None:
    """What a linker does at last, and cannot where the filter ignores changes of modes."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        # By descriptor: nothing the compiler left can lead to another file.
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _run(step: Command, spec: BuildAndRunSpec, isolation: _StepIsolation) -> dict[str, Any]:
    """Run one step to its end, or until the supervisor lets go of the lifeline."""
    # The child tells of a fault before the program on a pipe that closes when it begins.
    tasks = isolation.tasks.get()
    error_end, error_pipe = os.pipe2(os.O_CLOEXEC)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(error_end)
        _become(step, spec, isolation, error_pipe, tasks)
    os.close(error_pipe)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    ended = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([ended, spec.control_socket], [], [])
        if ended not in ready:
            _kill(pid)
        # It is still a zombie, so that the number of its group cannot be another's by now.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        _kill(pid)
        _, status, usage = os.wait4(pid, 0)
        words = os.read(error_end, 2000).decode(errors="replace")
    finally:
        os.close(ended)
        os.close(error_end)
    if words:
        raise OSError(words)
    return {
        "step": step.name,
        "status": status,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.monotonic() - began,
        "peak_memory_bytes": usage.ru_maxrss << 10,
    }


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _become(
    step: Command,
    spec: BuildAndRunSpec,
    isolation: _StepIsolation,
    error_pipe: int,
    tasks: int | None,
) -> NoReturn:
    """In the child: become the program of a step."""
    try:
        os.setpgid(0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(spec.stdin if step.name == "run" else null, 0)
        error_pipe = os.dup2(error_pipe, _ERROR_FD, inheritable=False)
        for descriptor in (spec.stdin, spec.control_socket, spec.report, null):
            with contextlib.suppress(OSError):
                os.set_inheritable(descriptor, False)
        # After the descriptor above: the limit on open files may be lower than its number.
        _set_rlimits(step, tasks)
        isolation.close(step)
        # Absolute, for tools that change their directory.
        here = str(isolation.place)
        environment = {
            key: here if value == "." else value.replace("./", here + "/")
            for key, value in spec.environment.items()
        }
        os.execvpe(step.command[0], step.command, environment)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(error_pipe, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(_SETUP_FAILED)


def _set_rlimits(step: Command, tasks: int | None) -> None:
    cpu = max(1, int(step.cpu_seconds + 0.999))
    # Where the address space cannot be limited, what can be written to is.
    memory = resource.RLIMIT_AS if step.limits_address_space else resource.RLIMIT_DATA
    if tasks is not None:
        lower_rlimits((resource.RLIMIT_NPROC, tasks, tasks))
    lower_rlimits(
        (memory, step.memory_bytes, step.memory_bytes),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, step.file_bytes, step.file_bytes),
        (resource.RLIMIT_NOFILE, step.open_files, step.open_files),
        *KERNEL_MEMORY,
    )
