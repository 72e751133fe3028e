"""The oracle that judges as a person would: by what the program printed last.

docs/benchmarks.md states the rule; `multiturn.sandbox.oracles.printed` is the rule.
"""

from __future__ import annotations

from multiturn.benchmarks.oracles.watched import Watched
from multiturn.sandbox.oracles.compare import difference
from multiturn.sandbox.oracles.printed import last_printed, printed
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict

__all__ = ["strict"]


def strict(watched: Watched, gold: object) -> Verdict:
    """The verdict on a program that was run.

    Args:
        watched: what became of it.
        gold: what it must print, as JSON has it.
    """
    outcome = watched.outcome
    if not outcome.finished:
        return Verdict(Judgement.PREVENTED, outcome=outcome)
    if printed(watched.stdout, gold, watched.table):
        return Verdict(Judgement.PASSED, outcome=outcome)
    if not watched.stdout.strip():
        return Verdict(Judgement.NO_OUTPUT, outcome=outcome)
    got = last_printed(watched.stdout, watched.table)
    return Verdict(Judgement.WRONG_ANSWER, difference(got, gold), outcome)
