"""Namespaces, mounts and capabilities: system calls that unshare(1) and mount(8) make."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct

from multiturn.sandbox.linux.libc import call, machine, prctl

__all__ = [
    "NEW_IPC",
    "NEW_NET",
    "NEW_NS",
    "NEW_PID",
    "NEW_USER",
    "NEW_UTS",
    "bind",
    "drop_capabilities",
    "make_private",
    "mount_tmpfs",
    "pivot",
    "remount_read_only",
    "set_namespace",
    "unshare",
]

NEW_NS = 0x00020000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PID = 0x20000000
NEW_NET = 0x40000000

_NUMBERS = {
    "x86_64": {"mount": 165, "umount2": 166, "pivot_root": 155, "unshare": 272, "setns": 308},
    "aarch64": {"mount": 40, "umount2": 39, "pivot_root": 41, "unshare": 97, "setns": 268},
}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR = 442

_NOSUID, _NODEV = 0x2, 0x4
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_DETACH = 2

_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 0x1, 0x2, 0x4
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100

_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITIES_V3 = 0x20080522


def _number(name: str) -> int:
    return _NUMBERS[machine()][name]


def unshare(flags: int) -> None:
    """Move to fresh namespaces of the kinds in `flags`."""
    call(_number("unshare"), flags)


def set_namespace(pidfd: int, flags: int) -> None:
    """Enter namespaces of the process behind a pidfd."""
    call(_number("setns"), pidfd, flags)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount by addresses of C strings, which live until the call returns."""
    texts = [
        None if text is None else ctypes.create_string_buffer(os.fsencode(text))
        for text in (source, target, kind, data)
    ]
    from_, to, as_, with_ = (0 if text is None else ctypes.addressof(text) for text in texts)
    call(_number("mount"), from_, to, as_, flags, with_)


def make_private() -> None:
    """Stop mounts of this namespace from propagating to others."""
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)


def mount_tmpfs(target: str, *, size: int, files: int, mode: int) -> None:
    """Mount an empty file system in memory, bounded in bytes and in number of files."""
    options = f"size={size},nr_inodes={files},mode={mode:o}"
    _mount("tmpfs", target, "tmpfs", _NOSUID | _NODEV, options)


def bind(source: str, target: str) -> None:
    """Bind-mount `source`, with the mounts below it, at `target`."""
    _mount(source, target, None, _BIND | _RECURSIVE)


def remount_read_only(target: str, *, devices: bool = False, recursive: bool = True) -> None:
    """Make a mount read-only, without set-uid bits, and without devices unless asked for."""
    flags = _ATTR_RDONLY | _ATTR_NOSUID | (0 if devices else _ATTR_NODEV)
    attributes = ctypes.create_string_buffer(struct.pack("<QQQQ", flags, 0, 0, 0), 32)
    path = ctypes.create_string_buffer(os.fsencode(target))
    call(
        _MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.addressof(path),
        _AT_RECURSIVE if recursive else 0,
        ctypes.addressof(attributes),
        32,
    )


def pivot(root: str) -> None:
    """Make the mount `root` the root directory, and detach the old one."""
    os.chdir(root)
    here = ctypes.create_string_buffer(b".")
    call(_number("pivot_root"), ctypes.addressof(here), ctypes.addressof(here))
    call(_number("umount2"), ctypes.addressof(here), _DETACH)
    os.chdir("/")


def drop_capabilities(*, bounding: bool) -> None:
    """Give up every capability for good.

    Args:
        bounding: also clear the bounding set, from which executing a program could regain some.
    """
    if bounding:
        with contextlib.suppress(OSError):
            for capability in range(64):
                prctl(_PR_CAPBSET_DROP, capability)
        prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    header = ctypes.create_string_buffer(struct.pack("<Ii", _CAPABILITIES_V3, 0), 8)
    nothing = ctypes.create_string_buffer(24)
    call(_CAPSET[machine()], ctypes.addressof(header), ctypes.addressof(nothing))
