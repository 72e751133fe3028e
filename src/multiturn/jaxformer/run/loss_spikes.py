"""Detection of loss spikes and of losses that are not finite, which stop a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from multiturn.core.errors import MultiturnError

__all__ = ["DivergenceError", "LossSpikeDetector", "LossSpike"]

_SMOOTHING = 0.98
_WARMUP_STEPS = 50
"""Steps before detection begins; the loss changes too fast at first."""
_DEVIATIONS = 5.0
"""A spike is at least so many standard deviations above the mean. Batches of a few short records of
different kinds differ by more than a factor of two, and are no spikes."""


@dataclass(frozen=True, slots=True)
class LossSpike:
    """A step whose loss is not finite, or far above the running mean.

    Attributes:
        step: counted from 1.
        batches: the batches that may have caused it.
        reason: in words.
    """

    step: int
    batches: tuple[int, ...]
    reason: str


class DivergenceError(MultiturnError):
    """The loss of a run is not finite or spiked; no checkpoint was saved since."""

    exit_code = 3

    def __init__(self, spike: LossSpike, origins: Sequence[str], report: str) -> None:
        self.spike = spike
        self.origins = tuple(origins)
        shown = ", ".join(origins[:3])
        if len(origins) > 3:
            shown += f" and {len(origins) - 3} more, all in {report}"
        first, last = min(spike.batches), max(spike.batches)
        super().__init__(
            f"step {spike.step}: {spike.reason}; its data came from {shown}",
            fix=f"run it again with data.skip=[[{first},{last}]] to leave these batches out, or "
            "with a lower schedule.peak",
        )


@dataclass(frozen=True, slots=True)
class LossSpikeDetector:
    """Detects loss spikes against an exponential moving average; saved with every checkpoint.

    Attributes:
        limit: a loss above this multiple of the running mean is a spike, unless losses vary so
            much that it is within 5 standard deviations of the mean; 0 is off.
        mean: the exponential moving average of the losses.
        seen: number of losses.
        variance: the exponential moving variance of the losses (West, "Updating mean and variance
            estimates", CACM 1979).
    """

    limit: float
    mean: float = 0.0
    seen: int = 0
    variance: float = 0.0

    def check(
        self, step: int, batch: int, previous: int | None, loss: float, norm: float
    ) -> LossSpike | None:
        """The loss spike at a step, or None.

        Args:
            step: counted from 1.
            batch: the batch of the step.
            previous: the batch of the step before; too large an update shows in the loss of
                the next step.
            loss: of the step.
            norm: of its gradient.
        """
        if not math.isfinite(loss) or not math.isfinite(norm):
            what = "loss" if not math.isfinite(loss) else "gradient's norm"
            return LossSpike(step, (batch,), f"the {what} is not a number")
        normal = max(self.limit * self.mean, self.mean + _DEVIATIONS * math.sqrt(self.variance))
        if self.limit and self.seen >= _WARMUP_STEPS and loss > normal:
            batches = (batch,) if previous is None else (previous, batch)
            return LossSpike(
                step, batches, f"the loss jumped to {loss:.4g} from a mean of {self.mean:.4g}"
            )
        return None

    def updated(self, loss: float) -> LossSpikeDetector:
        """The detector after one more normal loss."""
        share = max(1 / (self.seen + 1), 1 - _SMOOTHING)
        change = loss - self.mean
        return replace(
            self,
            mean=self.mean + share * change,
            seen=self.seen + 1,
            variance=(1 - share) * (self.variance + share * change**2),
        )
