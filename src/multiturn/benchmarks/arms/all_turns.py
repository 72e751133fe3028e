"""Arms that take all turns of a problem at once."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.benchmarks.problem_set import Problem

__all__ = ["AllTurns"]


class AllTurns:
    """The base of the arms whose sample is one program for the complete problem."""

    __slots__ = ()

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """All turns at once."""
        del problem
        return (None,)
