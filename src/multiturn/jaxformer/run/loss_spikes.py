"""Stopping a run whose loss has gone bad, before more time is spent on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from multiturn.core.errors import MultiturnError

__all__ = ["DivergenceError", "LossSpikeDetector", "LossSpike"]

_SMOOTHING = 0.98
_WARM = 50
"""Steps before a spike can be told from a beginning."""


@dataclass(frozen=True, slots=True)
class LossSpike:
    """A step whose loss is no number, or far above the mean.

    Attributes:
        step: counted from 1, as everywhere a person reads it.
        batches: those that may have caused it.
        reason: in words.
    """

    step: int
    batches: tuple[int, ...]
    reason: str


class DivergenceError(MultiturnError):
    """The loss of a run is no number or leapt up; nothing was saved since."""

    exit_code = 3

    def __init__(self, trouble: LossSpike, origins: Sequence[str], report: str) -> None:
        self.trouble = trouble
        self.origins = tuple(origins)
        shown = ", ".join(origins[:3])
        if len(origins) > 3:
            shown += f" and {len(origins) - 3} more, all in {report}"
        first, last = min(trouble.batches), max(trouble.batches)
        super().__init__(
            f"step {trouble.step}: {trouble.reason}; its data came from {shown}",
            fix=f"start again with data.skip=[[{first},{last}]] to leave these batches out, or "
            "with a lower schedule.peak",
        )


@dataclass(frozen=True, slots=True)
class LossSpikeDetector:
    """What is remembered of the losses so far; saved with every checkpoint.

    Attributes:
        limit: a loss above this many times the running mean is a spike; 0 is off.
        mean: of the losses, the recent ones counting most.
        seen: how many.
    """

    limit: float
    mean: float = 0.0
    seen: int = 0

    def check(
        self, step: int, batch: int, before: int | None, loss: float, norm: float
    ) -> LossSpike | None:
        """What is wrong with a step, if anything.

        Args:
            step: counted from 1.
            batch: what it trained on.
            before: what the step before it trained on; an update that was too large shows
                in the loss of the next step.
            loss: of the step.
            norm: of its gradient.
        """
        if not math.isfinite(loss) or not math.isfinite(norm):
            what = "loss" if not math.isfinite(loss) else "gradient's norm"
            return LossSpike(step, (batch,), f"the {what} is not a number")
        if self.limit and self.seen >= _WARM and loss > self.limit * self.mean:
            batches = (batch,) if before is None else (before, batch)
            return LossSpike(
                step, batches, f"the loss leapt to {loss:.4g} from a mean of {self.mean:.4g}"
            )
        return None

    def after(self, loss: float) -> LossSpikeDetector:
        """The guard having seen one more healthy loss."""
        share = max(1 / (self.seen + 1), 1 - _SMOOTHING)
        return replace(self, mean=self.mean + share * (loss - self.mean), seen=self.seen + 1)
