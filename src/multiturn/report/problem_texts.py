"""The texts of problems, for pages and for rules that read them.

Records name problems without repeating them. The caller loads the problem sets, since this layer
does not import the benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CaseTexts", "ProblemTexts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTexts:
    """One case of a problem."""

    prompts: tuple[str, ...]
    """What each turn asks for, with variables filled in."""
    gold: object
    """The expected output."""
    inputs: Mapping[str, object]
    """The variables."""
    references: tuple[str, ...] = ()
    """Code that does each turn; empty if the set has none."""
    names: tuple[tuple[str, ...], ...] = ()
    """Names that must exist after each turn; empty if unknown."""


ProblemTexts = Mapping[tuple[str, str, int], CaseTexts]
"""By hash of the problem set, id of the problem, and number of the case."""
