"""What programs must not see, reach, change or leave behind, laid out for them to find."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NOBODY = 65534
PLANTED_NAMES = ("sitecustomize.py", "usercustomize.py", "json.py", "random.py")
IPC_KEY = 0x6D747364


@dataclass
class Canaries:
    """A set of canaries. `problems()` lists what was touched since `lay` was entered."""

    root: Path
    token: str
    port: int
    abstract: str
    sibling: subprocess.Popen[bytes]
    sibling_same_uid: subprocess.Popen[bytes]
    gold: list[str]
    visits: list[str] = field(default_factory=list)
    before: dict[str, object] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """A home with a secret in it, readable by every account: only the sandbox guards it."""
        return self.root / "home"

    @property
    def drop(self) -> Path:
        """A directory that every account may write to."""
        return self.root / "drop"

    def fill(self, source: str) -> str:
        """The source of a program, with the paths of the canaries filled in."""
        for mark, value in (
            ("@HOME@", self.home),
            ("@DROP@", self.drop),
            ("@PORT@", self.port),
            ("@ABSTRACT@", self.abstract),
            ("@SIBLING@", self.sibling.pid),
            ("@SIBLING_SAME_UID@", self.sibling_same_uid.pid),
            ("@SUITE@", os.getpid()),
            ("@HOSTNAME@", socket.gethostname()),
        ):
            source = source.replace(mark, str(value))
        return source

    def problems(self) -> list[str]:
        """What has changed."""
        found = [f"a program connected: {visit}" for visit in self.visits]
        for name, process in (("sibling", self.sibling), ("uid's sibling", self.sibling_same_uid)):
            if process.poll() is not None:
                found.append(f"the {name} was killed: {process.returncode}")
            elif _state(process.pid) in "Tt":
                found.append(f"the {name} was stopped")
                os.kill(process.pid, signal.SIGCONT)
        now = self.snapshot()
        for what, was in self.before.items():
            if now[what] != was:
                found.append(f"{what} changed: {_difference(was, now[what])}")
        return found

    def snapshot(self) -> dict[str, object]:
        """The state, to be compared later."""
        libc = ctypes.CDLL(None, use_errno=True)
        return {
            "the home": _listing(self.home),
            "the drop": _listing(self.drop),
            "marked files outside": sorted(_marked_files()),
            "System V IPC": [
                libc.shmget(IPC_KEY, 0, 0) >= 0,
                libc.semget(IPC_KEY, 0, 0) >= 0,
                libc.msgget(IPC_KEY, 0) >= 0,
            ],
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "priority of the sibling": _priority(self.sibling_same_uid.pid),
            "the host's name": socket.gethostname(),
        }


@contextlib.contextmanager
def lay() -> Iterator[Canaries]:
    """Lay the canaries out, and remove them at the end."""
    token = "CANARY-" + secrets.token_hex(16)
    root = Path(tempfile.mkdtemp(prefix="mt-canaries-"))
    root.chmod(0o755)
    (root / "home" / ".ssh").mkdir(parents=True)
    (root / "drop").mkdir()
    (root / "drop").chmod(0o777)
    for name in ("secret", ".ssh/id_rsa", ".netrc"):
        (root / "home" / name).write_text(f"{token} in {name}\n")
    # As open as a file can be: only the sandbox guards it.
    (root / "drop" / "open").write_text("content\n")
    (root / "drop" / "open").chmod(0o666)
    (root / "home" / "link").symlink_to("secret")
    os.environ["MULTITURN_CANARY"] = token
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        stack.callback(os.environ.pop, "MULTITURN_CANARY", None)
        visits: list[str] = []
        port = _listen(stack, socket.AF_INET, ("127.0.0.1", 0), visits)
        abstract = f"mt-canary-{secrets.token_hex(4)}"
        _listen(stack, socket.AF_UNIX, f"\0{abstract}", visits)
        _listen(stack, socket.AF_UNIX, str(root / "drop" / "socket"), visits)
        _listen(stack, socket.AF_UNIX, f"\0{abstract}-datagrams", visits, socket.SOCK_DGRAM)
        datagrams = str(root / "drop" / "datagrams")
        _listen(stack, socket.AF_UNIX, datagrams, visits, socket.SOCK_DGRAM)
        for name in ("socket", "datagrams"):
            (root / "drop" / name).chmod(0o777)
        canaries = Canaries(
            root=root,
            token=token,
            port=port,
            abstract=abstract,
            sibling=_sleeper(stack, os.getuid()),
            sibling_same_uid=_sleeper(stack, NOBODY if os.getuid() == 0 else os.getuid()),
            gold=[token],
            visits=visits,
        )
        canaries.before = canaries.snapshot()
        yield canaries


def descendants() -> set[int]:
    """All descendants of this process."""
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(text) for text in task.read_text().split()]
                found.update(children)
                waiting += children
    return found


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that no daemon can slip away."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _sleeper(stack: contextlib.ExitStack, uid: int) -> subprocess.Popen[bytes]:
    other = {} if uid == os.getuid() else {"user": uid, "group": uid, "extra_groups": []}
    process = subprocess.Popen(["sleep", "900"], **other)  # type: ignore[call-overload]
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _listen(
    stack: contextlib.ExitStack,
    family: int,
    address: object,
    visits: list[str],
    kind: int = socket.SOCK_STREAM,
) -> int:
    server = stack.enter_context(socket.socket(family, kind))
    server.bind(address)
    if kind == socket.SOCK_STREAM:
        server.listen(8)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                if kind == socket.SOCK_STREAM:
                    server.accept()[0].close()
                elif not server.recv(100):
                    return
                visits.append(str(address))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    # Closing alone does not wake a thread that waits in accept or recv.
    stack.callback(thread.join, 5)
    stack.callback(_wake, server)
    return server.getsockname()[1] if family == socket.AF_INET else 0


def _wake(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _priority(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getpriority(os.PRIO_PROCESS, pid)
    return None


def _listing(place: Path) -> list[tuple[str, int, int, int]]:
    found = []
    for path in [place, *sorted(place.rglob("*"))]:
        status = path.lstat()
        changed = 0 if path.is_socket() else status.st_mtime_ns
        found.append((str(path), status.st_mode, status.st_size if changed else 0, changed))
    return found


def _marked_files() -> Iterator[str]:
    """Files that only programs of the suite would make, where they try to."""
    names = ("purelib", "stdlib")
    places = {"/", "/etc", "/usr", "/run", "/home", "/root", "/var/tmp", "/dev/shm", "/tmp"}
    places |= {sysconfig.get_path(name) for name in names} | {sys.prefix, str(Path.home())}
    places |= {tempfile.gettempdir(), "."}
    for place in sorted(places):
        with contextlib.suppress(OSError):
            for path in Path(place).iterdir():
                marked = path.name.startswith(("mt-breach", "mt-notes", "core"))
                if marked or path.name in PLANTED_NAMES:
                    yield str(path)


def _difference(was: object, now: object) -> str:
    if isinstance(was, list) and isinstance(now, list):
        changed = [entry for entry in now if entry not in was]
        return f"{changed or [entry for entry in was if entry not in now]}"[:400]
    return f"{was} -> {now}"
