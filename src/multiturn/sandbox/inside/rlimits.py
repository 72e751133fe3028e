"""Resource limits of a child: memory, CPU time, file sizes, descriptors, threads."""

from __future__ import annotations

import math
import mmap
import os
import resource
import signal

from multiturn.sandbox.linux.libc import prctl
from multiturn.sandbox.specs import ChildSpec

__all__ = ["KERNEL_MEMORY", "die_with_parent", "lower_rlimits", "mapped_bytes", "set_rlimits"]

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


def set_rlimits(spec: ChildSpec, mapped: int, tasks: int | None) -> None:
    """Set the kernel's limits, hard and soft, for good.

    Args:
        spec: has the limits.
        mapped: bytes of address space that are taken before the program starts; the program's
            memory comes on top.
        tasks: how many threads and processes the account may have; None for no limit.
    """
    cpu = max(1, math.ceil(spec.cpu_seconds))
    if tasks is not None:
        lower_rlimits((resource.RLIMIT_NPROC, tasks, tasks))
    lower_rlimits(
        (resource.RLIMIT_AS, mapped + spec.memory_bytes, mapped + spec.memory_bytes),
        (resource.RLIMIT_CPU, cpu, cpu + GRACE_SECONDS),
        (resource.RLIMIT_FSIZE, spec.file_bytes, spec.file_bytes),
        (resource.RLIMIT_NOFILE, spec.open_files, spec.open_files),
        (resource.RLIMIT_STACK, STACK_BYTES, STACK_BYTES),
        *KERNEL_MEMORY,
    )


def lower_rlimits(*limits: tuple[int, int, int]) -> None:
    """Set soft and hard limits, but never above the present hard limit."""
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
