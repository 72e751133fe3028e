"""The prefix cache: keys and values of prompt prefixes, reused by later requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from multiturn.engines.common_prefix import common_prefix_length
from multiturn.models.cache import KVCache

__all__ = ["RowPrefixCache", "PrefixCacheEntry"]


@dataclass(slots=True, eq=False)
class PrefixCacheEntry:
    """The keys and values of one prefix.

    Attributes:
        tokens: of the prefix.
        cache: one row that holds them.
        nbytes: size of `cache`.
        sessions: the sessions whose history this is; empty for requests without a session.
        users: sequences that use the entry now, waiting or decoding.
        last_used: by a counter that only grows.
    """

    tokens: list[int]
    cache: KVCache
    nbytes: int
    sessions: set[str] = field(default_factory=set)
    users: int = 0
    last_used: int = 0


@dataclass(slots=True)
class RowPrefixCache:
    """Entries that requests may build on, bounded in bytes; the least recently used go first.

    A request may reuse the history of its own session, and any entry that a sequence uses at
    the moment: equal tokens have equal keys and values, whichever request prefilled them. An
    entry without a session is dropped when its last user releases it.
    """

    max_bytes: int
    _entries: list[PrefixCacheEntry] = field(default_factory=list)
    _clock: int = 0

    def find(
        self, tokens: Sequence[int], session: str | None
    ) -> tuple[PrefixCacheEntry | None, int]:
        """The entry that shares the longest prefix with `tokens`, and the length of that prefix."""
        best, longest = None, 0
        for entry in self._entries:
            if entry.users or session in entry.sessions:
                same = common_prefix_length(entry.tokens, tokens)
                if same > longest:
                    best, longest = entry, same
        if best is not None:
            self._touch(best)
        return best, longest

    def add(self, entry: PrefixCacheEntry) -> None:
        """Insert an entry, and evict others where there is no room."""
        # The longer history of a session supersedes its shorter ones.
        for other in self._entries:
            if entry.tokens[: len(other.tokens)] == other.tokens:
                other.sessions -= entry.sessions
        self._touch(entry)
        self._entries.append(entry)
        self._evict()

    def release(self, entry: PrefixCacheEntry) -> None:
        """Count one user less."""
        entry.users -= 1
        self._evict()

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.nbytes for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _touch(self, entry: PrefixCacheEntry) -> None:
        self._clock += 1
        entry.last_used = self._clock

    def _evict(self) -> None:
        self._entries = [entry for entry in self._entries if entry.users or entry.sessions]
        excess = self.nbytes - self.max_bytes
        # An entry in use goes last. Evicting it is safe: its sequence has a copy in a slot.
        candidates = sorted(self._entries, key=lambda entry: (entry.users > 0, entry.last_used))
        for entry in candidates[:-1]:
            if excess <= 0:
                break
            self._entries.remove(entry)
            excess -= entry.nbytes
