"""The prefix cache alone: what is found, who may reuse it, what is evicted."""

from __future__ import annotations

from typing import Any

from multiturn.engines.jax.prefix_cache import PrefixCacheEntry, RowPrefixCache

NO_KEYS_AND_VALUES: Any = None


def entry(tokens: list[int], *sessions: str, users: int = 0, nbytes: int = 1) -> PrefixCacheEntry:
    return PrefixCacheEntry(tokens, NO_KEYS_AND_VALUES, nbytes, set(sessions), users)


def filled(*entries: PrefixCacheEntry, max_bytes: int = 100) -> RowPrefixCache:
    cache = RowPrefixCache(max_bytes)
    for one in entries:
        cache.add(one)
    return cache


def test_the_longest_shared_prefix_is_found() -> None:
    short, long = entry([1, 2], "a"), entry([1, 2, 3, 4], "b", users=1)
    cache = filled(short, long)
    assert cache.find([1, 2, 3, 9], "a") == (long, 3)
    assert cache.find([7], "a") == (None, 0)


def test_a_history_is_reused_by_its_session_alone_unless_it_is_in_use() -> None:
    history = entry([1, 2, 3], "a")
    cache = filled(history)
    assert cache.find([1, 2, 3], "a") == (history, 3)
    assert cache.find([1, 2, 3], "b") == (None, 0)
    assert cache.find([1, 2, 3], None) == (None, 0)
    history.users += 1
    assert cache.find([1, 2, 3], "b") == (history, 3)


def test_an_entry_without_a_session_goes_with_its_last_user() -> None:
    shared = entry([1, 2], users=2)
    cache = filled(shared)
    cache.release(shared)
    assert len(cache) == 1
    cache.release(shared)
    assert len(cache) == 0


def test_a_longer_history_supersedes_a_shorter_one_of_the_same_session() -> None:
    shared, longer = entry([1, 2], "a", "b"), entry([1, 2, 3], "a")
    cache = filled(shared, longer)
    assert shared.sessions == {"b"}
    assert cache.find([1, 2, 3], "a") == (longer, 3)
    cache.add(entry([1, 2, 4], "b"))
    assert shared.sessions == set()
    assert len(cache) == 2


def test_the_least_recently_used_is_evicted() -> None:
    first, second = entry([1], "a", nbytes=40), entry([2], "b", nbytes=40)
    cache = filled(first, second)
    cache.find([1], "a")
    cache.add(entry([3], "c", nbytes=40))
    assert cache.find([1], "a") == (first, 1)
    assert cache.find([2], "b") == (None, 0)
    assert cache.nbytes == 80


def test_what_is_in_use_is_evicted_last_and_the_newest_stays() -> None:
    in_use, idle = entry([1], "a", users=1, nbytes=60), entry([2], "b", nbytes=60)
    cache = filled(in_use, idle)
    assert cache.find([1], "a") == (in_use, 1)
    assert len(cache) == 1
    too_large = entry([3], "c", users=1, nbytes=1000)
    cache.add(too_large)
    assert cache.find([3], "c") == (too_large, 1)
    assert len(cache) == 1


def test_clearing_drops_everything() -> None:
    cache = filled(entry([1], "a"), entry([2], users=1))
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)
