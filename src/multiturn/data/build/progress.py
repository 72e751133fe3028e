"""How a build tells what it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["BuildListener", "BuildProgress", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """One moment of a build.

    Attributes:
        stage: what is being done: ``documents``, or the name of a `CorpusStage`.
        done: pieces of it that are finished, counting those of an earlier run.
        total: pieces in all.
        note: a detail, for a person: the piece just finished.
        bytes: of text in the finished pieces, where the stage counts it.
    """

    stage: str
    done: int
    total: int
    note: str = ""
    bytes: int = 0


class BuildListener(Protocol):
    """Is told each moment of a build; must not block."""

    def __call__(self, progress: BuildProgress, /) -> None:
        """Take note of a moment."""
        ...


def silent(progress: BuildProgress, /) -> None:
    """A listener that tells nobody."""
    del progress
