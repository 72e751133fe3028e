"""What one step computes of one sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from multiturn.engines.native.sequence import Sequence

__all__ = ["StepRow"]


@dataclass(frozen=True, slots=True)
class StepRow:
    """What one step computes of one sequence.

    Attributes:
        sequence: whose.
        tokens: the next ones of the sequence, then drafted ones.
        drafted: how many of them are drafted.
        samples: at how many of the last tokens the next one is sampled; 0 within a prompt.
        scored: at how many of the first tokens the prompt's next one is scored.
    """

    sequence: Sequence
    tokens: list[int]
    drafted: int
    samples: int
    scored: int = 0

    @property
    def wanted(self) -> Literal["none", "last", "all"]:
        """At which tokens the final states are needed."""
        if self.scored or self.samples > 1:
            return "all"
        return "last" if self.samples else "none"

    @property
    def states(self) -> int:
        """How many final states that are."""
        return {"none": 0, "last": 1, "all": len(self.tokens)}[self.wanted]
