"""A child gives up, step by step, all it does not need to run one program."""

from __future__ import annotations

import math
import os
import resource
import signal

from multiturn.sandbox.job import WIRE, Job
from multiturn.sandbox.linux import landlock, seccomp
from multiturn.sandbox.linux.libc import prctl

__all__ = ["die_with_parent", "limit", "wall_in"]

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

STACK_BYTES = 8 << 20
GRACE_SECONDS = 1
"""Between the soft CPU limit, of which a program may hear, and the hard one."""


def die_with_parent(parent: int) -> None:
    """Be killed when the fork-server ends, however it ends."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit(job: Job, mapped: int) -> None:
    """Set the kernel's limits, hard and soft, for good.

    Args:
        job: has the limits.
        mapped: bytes of address space that are taken before the program starts; what the
            program may use comes on top.
    """
    cpu = max(1, math.ceil(job.cpu_seconds))
    for what, soft, hard in (
        (resource.RLIMIT_AS, mapped + job.memory_bytes, mapped + job.memory_bytes),
        (resource.RLIMIT_CPU, cpu, cpu + GRACE_SECONDS),
        (resource.RLIMIT_FSIZE, job.file_bytes, job.file_bytes),
        (resource.RLIMIT_NOFILE, job.open_files, job.open_files),
        (resource.RLIMIT_STACK, STACK_BYTES, STACK_BYTES),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        highest = resource.getrlimit(what)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(what, (soft, hard))


def wall_in(version: int, readable: list[int], writable: list[int]) -> None:
    """Landlock and seccomp: from here on only `writable` can be written.

    Args:
        version: of Landlock, as `landlock.abi` said.
        readable: descriptors of the places that can be read. They are closed.
        writable: descriptors of the places that can be written. They are closed.
    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(version, readable, writable)
    for place in (*readable, *writable):
        os.close(place)
    wanted = seccomp.Filter(pid=os.getpid(), wire=WIRE, file_modes=False)
    seccomp.install(seccomp.program(wanted))
