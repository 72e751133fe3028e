"""Both verdicts on a program that must print an answer, from a single run.

The gold value never enters the process of the program; only its type does.
"""

from __future__ import annotations

from multiturn.benchmarks.oracles.legacy import legacy_equal
from multiturn.benchmarks.oracles.observation import LIMITS, ObservedRun, observe
from multiturn.benchmarks.oracles.strict import strict
from multiturn.sandbox.oracles.compare import difference
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Limits, Sandbox

__all__ = ["ORACLES", "judge_answer"]

ORACLES = ("strict", "legacy")


def judge_answer(
    sandbox: Sandbox, source: str, gold: object, *, limits: Limits = LIMITS
) -> dict[str, Verdict]:
    """Run a program once and judge what it printed.

    Args:
        sandbox: runs it.
        source: the program.
        gold: the value that it must print, as JSON has it.
        limits: of the run; by default the 20 seconds of the published scorer.

    Returns:
        ``legacy``, as the published scorer judges, and ``strict``, as docs/benchmarks.md says.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """
    kind = "null" if gold is None else type(gold).__name__
    observed = observe(sandbox, source, kind, limits)
    return {"strict": strict(observed, gold), "legacy": _legacy(observed, gold)}


def _legacy(observed: ObservedRun, gold: object) -> Verdict:
    outcome = observed.outcome
    if observed.has_published and legacy_equal(observed.published, gold):
        return Verdict(Judgement.PASSED, outcome=outcome)
    if not outcome.finished:
        return Verdict(Judgement.PREVENTED, outcome=outcome)
    if observed.has_published:
        return Verdict(Judgement.WRONG_ANSWER, difference(observed.published, gold), outcome)
    if not observed.judged:
        return Verdict(Judgement.WRONG_ANSWER, "sys.exit ends the published scorer", outcome)
    if observed.stdout:
        return Verdict(Judgement.WRONG_ANSWER, "what it printed last cannot be compared", outcome)
    return Verdict(Judgement.NO_OUTPUT, outcome=outcome)
