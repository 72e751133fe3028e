"""Distributed training: several processes as one run, through `jax.distributed`.

JAX's runtime detects the processes from SLURM, Kubernetes or Open MPI, monitors them, and stops
all of them when one is lost.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import HostsConfig

__all__ = ["broadcast", "is_main_process", "init_distributed", "local_rows", "make_global_array"]


def init_distributed(config: HostsConfig) -> None:
    """Join the run's other processes; call it before anything else touches a device.

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
            return  # no scheduler started this process
        reason = str(error).strip().splitlines()
        raise InputError(
            f"the processes of the run did not find each other: {reason[0] if reason else error}",
            got=config.coordinator,
            fix="see that the coordinator's port is open and that every process was started",
        ) from error


def is_main_process() -> bool:
    """Whether this process writes the run's metrics and messages."""
    return jax.process_index() == 0


def broadcast(value: int) -> int:
    """Process 0's value, on every process."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def local_rows(rows: int, length: int, sharding: NamedSharding) -> list[int]:
    """The rows of a global batch that this process's devices hold, in order."""
    found: set[int] = set()
    for place in sharding.addressable_devices_indices_map((rows, length)).values():
        found.update(range(rows)[place[0]] if place else range(rows))
    return sorted(found)


def make_global_array(
    local: Any, rows: list[int], total: int, sharding: NamedSharding
) -> jax.Array:
    """A global array [total, T] from the rows of this process, `local` [len(rows), T]."""
    index_of = {row: index for index, row in enumerate(rows)}

    def part(place: Any) -> Any:
        indices = [index_of[row] for row in range(total)[place[0]]]
        return local[indices][:, place[1]]

    return jax.make_array_from_callback((total, local.shape[1]), sharding, part)
