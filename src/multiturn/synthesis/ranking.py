"""Which of a turn's candidates is best."""

from __future__ import annotations

import math
from collections.abc import Sequence

from multiturn.synthesis.records import Candidate

__all__ = ["best_candidate", "rank"]


def rank(candidate: Candidate) -> tuple[bool, int, bool, float]:
    """A sort key; the best candidate has the highest.

    A program that runs without an error comes first, then the number of examples that hold,
    then complete steps before those whose unfinished end was cut, then mean log-probability.
    """
    logprob = candidate.mean_logprob
    return (
        candidate.finished,
        sum(candidate.examples_passed),
        not candidate.trimmed,
        logprob if logprob is not None and math.isfinite(logprob) else float("-inf"),
    )


def best_candidate(candidates: Sequence[Candidate]) -> int:
    """The index of the best candidate; the first of equal ones."""
    return max(range(len(candidates)), key=lambda index: rank(candidates[index]))
