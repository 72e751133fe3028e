"""The default sampling of candidates, in one place.

docs/decisions/0007-prompt-styles.md has the measurements.
"""

from __future__ import annotations

__all__ = [
    "CANDIDATES",
    "OTHER_TEMPERATURE",
    "RETRIES",
    "RETRY_TEMPERATURE",
    "TEMPERATURE",
    "other_temperature",
]

CANDIDATES = 1
"""Candidates per turn."""

TEMPERATURE = 0.2
"""Of the first candidate: the likely text, but for what is a toss-up."""

OTHER_TEMPERATURE = 0.8
"""At least, of the other candidates: at 0.2 a model mostly repeats the first."""

RETRIES = 0
"""How often a turn is written again when all its candidates fail."""

RETRY_TEMPERATURE = 0.6
"""At least, of a step that a person wants written again."""


def other_temperature(first: float) -> float:
    """The temperature of the other candidates, given that of the first.

    Example:
        >>> other_temperature(0.2), other_temperature(1.0)
        (0.8, 1.0)
    """
    return max(first, OTHER_TEMPERATURE)
