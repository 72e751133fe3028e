"""A jail: namespaces, and a root directory with only what programs need.

The fork-server does itself what bubblewrap does, so that a machine without bubblewrap isolates as
well. docs/decisions/0005-sandbox-walls.md says how the two are chosen between.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from multiturn.sandbox.inside.rlimits import die_with_parent
from multiturn.sandbox.inside.syscall_emulation import HOST_NAME
from multiturn.sandbox.linux import namespaces as ns
from multiturn.sandbox.linux.libc import prctl
from multiturn.sandbox.specs import UNPRIVILEGED_ID

__all__ = [
    "DEVICES",
    "FILES_OF_ETC",
    "SHARED_TMP_BYTES",
    "TMP_REBIND",
    "enter_jail",
    "paths_below_tmp",
]

DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

_USER = "nobody"

FILES_OF_ETC = {
    "/etc/passwd": f"{_USER}:x:65534:65534:{_USER}:/tmp:/usr/sbin/nologin\n",
    "/etc/group": "nogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Written into the jail: programs do not see the machine's own users."""

SHARED_TMP_BYTES = 256 << 20
"""The size of the /tmp that children share, where they share their namespaces."""

TMP_REBIND = "/shown"
"""Second bind mount of readable paths below /tmp, for children that mount over /tmp."""

_PR_SET_DUMPABLE = 4
_INNER = ns.NEW_NS | ns.NEW_IPC | ns.NEW_UTS | ns.NEW_NET


def enter_jail(staging: str, readable: tuple[str, ...]) -> None:
    """Isolate this process for good.

    Afterwards it has no network and no /proc; of the files it sees only `readable` (read-only), a
    few devices and an empty /tmp to mount over. It runs as an unprivileged user, with the
    capabilities of its own user namespace, which reach nothing outside.

    Args:
        staging: an empty directory on which the new root directory is built.
        readable: absolute paths of directories and files.

    Raises:
        OSError: this account may not make namespaces here.
    """
    as_root = os.geteuid() == 0
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        if as_root:
            # Root makes the mounts, so that an interpreter in a home that only its owner may
            # enter can be mounted; then root is given up before anything else runs.
            ns.unshare(_INNER)
        else:
            _enter_user_namespace(proc, _INNER)
        socket.sethostname(HOST_NAME)
        ns.make_private()
        _build(staging, readable)
        ns.pivot(staging)
        ns.remount_read_only("/", recursive=False)
        if as_root:
            os.setgroups([])
            os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
            os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
            # Without this the files of /proc/self would belong to root.
            prctl(_PR_SET_DUMPABLE, 1)
            _enter_user_namespace(proc, ns.NEW_NS | ns.NEW_IPC | ns.NEW_NET)
    finally:
        os.close(proc)
    _become_first_process()


def paths_below_tmp(readable: Sequence[str]) -> list[Path]:
    """The outermost readable paths below /tmp: a virtual environment, for example."""
    found: list[Path] = []
    for path in sorted(map(Path, readable)):
        if path.is_relative_to("/tmp") and not any(map(path.is_relative_to, found)):
            found.append(path)
    return found


def _become_first_process() -> None:
    """Continue as process 1 of a PID namespace, so that everything dies with this process.

    Only a fork enters such a namespace. The process that stays outside waits, and holds no
    descriptors.
    """
    ns.unshare(ns.NEW_PID)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        die_with_parent(parent)
        return
    os.closerange(0, 1024)
    _, status = os.waitpid(pid, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _enter_user_namespace(proc: int, others: int) -> None:
    """Enter a user namespace with a single, unprivileged user."""
    user, group = os.geteuid(), os.getegid()
    ns.unshare(ns.NEW_USER | others)
    _write(proc, "self/setgroups", "deny")
    _write(proc, "self/uid_map", f"{UNPRIVILEGED_ID} {user} 1")
    _write(proc, "self/gid_map", f"{UNPRIVILEGED_ID} {group} 1")


def _write(proc: int, name: str, text: str) -> None:
    descriptor = os.open(name, os.O_WRONLY, dir_fd=proc)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _build(staging: str, readable: tuple[str, ...]) -> None:
    """Build the new root directory."""
    ns.mount_tmpfs(staging, size=1 << 20, files=4096, mode=0o755)
    root = Path(staging)
    for directory in ("tmp", "etc", "dev"):
        (root / directory).mkdir(mode=0o755)
    ns.mount_tmpfs(str(root / "tmp"), size=SHARED_TMP_BYTES, files=1 << 16, mode=0o1777)
    for name, content in FILES_OF_ETC.items():
        (root / name[1:]).write_text(content)
    mounted: list[Path] = []
    for name in sorted(readable):
        source = Path(name)
        if not any(source.is_relative_to(path) for path in mounted):
            _mount(root, source)
            if not source.is_symlink():
                mounted.append(source)
    for path in paths_below_tmp(readable):
        _mount(root / TMP_REBIND[1:], path)
    for name in DEVICES:
        _bind_file(Path(name), root / name[1:], devices=True)


def _mount(root: Path, source: Path) -> None:
    """Mount a directory or a file read-only at its own path below the new root."""
    target = root / str(source)[1:]
    if str(source) in (*DEVICES, *FILES_OF_ETC) or target.is_symlink():
        return
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if source.is_symlink() and source.resolve().is_dir():
        # /lib and /lib64 are links into /usr on most systems.
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(mode=0o755, exist_ok=True)
        ns.bind(str(source), str(target))
        ns.remount_read_only(str(target))
    elif str(source).startswith("/etc/"):
        target.write_bytes(source.read_bytes())
    else:
        _bind_file(source, target, devices=False)


def _bind_file(source: Path, target: Path, *, devices: bool) -> None:
    target.touch()
    ns.bind(str(source), str(target))
    ns.remount_read_only(str(target), devices=devices)
