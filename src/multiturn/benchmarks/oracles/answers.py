"""Both verdicts on a program that must print an answer, from a single run.

The gold value never enters the process of the program; only its type does.
"""

from __future__ import annotations

from multiturn.benchmarks.oracles.legacy import legacy_equal
from multiturn.benchmarks.oracles.observation import LIMITS, ObservedRun, observe
from multiturn.benchmarks.oracles.strict import strict
from multiturn.sandbox.oracles.compare import difference
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = ["ORACLES", "PRINTED_ORACLES", "judge_answer", "judge_printed"]

ORACLES = ("strict", "legacy")

PRINTED_ORACLES = ("strict",)
"""In other languages than Python: the published scorer is for Python alone."""


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


def judge_printed(
    sandbox: Sandbox, source: str, gold: object, *, language: str, limits: Limits = LIMITS
) -> dict[str, Verdict]:
    """Run a program of another language than Python once and judge what it printed.

    Args:
        sandbox: builds and runs it.
        source: the program.
        gold: the value that it must print, as JSON has it.
        language: a key of the table of languages.
        limits: of the run.

    Returns:
        ``strict``: what was printed last is the gold value, in the notation of JSON or any other
        that docs/benchmarks.md names.

    Raises:
        InputError: the language's tools are not installed.
        SandboxUnavailableError: the sandbox failed.
    """
    run = sandbox.run(Program(source=source, language=language), limits)
    observed = ObservedRun(outcome=run.outcome, judged=True, stdout=run.stdout_text)
    return {"strict": strict(observed, gold)}


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
