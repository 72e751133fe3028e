"""Problem sets as tasks for the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multiturn.benchmarks.arms.chat_functions import (
    AUTHORS,
    EVALPLUS,
    ChatForm,
    aligned_program,
)
from multiturn.benchmarks.arms.layout import fill_case
from multiturn.benchmarks.arms.options import LoopOptions
from multiturn.benchmarks.arms.prompter import Prompter
from multiturn.benchmarks.arms.synthesis import SynthesisArm
from multiturn.benchmarks.arms.truncation import ParseTruncation
from multiturn.benchmarks.arms.truncation_rule import StopRuleOnly, TruncationRule
from multiturn.benchmarks.loaders.human_eval import HumanEvalProblem
from multiturn.benchmarks.oracles.answers import (
    ORACLES,
    PRINTED_ORACLES,
    judge_answer,
    judge_printed,
)
from multiturn.benchmarks.oracles.observation import LIMITS
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import DescribeRun, Solution, Solver, SolverContext
from multiturn.benchmarks.task import Arm, ArmSettings, Item, Truncation
from multiturn.core.errors import InputError, UnknownNameError
from multiturn.sandbox.oracles.unit_tests import InvalidTestsError, check_tests
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Limits, Sandbox
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.prompts import chat_template_of
from multiturn.text.languages import language
from multiturn.text.truncation import FenceEnd, KeepAll, StopStrings

__all__ = [
    "HUMAN_EVAL_ARMS",
    "HUMAN_EVAL_LIMITS",
    "HUMAN_EVAL_STOPS",
    "HumanEvalTask",
    "ProblemTask",
]

HUMAN_EVAL_STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""The published stop strings. Source: Chen et al., arXiv 2107.03374."""

HUMAN_EVAL_LIMITS = Limits(cpu_seconds=3.0, wall_seconds=9.0)
"""3 seconds as published, but of CPU time, so that a busy machine fails no correct program."""

_HUMAN_EVAL_TOKENS = 512
_CHAT_TOKENS = 1024
"""Of the published chat forms."""

_CHAT_FORMS = {form.name: form for form in (AUTHORS, EVALPLUS)}

COMPLETION = "completion"

HUMAN_EVAL_ARMS = (COMPLETION, *_CHAT_FORMS)
"""``completion``: the model continues the prompt; the others are in `arms.chat_functions`."""


class ProblemTask:
    """A set of multi-turn problems under one arm.

    Args:
        problems: in the order of their items, all in the same language.
        arm: the way of prompting.
        name: of the set.
        sha256: of its file.
        limits: of the programs that are judged.

    Raises:
        InputError: a problem lacks what the arm needs, or a case lacks a variable.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        arm: Arm,
        *,
        name: str,
        sha256: str,
        limits: Limits = LIMITS,
    ) -> None:
        self.language = problems[0].language if problems else "python"
        in_python = language(self.language).grammar is None
        self.oracles = ORACLES if in_python else PRINTED_ORACLES
        self.name, self.problems_sha256 = name, sha256
        self.arm = arm.name
        self._arm, self.limits = arm, limits
        self._problems = {problem.id: problem for problem in problems}
        self._items = tuple(item for problem in problems for item in _items(problem, arm))

    def loop_options(self, model: str) -> LoopOptions | None:
        """The default options of an arm that writes programs with the loop of `synth`."""
        return self._arm.options_for(model) if isinstance(self._arm, SynthesisArm) else None

    @property
    def problems(self) -> Mapping[str, Problem]:
        """The problems by id, in the order of their items."""
        return self._problems

    def items(self) -> Sequence[Item]:
        """The cases of all problems; for each case its turns, if the arm samples single turns."""
        return self._items

    def solver(self, item: Item, settings: ArmSettings) -> Solver:
        """The solver of the arm."""
        return self._arm.solver(self._problem(item), item.case, settings, turn=item.turn)

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        """The verdicts of the oracles, from one run."""
        problem = self._problem(item)
        gold = problem.outputs[item.case]
        if self.oracles == PRINTED_ORACLES:
            return judge_printed(sandbox, program, gold, language=self.language, limits=self.limits)
        return judge_answer(sandbox, program, gold, limits=self.limits)

    def _problem(self, item: Item) -> Problem:
        if item.problem not in self._problems:
            raise InputError(f"the problem set {self.name} has no such problem", got=item.problem)
        return self._problems[item.problem]


def _items(problem: Problem, arm: Arm) -> list[Item]:
    cases = range(len(problem.inputs))
    for case in cases:
        fill_case(problem, case)  # reports a missing variable before anything is written
    return [
        Item(
            id=f"{problem.id}/{case}" + ("" if turn is None else f"/{turn}"),
            problem=problem.id,
            case=case,
            turn=turn,
            category=problem.category,
            turns=len(problem.turns),
            difficulty=problem.difficulty,
        )
        for case in cases
        for turn in arm.turns(problem)
    ]


class HumanEvalTask:
    """HumanEval: one completion per problem, judged by its tests.

    The prompts contain their imports, so the header in the settings is ignored. In the chat arms
    the truncation ``none`` judges the answer as it is; with every other one the function is taken
    from it.

    Args:
        problems: in the order of their items.
        sha256: of their file.
        arm: one of `HUMAN_EVAL_ARMS`.
        limits: of a program, over all calls.
    """

    name = "humaneval"
    language = "python"
    oracles = ("strict",)

    def __init__(
        self,
        problems: Sequence[HumanEvalProblem],
        *,
        sha256: str,
        arm: str = COMPLETION,
        limits: Limits = HUMAN_EVAL_LIMITS,
    ) -> None:
        if arm not in HUMAN_EVAL_ARMS:
            raise UnknownNameError("arm", arm, HUMAN_EVAL_ARMS)
        self.problems_sha256 = sha256
        self.arm = arm
        self.limits = limits
        self._problems = {problem.task_id: problem for problem in problems}

    def items(self) -> Sequence[Item]:
        """The problems."""
        return tuple(Item(id=name, problem=name) for name in self._problems)

    def solver(self, item: Item, settings: ArmSettings) -> Solver:
        """The prompt unchanged, or as a request."""
        form = _CHAT_FORMS.get(self.arm)
        if form is not None:
            return _answered(form, self._problem(item), settings)
        return self._solver(self._problem(item), settings)

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        """The verdict of the published tests."""
        problem = self._problem(item)
        try:
            verdict = check_tests(
                sandbox,
                program,
                problem.entry_point,
                problem.test,
                context=_context(problem.prompt),
                limits=self.limits,
            )
        except InvalidTestsError as fault:
            # An error in one problem says nothing about the others.
            verdict = Verdict(Judgement.UNDECIDED, str(fault))
        return {"strict": verdict}

    def _solver(self, problem: HumanEvalProblem, settings: ArmSettings) -> Solver:
        prompter = Prompter(settings, _HUMAN_EVAL_TOKENS)
        rule = _truncation(settings.truncation, problem.prompt)
        text = yield from prompter.generate(problem.prompt, rule)
        return Solution(program=f"{problem.prompt}{text}\n", steps=tuple(prompter.steps))

    def _problem(self, item: Item) -> HumanEvalProblem:
        if item.problem not in self._problems:
            raise InputError("HumanEval has no such problem", got=item.problem)
        return self._problems[item.problem]


def _answered(form: ChatForm, problem: HumanEvalProblem, settings: ArmSettings) -> Solver:
    facts = yield DescribeRun()
    if not isinstance(facts, SolverContext):
        raise TypeError("the reply to a DescribeRun is not a SolverContext")
    prompter = Prompter(settings, _CHAT_TOKENS)
    prompt = form.render(chat_template_of(facts.engine), problem.prompt)
    as_it_is = settings.truncation == "none"
    rule = StopRuleOnly(KeepAll() if as_it_is else FenceEnd())
    text = yield from prompter.generate(prompt, rule, parse_special=True)
    program = f"{text}\n"
    if not as_it_is:
        program = aligned_program(problem.prompt, problem.entry_point, text) + "\n"
    return Solution(program=program, steps=tuple(prompter.steps))


def _context(prompt: str) -> str:
    """The prompt as a module by itself, for helpers in it that tests use."""
    return prompt if parse_module(prompt) is not None else f"{prompt}    pass\n"


def _truncation(name: Truncation, prompt: str) -> TruncationRule:
    if name in ("parse", "next_prompt"):
        return ParseTruncation(prompt)
    return StopRuleOnly(StopStrings(HUMAN_EVAL_STOPS) if name == "published" else KeepAll())
