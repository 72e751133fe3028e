"""How far a run is, for a person who watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from multiturn.benchmarks.runner.output import Output
from multiturn.benchmarks.runner.utilization import EngineUtilization

__all__ = ["BenchmarkProgress", "ProgressListener", "unwatched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkProgress:
    """Where the work stands."""

    done: int
    """Samples on the disk, those of earlier sittings included."""
    total: int
    """Number of samples when the runs are complete."""
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
    utilization: EngineUtilization
    """How busy the engine is."""
    output: Output = field(default_factory=Output)
    """What was written at this time, also of samples that are not finished."""
    all_turns: int = 0
    """How many texts the samples of this time take at most; 0 where that is not known."""
    stopping: bool = False
    """Whether no more is begun, and what is under way is brought to an end or dropped."""
    extended: int = 0
    """How many samples the runs had to have before more were asked for; 0 where none were."""

    @property
    def rate(self) -> float | None:
        """Samples a second, of this sitting; None before the first."""
        return self.new / self.seconds if self.new and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the end, at this rate; None while it is not known.

        Before the first sample is finished, at the rate of turns.
        """
        rate = self.rate
        if rate:
            return (self.total - self.done) / rate
        solution = self.output.turns - self.output.kept_turns
        if not solution or not self.all_turns or self.seconds <= 0:
            return None
        return max(self.all_turns - self.output.turns, 0) / solution * self.seconds


ProgressListener = Callable[[BenchmarkProgress], None]
"""Is told now and then, and once at the end."""


def unwatched(progress: BenchmarkProgress) -> None:
    """Nobody watches."""
    del progress
