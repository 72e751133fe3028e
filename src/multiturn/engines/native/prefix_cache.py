"""The prefix cache: keys and values of earlier tokens, reused by later requests without a copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiturn.engines.common_prefix import common_prefix_length
from multiturn.models.native.paged_cache import PagedCache

__all__ = ["Cached", "CachedTokens", "PrefixCache"]


class Cached(Protocol):
    """Tokens whose keys and values are cached: an entry, or a sequence that runs."""

    @property
    def tokens(self) -> list[int]:
        """At least as many as the cache has."""
        ...

    @property
    def cache(self) -> PagedCache:
        """Keys and values of the leading tokens."""
        ...


@dataclass(slots=True, eq=False)
class CachedTokens:
    """An entry of the prefix cache.

    Attributes:
        tokens: of the prefix.
        cache: of them all.
        session: whose history this is; None outside the prefix cache.
        last_used: by a counter that only grows.
    """

    tokens: list[int]
    cache: PagedCache
    session: str | None = None
    last_used: int = 0


class PrefixCache:
    """The histories of sessions, bounded in bytes; the least recently used go first.

    A request may reuse the history of its own session, and whatever a sequence uses at the
    moment: equal tokens have equal keys and values, whichever request computed them. Caches share
    blocks, so a history costs what no other one has.

    Args:
        max_bytes: that all histories take.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: list[CachedTokens] = []
        self._clock = 0

    def find(
        self, tokens: Sequence[int], session: str | None, in_use: Iterable[Cached] = ()
    ) -> tuple[Cached | None, int]:
        """What shares the longest prefix with `tokens`, and the length of that prefix.

        Args:
            tokens: of the prompt; as many are looked for, at most.
            session: of the request.
            in_use: entries and sequences of open requests.
        """
        best: Cached | None = None
        longest = 0
        histories = [entry for entry in self._entries if session == entry.session]
        for found in (*histories, *in_use):
            if longest == len(tokens):
                break
            if found.cache.length <= longest:
                continue
            same = min(found.cache.length, common_prefix_length(found.tokens, tokens))
            if same > longest:
                best, longest = found, same
        if isinstance(best, CachedTokens):
            self._touch(best)
        return best, longest

    def add(self, tokens: list[int], cache: PagedCache, session: str) -> None:
        """Insert the history of a session, and evict others where there is no room.

        Args:
            tokens: of the history.
            cache: of them all.
            session: whose.
        """
        # The longer history of a session supersedes its shorter ones.
        for other in list(self._entries):
            if other.session == session and tokens[: len(other.tokens)] == other.tokens:
                self._entries.remove(other)
        entry = CachedTokens(tokens, cache, session)
        self._touch(entry)
        self._entries.append(entry)
        # The newest always stays.
        while len(self._entries) > 1 and self.nbytes > self._max_bytes:
            self._entries.remove(min(self._entries, key=lambda each: each.last_used))

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of all entries, shared blocks counted once."""
        blocks = {id(block): block for entry in self._entries for block in entry.cache.blocks}
        return sum(block.nbytes for block in blocks.values())

    def __len__(self) -> int:
        return len(self._entries)

    def _touch(self, entry: CachedTokens) -> None:
        self._clock += 1
        entry.last_used = self._clock
