"""Beginnings of prompts that were read, and who may build on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from multiturn.models.cache import KVCache

__all__ = ["Prefix", "PrefixPool", "common_length"]


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    low, high = 0, shorter
    while high - low > 1:
        middle = (low + high) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(slots=True, eq=False)
class Prefix:
    """The keys and values of some tokens.

    Attributes:
        tokens: what was read.
        cache: one row that holds them.
        nbytes: of the cache.
        sessions: whose history it is; none for requests without a session.
        users: continuations that are being written after it, or wait to be.
        age: when it was last used, as a count that only grows.
    """

    tokens: list[int]
    cache: KVCache
    nbytes: int
    sessions: set[str] = field(default_factory=set)
    users: int = 0
    age: int = 0


@dataclass(slots=True)
class PrefixPool:
    """Prefixes that others may build on, bounded in bytes; the least recently used go first.

    A request may build on the history of its own session, and on what is read for requests
    that are still being written, whosesoever they are: the tokens are the same, and so are
    the numbers. What was read without a session is let go when nobody uses it any more.
    """

    most_bytes: int
    _kept: list[Prefix] = field(default_factory=list)
    _clock: int = 0

    def find(self, tokens: Sequence[int], session: str | None) -> tuple[Prefix | None, int]:
        """The prefix that has most of `tokens`, and how many."""
        best, most = None, 0
        for prefix in self._kept:
            if prefix.users or session in prefix.sessions:
                same = common_length(prefix.tokens, tokens)
                if same > most:
                    best, most = prefix, same
        if best is not None:
            self._touch(best)
        return best, most

    def add(self, prefix: Prefix) -> None:
        """Keep a prefix, letting others go where there is no room."""
        # A session's shorter history is of no use to it beside a longer one.
        for other in self._kept:
            if prefix.tokens[: len(other.tokens)] == other.tokens:
                other.sessions -= prefix.sessions
        self._touch(prefix)
        self._kept.append(prefix)
        self._evict()

    def release(self, prefix: Prefix) -> None:
        """Say that one of its users is done."""
        prefix.users -= 1
        self._evict()

    def clear(self) -> None:
        """Let all go."""
        self._kept.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        return sum(prefix.nbytes for prefix in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def _touch(self, prefix: Prefix) -> None:
        self._clock += 1
        prefix.age = self._clock

    def _evict(self) -> None:
        self._kept = [one for one in self._kept if one.users or one.sessions]
        excess = self.nbytes - self.most_bytes
        # What is being written has its own copy in the batch; to others it is only handy.
        oldest_first = sorted(self._kept, key=lambda one: (one.users > 0, one.age))
        for prefix in oldest_first[:-1]:
            if excess <= 0:
                break
            self._kept.remove(prefix)
            excess -= prefix.nbytes
