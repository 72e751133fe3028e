"""The KV cache of one sequence in blocks of positions, which sequences with one beginning share."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from typing import Self

import numpy as np
from jaxtyping import UInt8, UInt64
from numpy import ndarray

from multiturn.core.errors import InputError

__all__ = ["PagedCache"]

_ALIGNMENT = 64


class PagedCache:
    """Keys and values of one sequence; `NativeDecoder.new_cache` makes an empty one.

    A block belongs to all caches that were forked while it was full, and is freed with the last of
    them. It is never written again then: a cache writes to its own blocks alone.

    Args:
        block_positions: positions of each block.
        block_bytes: the size of each block.
        max_positions: the greatest length, which is the model's context.

    Attributes:
        block_positions: see above.
        block_bytes: see above.
        max_positions: see above.
    """

    def __init__(self, *, block_positions: int, block_bytes: int, max_positions: int) -> None:
        self.block_positions = block_positions
        self.block_bytes = block_bytes
        self.max_positions = max_positions
        self._length = 0
        self._shared = 0  # leading blocks that other caches may have too
        self._blocks: list[UInt8[ndarray, " bytes"]] = []
        self._addresses = np.zeros(8, np.uint64)

    @property
    def length(self) -> int:
        """Positions that have a key and a value."""
        return self._length

    @property
    def capacity(self) -> int:
        """Positions for which there is memory."""
        return len(self._blocks) * self.block_positions

    @property
    def nbytes(self) -> int:
        """The size of its blocks, shared ones included."""
        return len(self._blocks) * self.block_bytes

    @property
    def addresses(self) -> UInt64[ndarray, " blocks"]:
        """Of its blocks, in the order of their positions."""
        return self._addresses[: len(self._blocks)]

    @property
    def blocks(self) -> tuple[UInt8[ndarray, " bytes"], ...]:
        """Its blocks; those of two caches are the same object where they are shared."""
        return tuple(self._blocks)

    def reserve(self, positions: int) -> None:
        """Allocate blocks until `positions` fit.

        Raises:
            InputError: they exceed the model's context.
        """
        self._check("positions of a KV cache", positions, self.max_positions)
        while self.capacity < positions:
            self._append(_empty_block(self.block_bytes))

    def advance(self, positions: int) -> None:
        """Count `positions` more as written; `NativeDecoder.forward` calls it.

        Raises:
            InputError: there is no memory for them.
        """
        self._check("the positions written", positions, self.capacity - self._length)
        self._length += positions

    def fork(self, length: int | None = None) -> Self:
        """A cache with the first `length` positions of this one, by default all.

        Full blocks are shared, and what the last block has of them is copied.

        Raises:
            InputError: this cache is shorter.
        """
        length = self._length if length is None else length
        self._check("the length of a fork", length, self._length)
        new = type(self)(
            block_positions=self.block_positions,
            block_bytes=self.block_bytes,
            max_positions=self.max_positions,
        )
        full = length // self.block_positions
        for block in self._blocks[:full]:
            new._append(block)
        if length % self.block_positions:
            new._append(_copied_block(self._blocks[full]))
        new._length = length
        new._shared = full
        self._shared = max(self._shared, full)
        return new

    def truncate(self, length: int) -> None:
        """Forget the positions from `length` on, such as those of a rejected draft.

        Raises:
            InputError: this cache is shorter.
        """
        self._check("the length of a truncated cache", length, self._length)
        full = length // self.block_positions
        if full < self._shared:
            needed = full + (length % self.block_positions > 0)
            del self._blocks[needed:]
            if needed > full:
                self._blocks[full] = _copied_block(self._blocks[full])
                self._addresses[full] = self._blocks[full].ctypes.data
            self._shared = full
        self._length = length

    def _append(self, block: UInt8[ndarray, " bytes"]) -> None:
        count = len(self._blocks)
        if count == len(self._addresses):
            self._addresses = np.concatenate([self._addresses, np.zeros(count, np.uint64)])
        self._blocks.append(block)
        self._addresses[count] = block.ctypes.data

    @staticmethod
    def _check(what: str, value: int, limit: int) -> None:
        if not 0 <= value <= limit:
            raise InputError(f"{what} is out of range", got=value, allowed=f"0 to {limit}")


def _empty_block(size: int) -> UInt8[ndarray, " bytes"]:
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + size]


def _copied_block(block: UInt8[ndarray, " bytes"]) -> UInt8[ndarray, " bytes"]:
    copy = _empty_block(len(block))
    copy[:] = block
    return copy
