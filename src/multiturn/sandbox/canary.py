"""Finds out whether a rung holds, by running a program in it that tries to get out."""

from __future__ import annotations

import functools
import os
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import SandboxUnavailableError
from multiturn.sandbox.job import Shell
from multiturn.sandbox.linux.libc import MACHINES, machine
from multiturn.sandbox.outcomes import Rung, Status
from multiturn.sandbox.pool import PooledSandbox
from multiturn.sandbox.protocol import Limits, Program

__all__ = ["Tried", "try_rung", "try_shell"]


@dataclass(frozen=True, slots=True)
class Tried:
    """Whether a rung holds on this machine."""

    rung: Rung
    shell: Shell
    """What made its namespaces, where it has any."""
    works: bool
    reason: str
    """Why not, or what was shown."""


CANARY = """
import os, signal, socket, subprocess
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
attempt("made a file outside", lambda: write({beside!r}))
attempt("read the list of passwords", lambda: read("/etc/shadow"))
attempt("signalled its parent", lambda: os.kill(os.getppid() or 1 // 0, 0))
attempt("signalled the supervisor", lambda: os.kill({supervisor}, 0))
attempt("opened a socket", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
attempt("started a process", lambda: os.fork() or os._exit(0))
attempt("started a program", lambda: subprocess.run(["/bin/true"]))
if "CANARY" in os.environ.get("MULTITURN_CANARY", ""):
    got_out.append("read the environment")
with open("scratch", "w") as file:
    file.write("works")
if open("scratch").read() != "works":
    got_out.append("cannot write its own directory")
"""


SHELLS = {
    Rung.NAMESPACES: (Shell.OWN, Shell.BWRAP),
    Rung.SHARED_NAMESPACES: (Shell.OWN, Shell.BWRAP),
    Rung.LANDLOCK: (Shell.NONE,),
    Rung.LIMITS_ONLY: (Shell.NONE,),
}
"""What can make each rung's namespaces, in the order in which they are tried."""


def try_rung(rung: Rung) -> Tried:
    """Try a rung with each of its shells until one holds."""
    tried = [try_shell(rung, SHELLS[rung][0])]
    for shell in SHELLS[rung][1:]:
        if not tried[-1].works:
            tried.append(try_shell(rung, shell))
    if tried[-1].works:
        return tried[-1]
    reasons = "; ".join(f"{each.shell.value}: {each.reason}" for each in tried)
    return Tried(rung, tried[0].shell, False, reasons)


@functools.lru_cache
def try_shell(rung: Rung, shell: Shell) -> Tried:
    """Run the canary once in this process's life; the answer is kept."""
    if not sys.platform.startswith("linux"):
        return Tried(rung, shell, False, f"needs Linux, this is {sys.platform}")
    if machine() not in MACHINES:
        return Tried(rung, shell, False, f"needs {' or '.join(MACHINES)}, this is {machine()}")
    with tempfile.TemporaryDirectory(prefix="multiturn-canary-") as place:
        return _fly(rung, shell, Path(place))


def _fly(rung: Rung, shell: Shell, place: Path) -> Tried:
    # Open to everybody, so that only the walls can be what keeps the canary from it.
    place.chmod(0o777)
    secret = place / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        source = CANARY.format(
            secret=str(secret),
            beside=str(place / "beside"),
            supervisor=os.getpid(),
            port=listener.getsockname()[1],
        )
        try:
            with PooledSandbox(rung, shell=shell, workers=1) as sandbox:
                result = sandbox.run(
                    Program(source=source, result="got_out"), Limits(cpu_seconds=20)
                )
        except SandboxUnavailableError as error:
            return Tried(rung, shell, False, str(error))
    if result.outcome.status is not Status.FINISHED:
        return Tried(rung, shell, False, f"the canary {result.outcome.describe()}")
    escapes = result.value
    if not isinstance(escapes, list):
        return Tried(rung, shell, False, "the canary did not answer")
    if rung is Rung.LIMITS_ONLY:
        return Tried(
            rung, shell, True, "isolates nothing: the canary " + ", ".join(map(str, escapes))
        )
    if escapes or secret.read_text() != "secret" or (place / "beside").exists():
        return Tried(rung, shell, False, "the canary " + ", ".join(map(str, escapes)))
    return Tried(rung, shell, True, "the canary stayed inside")
