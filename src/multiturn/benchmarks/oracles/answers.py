"""Both verdicts on a program that must print an answer, from one run of it.

The expected value never enters the program's process; only its kind does.
"""

from __future__ import annotations

from multiturn.benchmarks.oracles.legacy import legacy_equal
from multiturn.benchmarks.oracles.strict import strict
from multiturn.benchmarks.oracles.watched import LIMITS, Watched, watch
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
        gold: what it must print, as JSON has it.
        limits: of the run; the published scorer's 20 seconds where left out.

    Returns:
        ``legacy``, as the published scorer judges, and ``strict``, as docs/benchmarks.md says.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """
    kind = "null" if gold is None else type(gold).__name__
    watched = watch(sandbox, source, kind, limits)
    return {"strict": strict(watched, gold), "legacy": _legacy(watched, gold)}


def _legacy(watched: Watched, gold: object) -> Verdict:
    outcome = watched.outcome
    if watched.has_published and legacy_equal(watched.published, gold):
        return Verdict(Judgement.PASSED, outcome=outcome)
    if not outcome.finished:
        return Verdict(Judgement.PREVENTED, outcome=outcome)
    if watched.has_published:
        return Verdict(Judgement.WRONG_ANSWER, difference(watched.published, gold), outcome)
    if not watched.judged:
        return Verdict(Judgement.WRONG_ANSWER, "sys.exit ends the published scorer", outcome)
    if watched.stdout:
        return Verdict(Judgement.WRONG_ANSWER, "what it printed last cannot be compared", outcome)
    return Verdict(Judgement.NO_OUTPUT, outcome=outcome)
