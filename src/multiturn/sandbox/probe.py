"""Finds out whether an isolation level holds, by running a program in it that tries to get out."""

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
    """Whether an isolation level holds on this machine, found by trying."""

    isolation: IsolationLevel
    provider: NamespaceProvider
    """What made its namespaces, where it has any."""
    works: bool
    reason: str
    """Why not, or what was shown."""


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
    # What is asked for as a raw socket becomes a datagram socket in the kernel.
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
    """Run the canary in a sandbox; whatever goes wrong is the reason why the level fails."""
    with tempfile.TemporaryDirectory(prefix="multiturn-canary-") as directory:
        place = Path(directory)
        # Open to everybody, so that only the walls can be what keeps the canary from it.
        place.chmod(0o777)
        secret = place / "secret"
        secret.write_text("secret")
        secret.chmod(0o666)
        try:
            result = _run(sandbox, place)
        except SandboxUnavailableError as error:
            return ProbeResult(isolation, provider, False, str(error))
        if result.outcome.status is not Status.FINISHED:
            return ProbeResult(
                isolation, provider, False, f"the canary {result.outcome.describe()}"
            )
        escapes = result.value
        if not isinstance(escapes, list):
            return ProbeResult(isolation, provider, False, "the canary did not answer")
        said = "the canary " + ", ".join(dict.fromkeys(map(str, escapes)))
        if isolation is IsolationLevel.LIMITS_ONLY:
            return ProbeResult(isolation, provider, True, f"isolates nothing: {said}")
        if escapes or secret.read_text() != "secret" or (place / "beside").exists():
            return ProbeResult(isolation, provider, False, said)
        return ProbeResult(isolation, provider, True, "the canary stayed inside")


def _run(sandbox: PooledSandbox, place: Path) -> RunResult:
    datagrams = str(place / "datagrams")
    with socket.socket() as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named:
        # A name that is too long for a socket cannot be reached by the program either.
        if len(os.fsencode(datagrams)) <= _MAX_SOCKET_NAME:
            named.bind(datagrams)
            Path(datagrams).chmod(0o777)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        source = PROBE_PROGRAM.format(
            secret=str(place / "secret"),
            beside=str(place / "beside"),
            datagrams=datagrams,
            supervisor=os.getpid(),
            port=listener.getsockname()[1],
            environment={*ENVIRONMENT, "HOME", "TMPDIR", "PWD"},
        )
        return sandbox.run(Program(source=source, result="got_out"), Limits(cpu_seconds=20))
