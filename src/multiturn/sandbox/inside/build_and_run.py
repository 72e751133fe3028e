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

from multiturn.sandbox.inside.drop_root import become_nobody
from multiturn.sandbox.inside.jail import enclose
from multiturn.sandbox.inside.rlimits import KERNEL_MEMORY, lower
from multiturn.sandbox.inside.task_limit import TaskLimit
from multiturn.sandbox.linux import landlock, seccomp
from multiturn.sandbox.linux import namespaces as ns
from multiturn.sandbox.linux.libc import prctl
from multiturn.sandbox.outcomes import Rung
from multiturn.sandbox.specs import Shell

__all__ = ["Order", "Step", "main"]

_NO_WIRE = 0x3FFFFFFF
"""A descriptor that there never is: nothing of these programs needs to stay open."""
_PR_SET_PDEATHSIG = 1
_FAULT = 120
_TOLD = 1023
"""Where a child says why it could not become its program; above all it might close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
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
class Order:
    """What is to be done, and behind which walls."""

    rung: Rung
    shell: Shell
    scratch: str
    readable: tuple[str, ...]
    file_name: str
    environment: dict[str, str]
    steps: tuple[Step, ...]
    source: int
    """Descriptors: of the program's text, its standard input, the lifeline, the report."""
    stdin: int
    lifeline: int
    report: int

    def to_json(self) -> str:
        """As text for the command line."""
        return json.dumps(asdict(self) | {"rung": self.rung.value, "shell": self.shell.value})

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        steps = [Step(**step | {"command": tuple(step["command"])}) for step in data["steps"]]
        return cls(
            **data
            | {
                "rung": Rung(data["rung"]),
                "shell": Shell(data["shell"]),
                "readable": tuple(data["readable"]),
                "steps": tuple(steps),
            }
        )


class _Walls:
    """What stands around this process and around each step."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.namespaces = order.rung in (Rung.NAMESPACES, Rung.SHARED_NAMESPACES)
        self.readable: list[int] = []
        self.version = 0
        if self.namespaces:
            if order.shell is Shell.OWN:
                enclose(order.scratch, order.readable)
            self.place = Path("/tmp/program")
        else:
            if order.rung is Rung.LANDLOCK:
                self.version = landlock.abi()
                if not self.version:
                    raise OSError("the kernel has no Landlock, or it is turned off")
                self.readable = [
                    os.open(place, os.O_PATH | os.O_CLOEXEC)
                    for place in order.readable
                    if Path(place).exists()
                ]
            become_nobody(())
            self.place = Path(order.scratch) / "program"
        self.place.mkdir(mode=0o700)
        os.chdir(self.place)
        self.tasks = TaskLimit()

    def close(self, step: Step) -> None:
        """In the child, last of all before its program."""
        if self.version:
            own = os.open(".", os.O_PATH | os.O_DIRECTORY)
            null = os.open(os.devnull, os.O_PATH)
            landlock.restrict(self.version, self.readable, [own, null])
            os.closerange(3, _TOLD)
        if self.namespaces:
            ns.drop_capabilities(bounding=True)
        if self.order.rung is not Rung.LIMITS_ONLY:
            seccomp.Template(
                wire=_NO_WIRE,
                file_modes=self.namespaces,
                processes=True,
                forks=step.forks,
            ).install()


def main() -> None:
    """Do what the order on the command line says."""
    order = Order.from_json(sys.argv[1])
    report = os.fdopen(order.report, "w", encoding="ascii", buffering=1)
    try:
        with os.fdopen(order.source, "rb") as file:
            source = file.read()
        walls = _Walls(order)
        Path(order.file_name).write_bytes(source)
        for step in order.steps:
            report.write(json.dumps({"begins": step.name}) + "\n")
            said = _run(step, order, walls)
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


def _run(step: Step, order: Order, walls: _Walls) -> dict[str, Any]:
    """Run one step to its end, or until the supervisor lets go of the lifeline."""
    # The child tells of a fault before the program on a pipe that closes when it begins.
    tasks = walls.tasks.get()
    fault, told = os.pipe2(os.O_CLOEXEC)
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(fault)
        _become(step, order, walls, told, tasks)
    os.close(told)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    ended = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([ended, order.lifeline], [], [])
        if ended not in ready:
            _kill(pid)
        # It is still a zombie, so that the number of its group cannot be another's by now.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        _kill(pid)
        _, status, usage = os.wait4(pid, 0)
        words = os.read(fault, 2000).decode(errors="replace")
    finally:
        os.close(ended)
        os.close(fault)
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


def _become(step: Step, order: Order, walls: _Walls, told: int, tasks: int | None) -> NoReturn:
    """In the child: become the program of a step."""
    try:
        os.setpgid(0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(order.stdin if step.name == "run" else null, 0)
        told = os.dup2(told, _TOLD, inheritable=False)
        for descriptor in (order.stdin, order.lifeline, order.report, null):
            with contextlib.suppress(OSError):
                os.set_inheritable(descriptor, False)
        # After the descriptor above: the limit on open files may be lower than its number.
        _limit(step, tasks)
        walls.close(step)
        # Absolute, for tools that change their directory.
        here = str(walls.place)
        environment = {
            key: here if value == "." else value.replace("./", here + "/")
            for key, value in order.environment.items()
        }
        os.execvpe(step.command[0], step.command, environment)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(told, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(_FAULT)


def _limit(step: Step, tasks: int | None) -> None:
    cpu = max(1, int(step.cpu_seconds + 0.999))
    # Where the address space cannot be limited, what can be written to is.
    memory = resource.RLIMIT_AS if step.limits_address_space else resource.RLIMIT_DATA
    if tasks is not None:
        lower((resource.RLIMIT_NPROC, tasks, tasks))
    lower(
        (memory, step.memory_bytes, step.memory_bytes),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, step.file_bytes, step.file_bytes),
        (resource.RLIMIT_NOFILE, step.open_files, step.open_files),
        *KERNEL_MEMORY,
    )
