"""One fork-server, seen from outside: starting it, handing it descriptors, ending it."""

from __future__ import annotations

import array
import contextlib
import select
import socket
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.specs import ForkServerSettings
from multiturn.sandbox.supervisor.child import WorkerDiedError
from multiturn.sandbox.supervisor.directories import WorkDirectory, sweep
from multiturn.sandbox.supervisor.interpreter import readable_paths, start_interpreter

__all__ = ["ENVIRONMENT", "Worker"]

START_SECONDS = 120.0
"""How long a fork-server may take to import its modules on a busy machine."""

_CPU_SECONDS = struct.Struct("<d")

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Libraries would start a thread for each core, and a forked child has none of its parent's
    # threads.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
"""The environment of a program, apart from HOME and TMPDIR."""

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
"""What the interpreter of a fork-server runs, and each child at the bottom of its stack, so that
a program has as deep a stack as in an interpreter of its own."""


class Worker:
    """A running fork-server.

    Args:
        isolation: how it isolates programs.
        provider: what makes its namespaces.
        modules: what it imports before its first program.
        max_landlock_abi: use no newer version of Landlock.
        bootstrap: what its interpreter runs; by default the fork-server for Python programs.
        readable: what programs may read; by default what Python programs need.
        environment: of its interpreter.

    Raises:
        SandboxUnavailableError: it could not start; the message says why.
        WorkerDiedError: it was killed while it started.
    """

    def __init__(
        self,
        isolation: IsolationLevel,
        provider: NamespaceProvider,
        modules: Sequence[str],
        max_landlock_abi: int | None = None,
        *,
        bootstrap: str = BOOTSTRAP,
        readable: Sequence[str] | None = None,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> None:
        sweep()
        self._directory = WorkDirectory()
        self.active = 0
        """How many programs run in it now; the pool counts."""
        settings = ForkServerSettings(
            isolation=isolation,
            provider=provider,
            scratch=str(self._directory.path),
            modules=tuple(modules),
            readable=readable_paths() if readable is None else tuple(readable),
            max_landlock_abi=max_landlock_abi,
        )
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo, other, tempfile.TemporaryFile() as stderr_log:
            undo.callback(self._directory.remove)
            undo.callback(self._control.close)
            self.process = start_interpreter(
                bootstrap,
                settings.to_json(),
                isolation,
                provider,
                # bubblewrap makes the root directory before this interpreter starts in it.
                readable=(*settings.readable, *readable_paths()),
                environment=environment,
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=stderr_log,
            )
            other.close()
            try:
                self.loaded = self._await_ready()
            except WorkerDiedError:
                self.close()
                stderr_log.seek(0)
                lines = stderr_log.read().decode(errors="replace").strip().splitlines()
                if not lines:
                    # It reported no error, so it was killed.
                    raise WorkerDiedError("a fork-server was killed while it started") from None
                raise SandboxUnavailableError(
                    f"the fork-server for {isolation.value} did not start: {lines[-1]}"
                ) from None
            undo.pop_all()

    def _await_ready(self) -> tuple[str, ...]:
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        if not poller.poll(1000 * START_SECONDS):
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
        """Whether the fork-server's process lives."""
        return self.process.poll() is None

    def spawn(self, cpu_seconds: float, descriptors: Sequence[int]) -> None:
        """Fork a child.

        Args:
            cpu_seconds: what it may use; a build server has the limit in the spec.
            descriptors: its spec, stdin, stdout, stderr, IPC socket and control socket; for a
                build server the control pipe and the report's in place of the last two.

        Raises:
            WorkerDiedError: the fork-server is gone.
        """
        rights = array.array("i", descriptors)
        try:
            self._control.sendmsg(
                [_CPU_SECONDS.pack(cpu_seconds)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            )
        except OSError as error:
            raise WorkerDiedError(str(error)) from error

    def close(self) -> None:
        """End the fork-server and all its children, and remove the files they left."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2.0)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._directory.remove()
