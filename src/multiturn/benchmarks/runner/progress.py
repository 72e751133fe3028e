"""How far a run is, for a person who watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from multiturn.benchmarks.runner.gauge import Fill

__all__ = ["Progress", "ProgressListener", "unwatched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the work stands."""

    done: int
    """Samples on the disk, those of earlier sittings included."""
    total: int
    new: int
    """Of `done`, those of this sitting."""
    seconds: float
    """Since this sitting began to write."""
    label: str
    """The cell whose sample was finished last."""
    passed: Mapping[str, int]
    """How many samples of that cell each oracle passed."""
    judged: int
    """How many samples of that cell there are."""
    fill: Fill

    @property
    def rate(self) -> float | None:
        """Samples a second, of this sitting; None before the first."""
        return self.new / self.seconds if self.new and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the end, at this rate; None while it is not known."""
        rate = self.rate
        return (self.total - self.done) / rate if rate else None


ProgressListener = Callable[[Progress], None]
"""Is told now and then, and once at the end."""


def unwatched(progress: Progress) -> None:
    """Nobody watches."""
    del progress
