"""Which of a turn's candidates is best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from multiturn.synthesis.records import Candidate
from multiturn.synthesis.strategy import Choice

__all__ = ["agreement", "best_candidate", "rank"]


def rank(candidate: Candidate) -> tuple[bool, int, int, int, bool, float]:
    """A sort key; the best candidate has the highest.

    A program that runs without an error comes first, then the number of examples that hold, then
    that of checks that pass, then how little it lacks of what the prompt asks for, then complete
    steps before those whose unfinished end was cut, then mean log-probability.
    """
    logprob = candidate.mean_logprob
    return (
        candidate.finished,
        sum(candidate.examples_passed),
        candidate.checks_passed,
        -len(candidate.lacks),
        not candidate.trimmed,
        logprob if logprob is not None and math.isfinite(logprob) else float("-inf"),
    )


def best_candidate(candidates: Sequence[Candidate], choose: Choice = "likely") -> int:
    """The index of the best candidate; the first of equal ones.

    Args:
        candidates: at least one.
        choose: what decides among those that finished, pass as many examples and checks, and
            lack as little.
    """

    def key(index: int) -> tuple[object, ...]:
        finished, examples, checks, lacks, *rest = rank(candidates[index])
        return finished, examples, checks, lacks, agreement(candidates, index, choose), *rest

    return max(range(len(candidates)), key=key)


def agreement(candidates: Sequence[Candidate], index: int, choose: Choice) -> int:
    """How many continuations agree with candidate `index`, itself included; 0 if it failed.

    Continuations with the same code count each.
    """
    compared = _COMPARED.get(choose)
    candidate = candidates[index]
    if compared is None or not candidate.good:
        return 0
    wanted = compared(candidate)
    return sum(each.copies for each in candidates if each.good and compared(each) == wanted)


def _printed(candidate: Candidate) -> object:
    return None if candidate.run is None else candidate.run.stdout


def _left(candidate: Candidate) -> object:
    """What a candidate printed and the values that it left."""
    run = candidate.run
    if run is None or run.values is None:
        return _printed(candidate)
    # The text of a function is its head, so functions that differ inside agree.
    return run.stdout, frozenset(run.values)


_COMPARED: dict[Choice, Callable[[Candidate], object]] = {"output": _printed, "values": _left}
