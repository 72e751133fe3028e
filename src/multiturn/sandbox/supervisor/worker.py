"""One fork-server, seen from outside: starting it, handing it descriptors, ending it."""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.specs import UNPRIVILEGED_ID, ForkServerSettings
from multiturn.sandbox.supervisor.bwrap import bwrap_command
from multiturn.sandbox.supervisor.directories import WorkDirectory, sweep

__all__ = ["WorkerDiedError", "Worker", "readable_paths"]

START_SECONDS = 120.0
"""How long a fork-server may take to import its modules on a busy machine."""

_REQUEST = struct.Struct("<d")

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One thread for each library that would start one a core: a child of fork has none of
    # its parent's threads.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
"""All that a program finds in its environment, but for HOME and TMPDIR."""


_HOME = str(Path(__file__).resolve().parents[3])
"""Where this package is found; the fork-server looks there for nothing else."""

BOOTSTRAP = """
import sys
from os import _exit
sys.path.insert(0, sys.argv.pop(1))
from multiturn.sandbox.inside.fork_server import main
sys.path.pop(0)
program = main()
if program is not None:
    try:
        try:
            exec(program.code, program.space)
        except BaseException as error:
            program.raised(error)
        else:
            program.finished()
        program.leave()
    finally:
        _exit(1)
"""
"""What the interpreter of a fork-server runs, and at the end of its stack each child: so that
a program has as deep a stack to itself as in an interpreter of its own."""


class WorkerDiedError(Exception):
    """The fork-server ended, or does not answer. A fault of the sandbox, not of a program."""


def readable_paths() -> tuple[str, ...]:
    """Directories and files that a Python program needs to read."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    own = [sysconfig.get_path(name) for name in names]
    libraries = [str(Path(sys.base_prefix) / "lib"), sysconfig.get_config_var("LIBDIR")]
    system = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/share/zoneinfo",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/dev/zero",
        "/dev/urandom",
        "/dev/random",
    ]
    found = [place for place in (*own, *libraries, *system) if place and Path(place).exists()]
    return tuple(dict.fromkeys(found))


class Worker:
    """A running fork-server.

    Args:
        isolation: how it isolates.
        provider: what makes its namespaces.
        modules: what it imports before its first program.
        max_landlock_abi: use no newer version of Landlock.

    Raises:
        SandboxUnavailableError: it could not start; the message says why.
        WorkerDiedError: it was killed meanwhile.
    """

    def __init__(
        self,
        isolation: IsolationLevel,
        provider: NamespaceProvider,
        modules: Sequence[str],
        max_landlock_abi: int | None = None,
    ) -> None:
        sweep()
        self._place = WorkDirectory()
        self.active = 0
        """Programs that run in it now; kept by the pool."""
        settings = ForkServerSettings(
            isolation=isolation,
            provider=provider,
            scratch=str(self._place.path),
            modules=tuple(modules),
            readable=readable_paths(),
            max_landlock_abi=max_landlock_abi,
        )
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo, other, tempfile.TemporaryFile() as stderr_log:
            undo.callback(self._place.remove)
            undo.callback(self._control.close)
            command = [sys.executable, "-s", "-P", "-c", BOOTSTRAP, _HOME, settings.to_json()]
            user: int | None = None
            if provider is NamespaceProvider.BWRAP:
                user = UNPRIVILEGED_ID if os.geteuid() == 0 else None
                command = [*bwrap_command(isolation, settings.readable, _HOME), *command]
            self.process = subprocess.Popen(
                command,
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=stderr_log,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
            other.close()
            try:
                self.loaded = self._await_ready()
            except WorkerDiedError:
                self.close()
                stderr_log.seek(0)
                lines = stderr_log.read().decode(errors="replace").strip().splitlines()
                if not lines:
                    # It had nothing to say: somebody killed it.
                    raise WorkerDiedError("a fork-server was killed while it started") from None
                raise SandboxUnavailableError(
                    f"the fork-server of the level {isolation.value} did not start: {lines[-1]}"
                ) from None
            undo.pop_all()

    def _await_ready(self) -> tuple[str, ...]:
        waiting = select.poll()
        waiting.register(self._control, select.POLLIN)
        if not waiting.poll(1000 * START_SECONDS):
            raise WorkerDiedError("no answer")
        try:
            ready, *loaded = self._control.recv(65536).decode().split("\n")
        except OSError as error:
            raise WorkerDiedError(str(error)) from error
        if ready != "ready":
            raise WorkerDiedError("ended while starting")
        return tuple(loaded)

    @property
    def running(self) -> bool:
        """Whether the fork-server's process is there."""
        return self.process.poll() is None

    def spawn(self, cpu_seconds: float, descriptors: Sequence[int]) -> None:
        """Fork a child that gets the descriptors job, stdin, stdout, stderr, wire, lifeline.

        Raises:
            WorkerDiedError: the fork-server is gone.
        """
        rights = array.array("i", descriptors)
        try:
            self._control.sendmsg(
                [_REQUEST.pack(cpu_seconds)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            )
        except OSError as error:
            raise WorkerDiedError(str(error)) from error

    def close(self) -> None:
        """End the fork-server and all its children, and remove what they left."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2.0)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._place.remove()
