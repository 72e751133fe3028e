"""Reading prompts, piece by piece, each beginning only once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from multiturn.engines.jax import steps
from multiturn.engines.jax.backend import Backend
from multiturn.engines.jax.batch import capacity_for
from multiturn.engines.jax.prefixes import Prefix, PrefixPool, common_length
from multiturn.models.cache import KVCache

__all__ = ["Reader", "Reading"]

_WORTH_WAITING = 16
"""Tokens that a prompt must share with one that is being read, to wait for it."""


@dataclass(slots=True, eq=False)
class Reading:
    """A beginning of a prompt on its way into a cache.

    Attributes:
        tokens: all that is to be read.
        session: whose it will be.
        cached: how many of them had been read before.
        prefix: what has them all already, if anything does.
        cache: otherwise, one row that holds the first `read`.
        read: how many it holds.
    """

    tokens: list[int]
    session: str | None
    cached: int
    prefix: Prefix | None = None
    cache: KVCache | None = None
    read: int = 0

    @property
    def unread(self) -> int:
        """How many tokens are left to be read."""
        return 0 if self.prefix is not None else len(self.tokens) - self.read

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self.unread == 0

    def would_save(self, tokens: Sequence[int], cached: int) -> bool:
        """Whether `tokens`, of which so many are there, had better wait until this is read.

        It costs them a call or so, and others go first meanwhile: worth a call's tokens.
        """
        more = common_length(self.tokens, tokens) - cached
        return more > 0 and more >= min(_WORTH_WAITING, len(tokens) - cached)

    @property
    def row(self) -> KVCache:
        """The cache of what is still being read."""
        if self.cache is None:
            raise RuntimeError("nothing is left to read")
        return self.cache


class Reader:
    """Reads tokens into caches of one row, and keeps them for those who may build on them.

    Not safe to use from several threads: the scheduler's thread owns it.
    """

    def __init__(self, backend: Backend, weights: Any, cache_bytes: int) -> None:
        self._backend = backend
        self._weights = weights
        self._pool = PrefixPool(cache_bytes)
        self._later: deque[tuple[list[int], str | None]] = deque()
        self._catching_up: Reading | None = None

    def better_later(
        self, tokens: list[int], session: str | None, beside: Sequence[Reading]
    ) -> bool:
        """Whether a prompt should not be read beside others now, but build on one of them."""
        alike = [other for other in beside if other.would_save(tokens, 0)]
        if not alike:
            return False
        _, same = self._pool.find(tokens, session)
        return any(other.would_save(tokens, same) for other in alike)

    def begin(self, tokens: list[int], session: str | None) -> Reading:
        """Find out what of `tokens` is there already, and prepare to read the rest."""
        prefix, same = self._pool.find(tokens, session)
        if prefix is not None and same == len(tokens):
            return Reading(tokens, session, same, prefix=prefix)
        capacity = capacity_for(len(tokens))
        if prefix is None:
            cache = steps.empty(self._backend, 1, capacity)
        else:
            cache = steps.branched(self._backend, prefix.cache, np.int32(same), capacity)
        return Reading(tokens, session, same, cache=cache, read=same)

    def read_pieces(self, readings: Sequence[Reading], most: int) -> int:
        """Read on, several prompts in one call where the backend can.

        Args:
            readings: none of them done; the first come first.
            most: tokens, about: the last call may go beyond.

        Returns:
            How many tokens were read.
        """
        unread = list(readings)
        read = 0
        while unread and read < most:
            # Of one capacity, since each combination of shapes is compiled.
            shape = unread[0].row.keys.shape
            alike = [reading for reading in unread if reading.row.keys.shape == shape]
            rows = max(count for count in self._backend.together if count <= len(alike))
            read += self._read_together(alike[:rows], most - read)
            unread = [reading for reading in unread if reading not in alike[:rows]]
        return read

    def _read_together(self, readings: list[Reading], most: int) -> int:
        """Read a piece of each of so many as one call takes; fewer tokens where that is enough."""
        length = self._backend.pieces[-1]
        tokens = np.zeros((len(readings), length), np.int32)
        counts = np.zeros(len(readings), np.int32)
        for row, reading in enumerate(readings):
            count = min(length, len(reading.tokens) - reading.read)
            if self._backend.seamless and row > 0:
                count = min(count, max(0, most - int(counts.sum())))
            counts[row] = count
            tokens[row, :count] = reading.tokens[reading.read : reading.read + count]
        caches = tuple(reading.row for reading in readings)
        caches = steps.read(self._backend, self._weights, caches, tokens, counts)
        for reading, cache, count in zip(readings, caches, counts.tolist(), strict=True):
            reading.cache = cache
            reading.read += count
        return int(counts.sum())

    def finish(self, reading: Reading) -> Prefix:
        """What holds the tokens, in use by one more until `release`."""
        prefix = reading.prefix
        sessions = set() if reading.session is None else {reading.session}
        if prefix is not None:
            prefix.sessions |= sessions
            prefix.users += 1
            return prefix
        prefix = Prefix(reading.tokens, reading.row, _bytes(reading.row), sessions, users=1)
        self._pool.add(prefix)
        return prefix

    def release(self, prefix: Prefix) -> None:
        """Say that one user of a prefix is done."""
        self._pool.release(prefix)

    def keep(self, tokens: list[int], cache: KVCache, session: str) -> None:
        """Keep a session's history that was read elsewhere."""
        self._pool.add(Prefix(tokens, cache, _bytes(cache), {session}))

    def read_later(self, tokens: list[int], session: str | None) -> None:
        """Read a session's history when there is nothing else to do."""
        self._later.append((tokens, session))

    def catch_up(self) -> bool:
        """Read a piece of what was put off. Returns whether there was any."""
        if self._catching_up is None:
            if not self._later:
                return False
            self._catching_up = self.begin(*self._later.popleft())
        reading = self._catching_up
        if not reading.done:
            self.read_pieces([reading], 1)
        if reading.done:
            self.release(self.finish(reading))
            self._catching_up = None
        return True

    def score(self, tokens: Sequence[int]) -> list[float]:
        """The log-probability of each token but the first, given those before it."""
        cache = steps.empty(self._backend, 1, capacity_for(len(tokens)))
        found: list[Any] = []
        read = 0
        while read < len(tokens) - 1:
            piece, count = self._next_piece(tokens[:-1], read)
            following = np.zeros(piece.shape[1], np.int32)
            following[:count] = tokens[read + 1 : read + 1 + count]
            cache, logprobs = steps.read_scored(
                self._backend, self._weights, cache, piece, np.int32(count), following
            )
            found.append(logprobs[:count])
            read += count
        return [float(one) for part in jax.device_get(found) for one in part]

    def close(self) -> None:
        """Let all memory go, the weights too."""
        self._pool.clear()
        self._later.clear()
        self._catching_up = self._weights = None

    def _next_piece(self, tokens: Sequence[int], start: int) -> tuple[Any, int]:
        """The tokens from `start` on, as many as one piece has, padded; and how many."""
        lengths = self._backend.pieces
        count = min(len(tokens) - start, lengths[-1])
        length = lengths[-1]
        if self._backend.seamless:
            length = next(length for length in lengths if length >= count)
        piece = np.zeros((1, length), np.int32)
        piece[0, :count] = tokens[start : start + count]
        return piece, count


def _bytes(cache: KVCache) -> int:
    return sum(math.prod(part.shape) * part.dtype.itemsize for part in (cache.keys, cache.values))
