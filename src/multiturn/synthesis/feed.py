"""Reads several iterators at once, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Generic, TypeVar

__all__ = ["Feed"]

T = TypeVar("T")

_POLL_SECONDS = 0.05
"""How soon a cancelled feed ends."""


@dataclass(frozen=True, slots=True)
class _End:
    """An iterator ended, with this error if it raised."""

    error: BaseException | None = None


class Feed(Generic[T]):
    """The items of several iterators in the order in which they arrive.

    Iterating ends when all have ended, or soon after `cancel` is set: what an iterator waits for,
    such as a program without an end, is then left behind. It raises what one of them raises.

    Args:
        cancel: ends the feed.

    Example:
        >>> feed = Feed()
        >>> thread = feed.add("ab")
        >>> list(feed)
        ['a', 'b']
    """

    def __init__(self, cancel: Flag | None = None) -> None:
        self._cancel = cancel
        self._arrived: SimpleQueue[T | _End] = SimpleQueue()
        self._open = 0

    def add(self, items: Iterable[T]) -> Thread:
        """Read one more iterator; also while the feed is iterated, from the same thread.

        Returns:
            The thread that reads it.
        """
        self._open += 1
        thread = Thread(target=self._read, args=(items,), name="multiturn-feed", daemon=True)
        thread.start()
        return thread

    def __iter__(self) -> Iterator[T]:
        while self._open and not (self._cancel is not None and self._cancel.is_set()):
            try:
                item = self._arrived.get(timeout=_POLL_SECONDS if self._cancel else None)
            except Empty:
                continue
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                self._open -= 1

    def _read(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                self._arrived.put(item)
            self._arrived.put(_End())
        except BaseException as error:  # raised in the thread that iterates
            self._arrived.put(_End(error))
