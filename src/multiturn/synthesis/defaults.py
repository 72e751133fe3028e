"""The defaults of the loop, in one place, and what was measured for certain models.

docs/decisions/0007-prompt-styles.md has the measurements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from multiturn.synthesis.strategy import Strategy

__all__ = [
    "CANDIDATES",
    "MEASURED",
    "LoopDefaults",
    "loop_defaults",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopDefaults:
    """The settings of the loop for a model, where a person sets none."""

    style: Literal["comment", "chat"] | None = None
    """What ``auto`` means; None for chat if the model has a template, and comment otherwise."""
    n: int = CANDIDATES
    """Candidates per turn."""
    temperature: float = TEMPERATURE
    """Of the first candidate."""
    other_temperature: float | None = None
    """Of the others; None for `other_temperature`."""
    retries: int = RETRIES
    """How often a turn is written again when all its candidates fail."""
    strategy: Strategy = field(default_factory=Strategy)
    """How candidates are written and chosen."""


_BY_VALUES = Strategy(choose="values", align=True, asked=True)

MEASURED: Mapping[str, LoopDefaults] = {
    "qwen25coder05b": LoopDefaults(style="chat", n=8, retries=1, strategy=_BY_VALUES),
    "qwen25coder15b": LoopDefaults(
        style="chat", n=4, retries=1, strategy=replace(_BY_VALUES, shown="values")
    ),
}
"""What was best on the dev problems, by the letters and digits that a model's name contains."""


def loop_defaults(model: str) -> LoopDefaults:
    """The defaults for a model.

    Args:
        model: its name, as typed or as its file gives it; or its path.
    """
    letters = re.sub(r"[^a-z0-9]", "", model.lower())
    for part, defaults in MEASURED.items():
        if part in letters:
            return defaults
    return LoopDefaults()


def other_temperature(first: float) -> float:
    """The temperature of the other candidates, given that of the first.

    Example:
        >>> other_temperature(0.2), other_temperature(1.0)
        (0.8, 1.0)
    """
    return max(first, OTHER_TEMPERATURE)
