"""Verdicts on what a program computed or printed, reached where the program cannot interfere.

The expected value and the comparison stay in this process. The program runs in the sandbox and
returns plain data (`multiturn.sandbox.encoding`), so nothing it returns can influence its own
judgement. `multiturn.sandbox.oracles.unit_tests` is for tests that are code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from multiturn.core.errors import InputError
from multiturn.sandbox.oracles.compare import Compare, difference, exactly, same_text
from multiturn.sandbox.outcomes import Outcome
from multiturn.sandbox.protocol import Limits, Program, Sandbox

__all__ = ["Judgement", "Verdict", "check_stdout", "check_value"]


class Judgement(Enum):
    """What an oracle found. The values are part of the schema of saved results."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    NO_OUTPUT = "no_output"
    """It ran to its end, but printed or returned nothing."""
    PREVENTED = "prevented"
    """It ended before it gave an answer; `Verdict.outcome` says why."""
    UNDECIDED = "undecided"
    """The tests themselves did not run to their end, so they show nothing about the program."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one program, with the reason."""

    judgement: Judgement
    """The result."""
    difference: str | None = None
    """For a wrong answer: the value and the expected one, in one short line."""
    outcome: Outcome | None = None
    """How the program's run ended; for `UNDECIDED`, how the tests ended."""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.judgement is Judgement.PASSED

    def describe(self) -> str:
        """One line for a person.

        Example:
            >>> Verdict(Judgement.WRONG_ANSWER, difference="got 1, expected 2").describe()
            'wrong answer: got 1, expected 2'
        """
        detail = self.difference or ""
        if self.judgement in (Judgement.PREVENTED, Judgement.UNDECIDED) and self.outcome:
            detail = self.outcome.describe()
        if self.judgement is Judgement.UNDECIDED:
            return f"undecided, the tests failed by themselves: {detail}"
        if self.judgement is Judgement.PREVENTED:
            return detail
        text = self.judgement.value.replace("_", " ")
        return f"{text}: {detail}" if detail else text


def check_value(
    sandbox: Sandbox,
    program: Program,
    expected: object,
    *,
    compare: Compare = exactly,
    limits: Limits | None = None,
) -> Verdict:
    """Run a program and compare the value that it hands back.

    Args:
        sandbox: runs it.
        program: names the value in `Program.result`.
        expected: plain data; it never enters the program's process.
        compare: `exactly`, or another of `multiturn.sandbox.oracles.compare`.
        limits: of the run.

    Raises:
        InputError: the program names no result.
        SandboxUnavailableError: the sandbox failed.
    """
    if program.result is None:
        raise InputError(
            "the program names no result to compare", fix="set Program.result to a variable's name"
        )
    run = sandbox.run(program, limits or Limits())
    if not run.outcome.finished:
        return Verdict(Judgement.PREVENTED, outcome=run.outcome)
    if compare(run.value, expected):
        return Verdict(Judgement.PASSED, outcome=run.outcome)
    found = Judgement.NO_OUTPUT if run.value is None else Judgement.WRONG_ANSWER
    return Verdict(found, difference(run.value, expected), run.outcome)


def check_stdout(
    sandbox: Sandbox,
    program: Program,
    expected: str,
    *,
    compare: Compare = same_text,
    limits: Limits | None = None,
) -> Verdict:
    """Run a program and compare what it printed on standard output.

    Args:
        sandbox: runs it.
        program: what to run.
        expected: the text; it never enters the program's process.
        compare: by default, white space at the ends of lines does not count.
        limits: of the run.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """
    run = sandbox.run(program, limits or Limits())
    if not run.outcome.finished:
        return Verdict(Judgement.PREVENTED, outcome=run.outcome)
    if compare(run.stdout_text, expected):
        return Verdict(Judgement.PASSED, outcome=run.outcome)
    found = Judgement.WRONG_ANSWER if run.stdout.strip() else Judgement.NO_OUTPUT
    return Verdict(found, difference(run.stdout_text, expected), run.outcome)
