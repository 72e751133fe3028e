"""The rows that are decoded together, as the host sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from multiturn.engines.jax import steps
from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.prefixes import Prefix
from multiturn.engines.jax.tickets import Job
from multiturn.models.cache import KVCache

__all__ = ["LEAST_CAPACITY", "Batch", "Written", "capacity_for"]

LEAST_CAPACITY = 256
"""Tokens a row has room for, at least; more comes by doubling."""


def capacity_for(tokens: int) -> int:
    """The least capacity that holds so many tokens."""
    capacity = LEAST_CAPACITY
    while capacity < tokens:
        capacity *= 2
    return capacity


@dataclass(frozen=True, slots=True)
class Written:
    """A block on its way from the device, and whose rows it wrote."""

    block: steps.Block
    steps: int
    jobs: dict[int, Job]


class Batch:
    """Rows with a job each, or at rest; grows and shrinks in `Backend.batches`.

    Not safe to use from several threads: the scheduler's thread owns it.
    """

    def __init__(self, backend: Backend, weights: Any, ends: tuple[int, ...]) -> None:
        self._backend = backend
        self._weights = weights
        self._ends = ends
        self._state: steps.State | None = None
        self.jobs: dict[int, Job] = {}
        """By row."""
        self._lengths: dict[int, tuple[int, int]] = {}
        """Of each row: most tokens it can hold by now, and ever."""
        self._orders = _orders(0)

    @property
    def rows(self) -> int:
        """How many rows there are, those at rest included."""
        return len(self._orders.seed)

    @property
    def free(self) -> int:
        """How many other jobs can join."""
        return self._backend.batches[-1] - len(self.jobs)

    def join(self, job: Job, prefix: Prefix, *, others: int = 0) -> None:
        """Begin to write a job's continuation.

        Args:
            job: has no row yet.
            prefix: has all tokens of its prompt but the last.
            others: how many will join soon.
        """
        prompt, request = job.ticket.prompt, job.ticket.request
        whole = len(prompt) + request.max_tokens
        row = self._free_row(len(prompt) + 1, len(self.jobs) + 1 + others)
        self._state = steps.put(
            self._backend, self._on_device(), np.int32(row), prefix.cache, np.int32(len(prompt) - 1)
        )
        self.jobs[row], job.row = job, row
        self._lengths[row] = (len(prompt) - 1, whole)
        self._order(
            row,
            changed=True,
            token=prompt[-1],
            remaining=request.max_tokens,
            seed=(request.seed + job.continuation.index) % 2**31,
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            scored=request.logprobs,
        )

    def leave(self, job: Job) -> None:
        """Stop writing a job's continuation; its row is free."""
        if job.row is None:
            return
        self._order(job.row, changed=True, token=0, remaining=0, temperature=0, scored=False)
        del self.jobs[job.row], self._lengths[job.row]
        job.row = None

    def held(self, job: Job, length: int) -> KVCache:
        """The first tokens of a job's row, as a cache of one row."""
        if job.row is None:
            raise RuntimeError("the job has no row")
        row: KVCache = steps.taken(self._on_device().cache, np.int32(job.row), np.int32(length))
        return row

    def decode(self, count: int) -> Written:
        """Start a block of at most `count` steps. Returns before it is done."""
        grown = {row: (min(now + count, most), most) for row, (now, most) in self._lengths.items()}
        self._fit(max(now for now, _ in grown.values()))
        self._lengths = grown
        self._state, block = steps.decode(
            self._backend,
            self._ends,
            self._weights,
            self._on_device(),
            self._orders,
            np.int32(count),
        )
        self._orders = replace(self._orders, changed=np.zeros(self.rows, bool))
        return Written(block, count, dict(self.jobs))

    def shrink(self) -> None:
        """Give back rows that many at rest no longer need; all of them if no job is left."""
        if not self.jobs:
            self._state, self._orders = None, _orders(0)
            return
        fewer = _least(self._backend.batches, len(self.jobs))
        if fewer < self.rows:
            self._rearrange(fewer, self._capacity)

    def close(self) -> None:
        """Let all memory go, the weights too."""
        self.jobs.clear()
        self._state = self._weights = None

    @property
    def _capacity(self) -> int:
        cache = self._on_device().cache
        capacity: int = cache.keys.shape[self._backend.slot_axis]
        return capacity

    def _on_device(self) -> steps.State:
        if self._state is None:
            raise RuntimeError("the batch has no rows yet")
        return self._state

    def _free_row(self, length: int, wanted: int) -> int:
        rows = _least(self._backend.batches, wanted)
        if self._state is None:
            self._state = steps.empty_state(self._backend, rows, capacity_for(length))
            self._orders = _orders(rows)
        if rows > self.rows:
            self._rearrange(rows, self._capacity)
        self._fit(length)
        return next(row for row in range(self.rows) if row not in self.jobs)

    def _fit(self, length: int) -> None:
        if capacity_for(length) > self._capacity:
            self._rearrange(self.rows, capacity_for(length))

    def _rearrange(self, rows: int, capacity: int) -> None:
        """Give the rows another number or capacity: fewer keep only those that have a job."""
        order = list(range(self.rows)) if rows >= self.rows else sorted(self.jobs)
        places = {row: place for place, row in enumerate(order)}
        order += [0] * (rows - len(order))
        resting = np.ones(rows, bool)
        resting[[places[row] for row in self.jobs]] = False
        indices = np.array(order, np.int32)
        self._state = steps.rearranged(self._backend, self._on_device(), indices, resting, capacity)
        moved = {name: values[indices] for name, values in vars(self._orders).items()}
        # A row at rest has nothing to be told; a copy of a busy one must not wake up.
        moved["changed"] = moved["changed"] & ~resting
        self._orders = steps.Orders(**moved)
        self.jobs = {places[row]: job for row, job in self.jobs.items()}
        self._lengths = {places[row]: lengths for row, lengths in self._lengths.items()}
        for row, job in self.jobs.items():
            job.row = row

    def _order(self, row: int, **values: Any) -> None:
        for name, value in values.items():
            # A copy, as the device may still read the one before.
            changed = getattr(self._orders, name).copy()
            changed[row] = value
            self._orders = replace(self._orders, **{name: changed})


def _orders(rows: int) -> Any:
    whole, real = np.zeros(rows, np.int32), np.zeros(rows, np.float32)
    return steps.Orders(
        changed=np.zeros(rows, bool),  # type: ignore[arg-type]
        token=whole,  # type: ignore[arg-type]
        remaining=whole,  # type: ignore[arg-type]
        seed=whole,  # type: ignore[arg-type]
        temperature=real,  # type: ignore[arg-type]
        top_p=real,  # type: ignore[arg-type]
        top_k=whole,  # type: ignore[arg-type]
        scored=np.zeros(rows, bool),  # type: ignore[arg-type]
    )


def _least(sizes: tuple[int, ...], wanted: int) -> int:
    """The least size for so many, or the greatest there is."""
    return next((size for size in sizes if size >= wanted), sizes[-1])
