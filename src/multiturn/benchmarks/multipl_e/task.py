"""MultiPL-E as a task: one completion per problem, judged by its tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from multiturn.benchmarks.arms.prompter import Prompter
from multiturn.benchmarks.arms.truncation import END_OF_TEXT
from multiturn.benchmarks.arms.truncation_rule import StopRuleOnly
from multiturn.benchmarks.multipl_e.problems import MultiplEProblem
from multiturn.benchmarks.multipl_e.programs import runnable
from multiturn.benchmarks.solver import Solution, Solver
from multiturn.benchmarks.task import ArmSettings, Item
from multiturn.core.errors import InputError
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.truncation import KeepAll, StopStrings

__all__ = ["COMPLETION", "MULTIPL_E_LIMITS", "MultiplETask"]

COMPLETION = "completion"
"""The only arm: the model continues the prompt."""

MULTIPL_E_LIMITS = Limits(cpu_seconds=15.0, wall_seconds=60.0)
"""15 seconds as in MultiPL-E, but of CPU time, so that a busy machine fails no correct program."""

_TOKENS = 512
_FAILED_TEST = re.compile(r"^.*(AssertionError|Assertion .* failed|--- FAIL: ).*$", re.MULTILINE)
"""How a test says that it failed: of JavaScript and Java, of C and C++, and of Go."""


class MultiplETask:
    """The problems of one language.

    The header in the settings is ignored: prompts have their imports. The truncation ``none``
    keeps the answer as it is; every other one is the problem's stop strings.

    Args:
        problems: in the order of their items.
        language: a key of the table of languages.
        sha256: of their file.
        limits: of a program.
    """

    arm = COMPLETION
    oracles = ("strict",)

    def __init__(
        self,
        problems: Sequence[MultiplEProblem],
        *,
        language: str,
        sha256: str,
        limits: Limits = MULTIPL_E_LIMITS,
    ) -> None:
        self.name = f"multipl-e-{language}"
        self.language = language
        self.problems_sha256 = sha256
        self.limits = limits
        self._problems = {problem.name: problem for problem in problems}

    @property
    def problems(self) -> Mapping[str, MultiplEProblem]:
        """The problems by name, in the order of their items."""
        return self._problems

    def items(self) -> Sequence[Item]:
        """The problems."""
        return tuple(Item(id=name, problem=name) for name in self._problems)

    def solver(self, item: Item, settings: ArmSettings) -> Solver:
        """The prompt without white space at its ends, as MultiPL-E gives it to a model."""
        return self._solver(self._problem(item), settings)

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        """Whether the program compiles, runs and exits with code 0."""
        self._problem(item)
        source = runnable(self.language, program)
        run = sandbox.run(Program(source=source, language=self.language), self.limits)
        return {"strict": _verdict(run)}

    def _solver(self, problem: MultiplEProblem, settings: ArmSettings) -> Solver:
        prompter = Prompter(settings, _TOKENS)
        stops = StopStrings((*problem.stop_tokens, END_OF_TEXT))
        rule = StopRuleOnly(KeepAll() if settings.truncation == "none" else stops)
        text = yield from prompter.generate(problem.prompt.strip(), rule)
        program = f"{problem.prompt}{text}\n{problem.tests}"
        return Solution(program=program, steps=tuple(prompter.steps))

    def _problem(self, item: Item) -> MultiplEProblem:
        if item.problem not in self._problems:
            raise InputError(f"{self.name} has no such problem", got=item.problem)
        return self._problems[item.problem]


def _verdict(run: RunResult) -> Verdict:
    if run.outcome.finished:
        return Verdict(Judgement.PASSED, outcome=run.outcome)
    said = _FAILED_TEST.search(f"{run.stderr_text}\n{run.stdout_text}")
    if said is None:
        return Verdict(Judgement.PREVENTED, outcome=run.outcome)
    return Verdict(Judgement.WRONG_ANSWER, said[0].strip()[:200], run.outcome)
