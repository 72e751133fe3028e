"""The memory of this machine, and of this process."""

from __future__ import annotations

import ctypes
from pathlib import Path

__all__ = ["available_memory", "retain_freed_memory", "share_one_heap"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Of glibc's malloc.h."""


def available_memory() -> int | None:
    """Bytes available without swapping, within the limit of the control group; None if unknown."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
        if limit.isdecimal() and used.isdecimal():
            found.append(max(int(limit) - int(used), 0))
    except (OSError, ValueError):
        pass
    return min(found, default=None)


def share_one_heap() -> bool:
    """Have all threads that start from now on allocate from one heap.

    Only that heap can grow without bounds, and so retain large blocks. A thread that has its own
    heap already keeps it, and others may join it.

    Returns:
        Whether the C library of this process can do it.
    """
    return _set_malloc(_M_ARENA_MAX, 1)


def retain_freed_memory() -> bool:
    """Have the shared heap keep the memory that is freed, for the next allocation.

    Otherwise the C library returns large blocks to the system, and the first touch of every page
    of the next one costs more than much of what is computed in it. Blocks of many sizes leave
    holes, so that a process takes more memory than it uses.

    Returns:
        Whether the C library of this process can do it.
    """
    return _set_malloc(_M_MMAP_MAX, 0) and _set_malloc(_M_TRIM_THRESHOLD, 2**31 - 1)


def _set_malloc(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).mallopt(option, value))
    except (AttributeError, OSError):
        return False  # another C library than glibc
