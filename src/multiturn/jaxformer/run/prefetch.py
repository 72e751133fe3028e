"""Batches on their devices, read ahead of the step that wants them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jax.sharding import NamedSharding

from multiturn.jaxformer.datasets.protocol import SequenceDataset, Sequences
from multiturn.jaxformer.datasets.shuffle import IndexShuffle
from multiturn.jaxformer.parallel.distributed import local_rows, placed
from multiturn.jaxformer.step.state import Batch

__all__ = ["load_batch", "prefetch_batches", "load_padded_batch"]

_AHEAD = 2


def load_batch(
    samples: SequenceDataset, order: IndexShuffle, number: int, sharding: NamedSharding
) -> Batch:
    """Batch `number` of a run; each process reads the rows of its own devices."""
    rows = local_rows(order.batch, samples.length, sharding)
    read = samples.read(order.sequences(number, rows))
    return _to_devices(read, rows, order.batch, sharding)


def load_padded_batch(
    samples: SequenceDataset, indexes: list[int], rows: int, sharding: NamedSharding
) -> Batch:
    """These sequences, and as many of weight 0 as make up `rows`."""
    mine = local_rows(rows, samples.length, sharding)
    read = samples.read([indexes[row] if row < len(indexes) else indexes[0] for row in mine])
    empty = np.asarray(mine) >= len(indexes)
    weights = np.where(empty[:, None], np.float32(0), read.weights)
    whole = Sequences(read.tokens, read.targets, weights, read.segments)
    return _to_devices(whole, mine, rows, sharding)


def _to_devices(read: Sequences, rows: list[int], total: int, sharding: NamedSharding) -> Batch:
    return Batch(
        **{
            field.name: placed(getattr(read, field.name), rows, total, sharding)
            for field in fields(Batch)
        }
    )


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@contextmanager
def prefetch_batches(
    samples: SequenceDataset, order: IndexShuffle, first: int, sharding: NamedSharding
) -> Iterator[Iterator[tuple[int, Batch]]]:
    """Endless ``(number, batch)`` pairs from batch `first` on, without the skipped ones.

    A thread reads ahead; what it meets is raised where the batch is asked for.
    """
    ready: queue.Queue[Any] = queue.Queue(maxsize=_AHEAD)
    stopped = threading.Event()

    def offer(item: Any) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def work() -> None:
        number = first
        try:
            while not stopped.is_set():
                number = order.after(number)
                offer((number, load_batch(samples, order, number, sharding)))
                number += 1
        except BaseException as error:
            offer(_Failed(error))

    def batches() -> Iterator[tuple[int, Batch]]:
        while True:
            item = ready.get()
            if isinstance(item, _Failed):
                raise item.error
            yield item

    thread = threading.Thread(target=work, name="feed", daemon=True)
    thread.start()
    try:
        yield batches()
    finally:
        stopped.set()
        thread.join()
