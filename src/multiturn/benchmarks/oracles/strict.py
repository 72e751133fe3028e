"""The oracle that judges like a person: by what the program printed last.

docs/benchmarks.md states the rule; `multiturn.sandbox.oracles.printed` is the rule.
"""

from __future__ import annotations

from multiturn.benchmarks.oracles.observation import ObservedRun
from multiturn.sandbox.oracles.compare import difference
from multiturn.sandbox.oracles.printed import last_printed, printed_matches
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict

__all__ = ["strict"]


def strict(observed: ObservedRun, gold: object) -> Verdict:
    """The verdict on a program that was run.

    Args:
        observed: the run.
        gold: the value that it must print, as JSON has it.
    """
    outcome = observed.outcome
    if not outcome.finished:
        return Verdict(Judgement.PREVENTED, outcome=outcome)
    if printed_matches(observed.stdout, gold, observed.table):
        return Verdict(Judgement.PASSED, outcome=outcome)
    if not observed.stdout.strip():
        return Verdict(Judgement.NO_OUTPUT, outcome=outcome)
    got = last_printed(observed.stdout, observed.table)
    return Verdict(Judgement.WRONG_ANSWER, difference(got, gold), outcome)
