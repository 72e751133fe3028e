"""How many turns and tokens were written, seen while they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Output", "OutputMeter", "TurnMeter"]

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Output:
    """What was written up to now."""

    turns: int = 0
    """Texts that are finished, those that were kept from an earlier time included."""
    kept_turns: int = 0
    """Of `turns`, those that were kept."""
    tokens: int = 0
    """That were written now. Of texts under way this is an estimate."""


class TurnMeter:
    """Counts the text that is being written."""

    def __init__(self) -> None:
        self._pieces = 0
        self._characters = 0
        self.tokens: int | None = None
        """Of the whole text, once that is known."""

    def add(self, text: str) -> None:
        """Take a piece of text as it comes."""
        self._pieces += 1
        self._characters += len(text)

    @property
    def estimate(self) -> int:
        """Tokens up to now: a piece has at least one."""
        if self.tokens is not None:
            return self.tokens
        return max(self._pieces, self._characters // _CHARACTERS_PER_TOKEN)


class OutputMeter:
    """Counts turns and tokens of many dialogues at once. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns = 0
        self._kept = 0
        self._tokens = 0
        self._under_way: set[TurnMeter] = set()

    @contextmanager
    def turn(self) -> Iterator[TurnMeter]:
        """While a text is being written; it counts as a turn where it was finished."""
        meter = TurnMeter()
        with self._lock:
            self._under_way.add(meter)
        try:
            yield meter
        finally:
            with self._lock:
                self._under_way.discard(meter)
                if meter.tokens is not None:
                    self._turns += 1
                    self._tokens += meter.tokens

    def kept(self) -> None:
        """A text was there from an earlier time."""
        with self._lock:
            self._turns += 1
            self._kept += 1

    def read(self) -> Output:
        """The figures up to now."""
        with self._lock:
            under_way = sum(meter.estimate for meter in self._under_way)
            return Output(self._turns, self._kept, self._tokens + under_way)
