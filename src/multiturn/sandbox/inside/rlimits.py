"""Resource limits of a child: memory, CPU time, file sizes, descriptors, threads."""

from __future__ import annotations

import math
import mmap
import os
import resource
import signal
from typing import Protocol

from multiturn.sandbox.linux.libc import prctl

__all__ = ["STACK_BYTES", "die_with_parent", "mapped_bytes", "set_rlimits"]

_PR_SET_PDEATHSIG = 1

STACK_BYTES = 8 << 20
GRACE_SECONDS = 1
"""Between the soft CPU limit, which sends a program SIGXCPU, and the hard one."""

KERNEL_MEMORY = (
    # With 0 the kernel still runs the machine's collector of core dumps. With 1 it neither runs
    # that nor writes a dump.
    (resource.RLIMIT_CORE, 1, 1),
    (resource.RLIMIT_MEMLOCK, 0, 0),
    (resource.RLIMIT_MSGQUEUE, 0, 0),
    (resource.RLIMIT_SIGPENDING, 64, 64),
)
"""Limits on kernel memory that a process can take: (which, soft, hard)."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the fork-server ends, however it ends."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A parent outside the child's PID namespace shows as 0.
    if os.getppid() not in (parent, 0):
        os._exit(1)


class ProgramLimits(Protocol):
    """The limits of a program."""

    @property
    def cpu_seconds(self) -> float: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def open_files(self) -> int: ...


def set_rlimits(
    wanted: ProgramLimits,
    *,
    tasks: int | None,
    mapped: int = 0,
    memory: int = resource.RLIMIT_AS,
    stack_bytes: int | None = None,
) -> None:
    """Set the kernel's limits, soft and hard, for good; none above the present hard limit.

    Args:
        wanted: has the limits.
        tasks: how many threads and processes the account may have; None for no limit.
        mapped: bytes that are taken before the program starts; its own memory comes on top.
        memory: which limit bounds the memory.
        stack_bytes: the stack of the main thread; by default unchanged.
    """
    cpu, size = max(1, math.ceil(wanted.cpu_seconds)), mapped + wanted.memory_bytes
    limits = [] if tasks is None else [(resource.RLIMIT_NPROC, tasks, tasks)]
    limits += [
        (memory, size, size),
        (resource.RLIMIT_CPU, cpu, cpu + GRACE_SECONDS),
        (resource.RLIMIT_FSIZE, wanted.file_bytes, wanted.file_bytes),
        (resource.RLIMIT_NOFILE, wanted.open_files, wanted.open_files),
        *KERNEL_MEMORY,
    ]
    if stack_bytes is not None:
        limits.append((resource.RLIMIT_STACK, stack_bytes, stack_bytes))
    for what, soft, hard in limits:
        highest = resource.getrlimit(what)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(what, (soft, hard))


def mapped_bytes() -> int:
    """How much address space this process takes, found without /proc.

    The kernel refuses a mapping that would exceed the limit on the address space. So the largest
    limit under which no further page can be mapped is what is taken already.
    """
    what, page = resource.RLIMIT_AS, resource.getpagesize()
    before = resource.getrlimit(what)
    low, high = 0, 1 << 36  # In pages: more than a process can map.
    if before[1] != resource.RLIM_INFINITY:
        high = before[1] // page
    try:
        while low < high:
            middle = (low + high + 1) // 2
            resource.setrlimit(what, (middle * page, before[1]))
            try:
                mmap.mmap(-1, page).close()
                high = middle - 1
            except (OSError, MemoryError):
                low = middle
    finally:
        resource.setrlimit(what, before)
    return low * page
