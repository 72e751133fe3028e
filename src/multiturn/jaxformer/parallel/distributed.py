"""Several processes as one run, through JAX's own runtime.

Nothing here coordinates by itself: `jax.distributed` finds the processes from SLURM,
Kubernetes or Open MPI, watches that all are alive, and stops them all when one is lost.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import HostsConfig

__all__ = ["broadcast", "is_main_process", "init_distributed", "local_rows", "placed"]


def init_distributed(config: HostsConfig) -> None:
    """Make this process part of the run; call it before anything else touches a device.

    Raises:
        InputError: the other processes could not be reached.
    """
    if config.processes == 1 or jax.distributed.is_initialized():
        return
    try:
        jax.distributed.initialize(
            coordinator_address=config.coordinator,
            num_processes=config.processes,
            process_id=config.process,
        )
    except (RuntimeError, ValueError) as error:
        if config.processes is None and isinstance(error, ValueError):
            return  # No scheduler started this process.
        reason = str(error).strip().splitlines()
        raise InputError(
            f"the hosts of the run did not find each other: {reason[0] if reason else error}",
            got=config.coordinator,
            fix="see that the coordinator's port is open and that every process was started",
        ) from error


def is_main_process() -> bool:
    """Whether this process speaks for the run: writes its metrics and its messages."""
    return jax.process_index() == 0


def broadcast(value: int) -> int:
    """Process 0's value, on every process."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def local_rows(rows: int, length: int, sharding: NamedSharding) -> list[int]:
    """The rows of a global batch that this process's devices keep, in order."""
    found: set[int] = set()
    for place in sharding.addressable_devices_indices_map((rows, length)).values():
        found.update(range(rows)[place[0]] if place else range(rows))
    return sorted(found)


def placed(local: Any, rows: list[int], total: int, sharding: NamedSharding) -> jax.Array:
    """The global array [total, T] of which `local` [len(rows), T] holds these rows."""
    at = {row: index for index, row in enumerate(rows)}

    def part(place: Any) -> Any:
        mine = [at[row] for row in range(total)[place[0]]]
        return local[mine][:, place[1]]

    return jax.make_array_from_callback((total, local.shape[1]), sharding, part)
