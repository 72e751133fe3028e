"""The progress of a run, for display."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from multiturn.benchmarks.runner.output import GenerationCounts
from multiturn.benchmarks.runner.utilization import EngineUtilization

__all__ = ["BenchmarkProgress", "ProgressListener", "unwatched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkProgress:
    """How far a run has come."""

    done: int
    """Samples on disk, including those of earlier invocations."""
    total: int
    """Number of samples when the runs are complete."""
    new: int
    """How many of `done` are from this invocation."""
    seconds: float
    """Since this invocation started to generate."""
    label: str
    """The run whose sample was finished last."""
    passed: Mapping[str, int]
    """How many samples of that run passed, by oracle."""
    judged: int
    """How many samples of that run have been judged."""
    utilization: EngineUtilization
    """How busy the engine is."""
    output: GenerationCounts = field(default_factory=GenerationCounts)
    """What this invocation has generated, including unfinished samples."""
    all_turns: int = 0
    """The maximum number of generations for the missing samples; 0 if unknown."""
    stopping: bool = False
    """Whether nothing new is started, and work in progress is finished or dropped."""
    extended: int = 0
    """The number of samples before the runs were extended; 0 if they were not."""

    @property
    def rate(self) -> float | None:
        """Samples per second in this invocation; None before the first."""
        return self.new / self.seconds if self.new and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated time to the end; None while unknown.

        Before the first sample is finished, the estimate uses the rate of turns.
        """
        rate = self.rate
        if rate:
            return (self.total - self.done) / rate
        solution = self.output.turns - self.output.cached_turns
        if not solution or not self.all_turns or self.seconds <= 0:
            return None
        return max(self.all_turns - self.output.turns, 0) / solution * self.seconds


ProgressListener = Callable[[BenchmarkProgress], None]
"""Called now and then, and once at the end."""


def unwatched(progress: BenchmarkProgress) -> None:
    """Ignore the progress."""
    del progress
