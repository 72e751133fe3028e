"""What a template draws: sequences, numbers, words and lists of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

__all__ = ["WORDS", "Draw", "Drawn", "dna", "integer", "letters", "number", "pick", "several"]

Drawn = Callable[["Draw"], Any]
"""How a value is drawn."""

WORDS = [
    "amber",
    "river",
    "stone",
    "candle",
    "meadow",
    "copper",
    "lantern",
    "harbor",
    "violet",
    "walnut",
    "thunder",
    "ribbon",
    "anchor",
    "pepper",
    "saddle",
    "glacier",
    "orchid",
    "basket",
    "timber",
    "falcon",
    "mirror",
    "carpet",
    "engine",
    "pillow",
    "rocket",
]


class Draw(random.Random):
    """A source of random values that knows what was drawn before."""

    def __init__(self, seed: str) -> None:
        super().__init__(seed)
        self.values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def text(self, alphabet: str, shortest: int, longest: int) -> str:
        """A text of letters of an alphabet."""
        return "".join(self.choices(alphabet, k=self.randint(shortest, longest)))

    def bases(self, shortest: int, longest: int) -> str:
        """A DNA sequence."""
        return self.text("ACGT", shortest, longest)


def letters(alphabet: str, shortest: int, longest: int) -> Drawn:
    """A text of letters of an alphabet."""
    return lambda draw: draw.text(alphabet, shortest, longest)


def dna(shortest: int, longest: int) -> Drawn:
    """A DNA sequence."""
    return letters("ACGT", shortest, longest)


def integer(smallest: int, largest: int) -> Drawn:
    """An integer; both ends are possible."""
    return lambda draw: draw.randint(smallest, largest)


def number(smallest: float, largest: float, digits: int = 1) -> Drawn:
    """A decimal number."""
    return lambda draw: round(draw.uniform(smallest, largest), digits)


def pick(*options: Any) -> Drawn:
    """One of some values."""
    return lambda draw: draw.choice(options)


def several(one: Drawn, fewest: int, most: int, *, different: bool = False) -> Drawn:
    """A list of values, all of them different on request."""

    def drawn(draw: Draw) -> list[Any]:
        count = draw.randint(fewest, most)
        found: list[Any] = []
        while len(found) < count:
            value = one(draw)
            if not (different and value in found):
                found.append(value)
        return found

    return drawn
