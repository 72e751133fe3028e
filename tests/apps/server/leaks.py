"""Whether a process keeps what it no longer needs."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

WAIT_SECONDS = 120
MEGABYTE = 1 << 20
THREADS_OF_POOLS = 48
"""A pool starts threads as they are needed, and keeps them."""


@contextmanager
def no_leaks(*, megabytes: int) -> Iterator[None]:
    """What runs within leaves no files, threads, processes or memory behind in this process.

    It should have run before, so that pools and caches are filled. Memory may grow by so many
    megabytes.
    """
    before = _usage()
    yield
    allowed = {
        "files": before["files"] + 4,
        "threads": before["threads"] + THREADS_OF_POOLS,
        "processes": before["processes"],
        "memory": before["memory"] + megabytes * MEGABYTE,
    }
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        now = _usage()
        too_many = [name for name, value in now.items() if value > allowed[name]]
        if not too_many:
            return
        # Connections and programs end a moment after the last answer.
        assert time.monotonic() < deadline, (too_many, before, now)
        time.sleep(0.1)


def _usage() -> dict[str, int]:
    gc.collect()
    process = psutil.Process()
    return {
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "processes": len(process.children(recursive=True)),
        "memory": process.memory_info().rss,
    }
