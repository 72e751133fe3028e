"""The fork-server shuts itself in: namespaces, and a root directory with only what is needed.

What bubblewrap does, done by the fork-server itself, so that a machine without bubblewrap is
no worse off. docs/decisions/0005-sandbox-walls.md says how the two are chosen between.
"""

from __future__ import annotations

import os
import shutil
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

FILES_OF_ETC = {
    "/etc/passwd": "nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n",
    "/etc/group": "nogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Written afresh: the machine's own list of users is nobody's business."""

SHARED_TMP_BYTES = 256 << 20
"""The size of a /tmp that children share, on the level on which they do."""

TMP_REBIND = "/shown"
"""Where what lies below /tmp is shown a second time, for children that mount over /tmp."""

_PR_SET_DUMPABLE = 4
_INNER = ns.NEW_NS | ns.NEW_IPC | ns.NEW_UTS | ns.NEW_NET


def enter_jail(staging: str, readable: tuple[str, ...]) -> None:
    """Shut this process in, for good.

    Afterwards it sees no network, no /proc, and of the files only `readable` (read-only), a
    few devices and an empty /tmp to mount over; it is `nobody`, and has the capabilities of
    its own user namespace, which reach nothing outside.

    Args:
        staging: an empty directory on which the new root is put together.
        readable: absolute paths of directories and files.

    Raises:
        OSError: this account may not make namespaces here.
    """
    as_root = os.geteuid() == 0
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        if as_root:
            # Mounts are made as root, so that an interpreter in a home that only its owner
            # may enter can be shown; then root is given up before anything else runs.
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
    """The readable places below /tmp, outermost ones only: a virtual environment, say."""
    found: list[Path] = []
    for place in sorted(map(Path, readable)):
        if place.is_relative_to("/tmp") and not any(map(place.is_relative_to, found)):
            found.append(place)
    return found


def _become_first_process() -> None:
    """Go on as process 1 of a process namespace, so that all dies with this process.

    A namespace is entered by fork alone. What stays outside waits, and holds nothing.
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
    """Become `nobody` in a user namespace in which only this user exists."""
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
    """Put the new root together."""
    ns.mount_tmpfs(staging, size=1 << 20, files=4096, mode=0o755)
    root = Path(staging)
    for place in ("tmp", "etc", "dev"):
        (root / place).mkdir(mode=0o755)
    ns.mount_tmpfs(str(root / "tmp"), size=SHARED_TMP_BYTES, files=1 << 16, mode=0o1777)
    for name, content in FILES_OF_ETC.items():
        (root / name[1:]).write_text(content)
    shown: list[Path] = []
    for name in sorted(readable):
        source = Path(name)
        if not any(source.is_relative_to(place) for place in shown):
            _show(root, source)
            if not source.is_symlink():
                shown.append(source)
    for hidden in paths_below_tmp(readable):
        _show(root / TMP_REBIND[1:], hidden)
    for name in DEVICES:
        _bind_file(Path(name), root / name[1:], devices=True)


def _show(root: Path, source: Path) -> None:
    """Show a directory or a file read-only at its own path below the new root."""
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
        shutil.copyfile(source, target)
    else:
        _bind_file(source, target, devices=False)


def _bind_file(source: Path, target: Path, *, devices: bool) -> None:
    target.touch()
    ns.bind(str(source), str(target))
    ns.remount_read_only(str(target), devices=devices)
