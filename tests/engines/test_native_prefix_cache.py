"""The prefix cache alone: what is found, who may reuse it, what is evicted."""

from __future__ import annotations

from counting_model import CountingModel

from multiturn.engines.native.prefix_cache import CachedTokens, PrefixCache
from multiturn.models.native.decoder import ForwardRow
from multiturn.models.native.paged_cache import PagedCache

MODEL = CountingModel()


def cache_of(tokens: list[int], start: PagedCache | None = None) -> PagedCache:
    cache = MODEL.new_cache() if start is None else start.fork()
    MODEL.forward([ForwardRow(tokens[cache.length :], cache)])
    return cache


def found(cache: PrefixCache, tokens: list[int], session: str | None) -> tuple[list[int], int]:
    entry, length = cache.find(tokens, session)
    return ([] if entry is None else entry.tokens), length


def test_a_history_is_reused_by_its_session_alone_unless_it_is_in_use() -> None:
    cache = PrefixCache(1 << 20)
    history = cache_of([1, 2, 3])
    cache.add([1, 2, 3], history, "a")
    assert found(cache, [1, 2, 3, 4], "a") == ([1, 2, 3], 3)
    assert found(cache, [1, 2], "a") == ([1, 2, 3], 2)
    assert found(cache, [1, 2, 3], "b") == ([], 0)
    assert found(cache, [1, 2, 3], None) == ([], 0)
    running = CachedTokens([1, 2, 3, 4, 5], cache_of([1, 2, 3, 4]))
    assert cache.find([1, 2, 3, 4, 5, 6], "a", [running]) == (running, 4)
    assert cache.find([1, 2, 3, 9], "b", [running]) == (running, 3)


def test_a_longer_history_supersedes_a_shorter_one_of_the_same_session() -> None:
    cache = PrefixCache(1 << 20)
    short = cache_of([1, 2])
    cache.add([1, 2], short, "a")
    cache.add([1, 2], short, "b")
    cache.add([1, 2, 3], cache_of([1, 2, 3], short), "a")
    assert len(cache) == 2
    assert found(cache, [1, 2, 3], "a") == ([1, 2, 3], 3)
    assert found(cache, [1, 2, 3], "b") == ([1, 2], 2)


def test_shared_blocks_are_counted_once() -> None:
    cache = PrefixCache(1 << 20)
    prompt = list(range(20))  # two full blocks, and half of one
    first = cache_of(prompt)
    for name in "abc":
        tokens = [*prompt, *range(ord(name), ord(name) + 3)]
        cache.add(tokens, cache_of(tokens, first), name)
    assert cache.nbytes == (2 + 3) * MODEL.block_bytes


def test_the_least_recently_used_is_evicted_and_the_newest_stays() -> None:
    cache = PrefixCache(2 * MODEL.block_bytes)
    cache.add([1], cache_of([1]), "a")
    cache.add([2], cache_of([2]), "b")
    assert found(cache, [1], "a") == ([1], 1)
    cache.add([3], cache_of([3]), "c")
    assert found(cache, [1], "a") == ([1], 1)
    assert found(cache, [2], "b") == ([], 0)
    long = list(range(100))
    cache.add(long, cache_of(long), "d")
    assert found(cache, long, "d") == (long, 100)
    assert len(cache) == 1
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)
