"""Counts turns and tokens while they are generated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["GenerationCounts", "OutputMeter", "TurnMeter"]

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class GenerationCounts:
    """What has been generated so far."""

    turns: int = 0
    """Complete generations, including those from the cache."""
    cached_turns: int = 0
    """How many of `turns` came from the cache."""
    tokens: int = 0
    """New tokens; an estimate for generations in progress."""


class TurnMeter:
    """Counts the tokens of one generation."""

    def __init__(self) -> None:
        self._pieces = 0
        self._characters = 0
        self.tokens: int | None = None
        """The exact number, once it is known."""

    def add(self, text: str) -> None:
        """Add a piece of text as it arrives."""
        self._pieces += 1
        self._characters += len(text)

    @property
    def estimate(self) -> int:
        """Tokens so far: a piece has at least one."""
        if self.tokens is not None:
            return self.tokens
        return max(self._pieces, self._characters // _CHARACTERS_PER_TOKEN)


class OutputMeter:
    """Counts the turns and tokens of many samples at once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns = 0
        self._cached = 0
        self._tokens = 0
        self._in_progress: set[TurnMeter] = set()

    @contextmanager
    def turn(self) -> Iterator[TurnMeter]:
        """Measures one generation; it counts as a turn if it completes."""
        meter = TurnMeter()
        with self._lock:
            self._in_progress.add(meter)
        try:
            yield meter
        finally:
            with self._lock:
                self._in_progress.discard(meter)
                if meter.tokens is not None:
                    self._turns += 1
                    self._tokens += meter.tokens

    def count_cached(self) -> None:
        """Count a generation that came from the cache."""
        with self._lock:
            self._turns += 1
            self._cached += 1

    def read(self) -> GenerationCounts:
        """The figures so far."""
        with self._lock:
            in_progress = sum(meter.estimate for meter in self._in_progress)
            return GenerationCounts(self._turns, self._cached, self._tokens + in_progress)
