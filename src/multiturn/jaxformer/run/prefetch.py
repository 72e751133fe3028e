"""Prefetch: batches are read and moved to their devices ahead of the step that needs them."""

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
from multiturn.jaxformer.parallel.distributed import local_rows, make_global_array
from multiturn.jaxformer.step.state import Batch

__all__ = ["load_batch", "prefetch_batches", "load_padded_batch"]

_PREFETCH = 2


def load_batch(
    dataset: SequenceDataset, shuffle: IndexShuffle, number: int, sharding: NamedSharding
) -> Batch:
    """Batch `number` of a run. Each process reads only the rows of its own devices."""
    rows = local_rows(shuffle.batch, dataset.length, sharding)
    read = dataset.read(shuffle.sequences(number, rows))
    return _to_devices(read, rows, shuffle.batch, sharding)


def load_padded_batch(
    dataset: SequenceDataset, indexes: list[int], rows: int, sharding: NamedSharding
) -> Batch:
    """A batch of these sequences, padded to `rows` with sequences of loss mask 0."""
    own_rows = local_rows(rows, dataset.length, sharding)
    read = dataset.read([indexes[row] if row < len(indexes) else indexes[0] for row in own_rows])
    empty = np.asarray(own_rows) >= len(indexes)
    loss_mask = np.where(empty[:, None], np.float32(0), read.loss_mask)
    padded = Sequences(read.tokens, read.targets, loss_mask, read.segments)
    return _to_devices(padded, own_rows, rows, sharding)


def _to_devices(read: Sequences, rows: list[int], total: int, sharding: NamedSharding) -> Batch:
    return Batch(
        **{
            field.name: make_global_array(getattr(read, field.name), rows, total, sharding)
            for field in fields(Batch)
        }
    )


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@contextmanager
def prefetch_batches(
    dataset: SequenceDataset, shuffle: IndexShuffle, first: int, sharding: NamedSharding
) -> Iterator[Iterator[tuple[int, Batch]]]:
    """Endless ``(number, batch)`` pairs from batch `first`, without skipped batches.

    A thread reads ahead. Its errors are raised when the batch is requested.
    """
    ready: queue.Queue[Any] = queue.Queue(maxsize=_PREFETCH)
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
                number = shuffle.next_batch(number)
                offer((number, load_batch(dataset, shuffle, number, sharding)))
                number += 1
        except BaseException as error:
            offer(_Failed(error))

    def batches() -> Iterator[tuple[int, Batch]]:
        while True:
            item = ready.get()
            if isinstance(item, _Failed):
                raise item.error
            yield item

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        yield batches()
    finally:
        stopped.set()
        thread.join()
