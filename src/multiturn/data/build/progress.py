"""Reports of a build's progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["BuildListener", "BuildProgress", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """The state of a build after a task.

    Attributes:
        stage: ``documents``, or the name of a `CorpusStage`.
        done: tasks of the stage that are finished, counting those of an earlier run.
        total: tasks of the stage in all.
        note: a detail for a person: the task just finished.
        bytes: of text in the finished tasks, where the stage counts it.
    """

    stage: str
    done: int
    total: int
    note: str = ""
    bytes: int = 0


class BuildListener(Protocol):
    """Receives the progress of a build; must not block."""

    def __call__(self, progress: BuildProgress, /) -> None:
        """Receive a report."""
        ...


def silent(progress: BuildProgress, /) -> None:
    """A listener that ignores all reports."""
    del progress
