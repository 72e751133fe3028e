"""Landlock: a process gives up access to files, the network and signals to others.

It needs no privilege and no package. Kernels from 5.13 on have it, and newer ones cover more. The
seccomp filter refuses what a kernel's version leaves open (`truncate`, sockets, `kill`).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from multiturn.sandbox.linux.libc import call, prctl

__all__ = ["abi", "restrict"]

# The same on every machine.
_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_VERSION_FLAG = 1
_PR_SET_NO_NEW_PRIVS = 38
_RULE_PATH_BENEATH = 1

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_TRUNCATE = 1 << 14
_IOCTL_DEV = 1 << 15
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many of the lowest bits each version knows."""

# Programs make no devices and sockets.
_MAKE_CHAR = 1 << 6
_MAKE_SOCK = 1 << 9
_MAKE_BLOCK = 1 << 11
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_READ = _EXECUTE | _READ_FILE | _READ_DIR


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi(max_abi: int | None = None) -> int:
    """The version of Landlock that the running kernel has; 0 where it has none.

    Args:
        max_abi: use no newer one, to test what older kernels isolate.
    """
    try:
        found = call(_CREATE_RULESET, 0, 0, _VERSION_FLAG)
    except OSError:
        return 0
    return found if max_abi is None else min(found, max_abi)


def restrict(version: int, readable: Iterable[int], writable: Iterable[int]) -> None:
    """Limit this thread, and whatever it starts, to the given files and directories.

    TCP is refused from version 4 on; signals to processes outside and abstract sockets are from
    version 6 on. Sets `no_new_privs`, which the kernel requires.

    Args:
        version: what `abi` returned.
        readable: descriptors (`O_PATH` is enough) of directories and files to read and run.
        writable: the same, to write as well; only files, directories, links and pipes can be
            made in them.

    Raises:
        OSError: the kernel refuses.
    """
    handled = (1 << _RIGHTS_BY_ABI[min(version, 5)]) - 1
    attributes = _Ruleset(handled, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = call(_CREATE_RULESET, ctypes.addressof(attributes), size, 0)
    try:
        write = handled & ~(_MAKE_CHAR | _MAKE_BLOCK | _MAKE_SOCK)
        for descriptors, rights in ((readable, _READ), (writable, write)):
            for descriptor in descriptors:
                is_directory = (os.fstat(descriptor).st_mode & 0o170000) == 0o040000
                allowed = rights & handled
                if not is_directory:
                    allowed &= _FILE_RIGHTS
                rule = _PathBeneath(allowed, descriptor)
                call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
