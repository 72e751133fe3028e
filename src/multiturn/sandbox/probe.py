"""The probe: finds out whether an isolation level works, by a program that tries to escape."""

from __future__ import annotations

import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.isolation import IsolationLevel, NamespaceProvider
from multiturn.sandbox.outcomes import RunResult, Status
from multiturn.sandbox.protocol import Limits, Program
from multiturn.sandbox.supervisor.pool import PooledSandbox
from multiturn.sandbox.supervisor.worker import ENVIRONMENT

__all__ = ["ProbeResult", "probe"]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether an isolation level works on this machine, found by trying."""

    isolation: IsolationLevel
    provider: NamespaceProvider
    """What makes its namespaces."""
    works: bool
    reason: str
    """Why not, or what the probe did."""


_MAX_SOCKET_NAME = 107
"""Bytes in the name of a local socket: `sun_path` without its final NUL."""

PROBE_PROGRAM = """
import fcntl, os, signal, socket, subprocess
got_out = []

def attempt(what, action):
    try:
        action()
    except OSError:
        return
    except Exception:
        return
    got_out.append(what)

def read(path):
    with open(path, "rb") as file:
        file.read(1)

def write(path):
    with open(path, "ab") as file:
        file.write(b"out")

attempt("read a file of the user", lambda: read({secret!r}))
attempt("wrote a file of the user", lambda: write({secret!r}))
def truncate(flags):
    os.close(os.open({secret!r}, flags | os.O_TRUNC))

def send_named():
    # The kernel makes a datagram socket of a raw one.
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            left, right = socket.socketpair(socket.AF_UNIX, kind)
        except OSError:
            continue
        left.sendto(b"out", {datagrams!r})
        return
    raise OSError

def lock(path):
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

for flags in (3, 0, 1, 2):
    attempt("emptied a file of the user", lambda: truncate(flags))
attempt("emptied a file of the user", lambda: os.truncate({secret!r}, 0))
attempt("sent to a socket of the machine", send_named)
for path in ("/usr/lib", "/dev/null", os.__file__):
    attempt("locked a file of the machine", lambda: lock(path))
attempt("made a file outside", lambda: write({beside!r}))
attempt("read the list of passwords", lambda: read("/etc/shadow"))
attempt("signalled its parent", lambda: os.kill(os.getppid() or 1 // 0, 0))
attempt("signalled the supervisor", lambda: os.kill({supervisor}, 0))
attempt("opened a socket", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
attempt("started a process", lambda: os.fork() or os._exit(0))
attempt("started a program", lambda: subprocess.run(["/bin/true"]))
if set(os.environ) - {environment!r}:
    got_out.append("read the environment")
with open("scratch", "w") as file:
    file.write("works")
if open("scratch").read() != "works":
    got_out.append("cannot write its own directory")
"""


def probe(
    isolation: IsolationLevel, provider: NamespaceProvider, sandbox: PooledSandbox
) -> ProbeResult:
    """Run the probe program in a sandbox; whatever goes wrong is the reason why the level fails."""
    with tempfile.TemporaryDirectory(prefix="multiturn-probe-") as temporary:
        directory = Path(temporary)
        # Open to every account, so that only the isolation can keep the program out.
        directory.chmod(0o777)
        secret = directory / "secret"
        secret.write_text("secret")
        secret.chmod(0o666)
        try:
            result = _run(sandbox, directory)
        except SandboxUnavailableError as error:
            return ProbeResult(isolation, provider, False, str(error))
        if result.outcome.status is not Status.FINISHED:
            return ProbeResult(isolation, provider, False, f"the probe {result.outcome.describe()}")
        escapes = result.value
        if not isinstance(escapes, list):
            return ProbeResult(isolation, provider, False, "the probe did not answer")
        found = "the probe " + ", ".join(dict.fromkeys(map(str, escapes)))
        if isolation is IsolationLevel.LIMITS_ONLY:
            return ProbeResult(isolation, provider, True, f"isolates nothing: {found}")
        if escapes or secret.read_text() != "secret" or (directory / "beside").exists():
            return ProbeResult(isolation, provider, False, found)
        return ProbeResult(isolation, provider, True, "the probe did not escape")


def _run(sandbox: PooledSandbox, directory: Path) -> RunResult:
    datagrams = str(directory / "datagrams")
    with socket.socket() as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named:
        # A name that is too long for a socket cannot be reached by the program either.
        if len(os.fsencode(datagrams)) <= _MAX_SOCKET_NAME:
            named.bind(datagrams)
            Path(datagrams).chmod(0o777)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        source = PROBE_PROGRAM.format(
            secret=str(directory / "secret"),
            beside=str(directory / "beside"),
            datagrams=datagrams,
            supervisor=os.getpid(),
            port=listener.getsockname()[1],
            environment={*ENVIRONMENT, "HOME", "TMPDIR", "PWD"},
        )
        return sandbox.run(Program(source=source, result="got_out"), Limits(cpu_seconds=20))
