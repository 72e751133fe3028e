"""The arms that prompt turn by turn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.benchmarks.arms.all_turns import AllTurns
from multiturn.benchmarks.arms.feedback import outcome_comment
from multiturn.benchmarks.arms.layout import (
    SEPARATOR,
    comment_of,
    fill_case,
    finished_program,
    header_text,
    imports_of,
    in_main,
    next_turn,
    opened_main,
    require_python,
    require_references,
    turn_comment,
)
from multiturn.benchmarks.arms.prompter import Prompter
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Solution, Solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError

__all__ = ["Feedback", "GoldPrefix", "Shuffled", "Turns"]


@dataclass(frozen=True, slots=True)
class Turns(AllTurns):
    """The published multi-turn arm: each prompt follows the program written so far."""

    name: str = "turns"

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """Every turn in order."""
        del turn
        prompts = fill_case(problem, case).prompts
        return _multi_turn(problem, prompts, settings)


@dataclass(frozen=True, slots=True)
class Shuffled(AllTurns):
    """The turns in a wrong order: a lower bound.

    The order depends on the seed of the settings and on the problem, so all cases and samples of
    a problem share it.
    """

    name: str = "shuffled"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """All turns at once."""
        if len(problem.turns) < 2:
            raise InputError(f"the problem {problem.id} has one turn, which has no wrong order")
        return AllTurns.turns(self, problem)  # `super` fails in dataclasses with slots

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """Every turn, in the wrong order."""
        del turn
        self.turns(problem)
        prompts = fill_case(problem, case).prompts
        order = self.order(problem, settings.seed)
        return _multi_turn(problem, [prompts[at] for at in order], settings)

    def order(self, problem: Problem, seed: int) -> list[int]:
        """The indices of the turns in the order in which they are prompted."""
        right = list(range(len(problem.turns)))
        order = right.copy()
        rng = random.Random(f"{seed}/{problem.id}")
        while order == right:
            rng.shuffle(order)
        return order


@dataclass(frozen=True, slots=True)
class Feedback(AllTurns):
    """The turns; each but the first is preceded by the outcome of the program so far."""

    name: str = "feedback"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """All turns at once."""
        require_python(problem, self.name)
        return AllTurns.turns(self, problem)

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """Every turn in order, with the program executed in between."""
        del turn
        prompts = fill_case(problem, case).prompts
        return _multi_turn(problem, prompts, settings, feedback=True)


@dataclass(frozen=True, slots=True)
class GoldPrefix:
    """One generated turn between reference code: measures a turn by itself.

    The model sees the references of the earlier turns. Those of the later turns follow its code,
    so the printed answer shows whether its turn leaves what they need.
    """

    name: str = "gold_prefix"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """Each turn separately."""
        require_references(problem, self.name)
        return range(len(problem.turns))

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """The single turn."""
        if turn is None or not 0 <= turn < len(problem.turns):
            raise InputError(
                f"the arm {self.name} takes one turn of a problem",
                got=turn,
                allowed=f"0 to {len(problem.turns) - 1}",
            )
        if settings.header == "none" and problem.packages:
            raise InputError(
                f"the references of the problem {problem.id} need their imports",
                got="header none",
                allowed="published, packages",
            )
        require_references(problem, self.name)
        return self._solver(problem, case, settings, turn)

    def _solver(self, problem: Problem, case: int, settings: ArmSettings, turn: int) -> Solver:
        case_filled = fill_case(problem, case)
        references = case_filled.references
        header = header_text(problem, settings.header)
        steps = [
            comment_of(problem, prompt) + reference
            for prompt, reference in zip(case_filled.prompts[:turn], references, strict=False)
        ]
        program = header + opened_main(problem)
        program += "".join(in_main(problem, step) + SEPARATOR for step in steps)
        specification = turn_comment(problem, case_filled.prompts[turn])
        prompter = Prompter(settings, problem.max_gen_length, language=problem.language)
        answer = yield from prompter.answer(
            program + specification, specification, next_turn(problem)
        )
        steps.append(specification + answer)
        program += steps[-1] + SEPARATOR
        # Later references may use what this one imports, although no prompt mentions it.
        rest = [part for part in (imports_of(references[turn]), *references[turn + 1 :]) if part]
        program = finished_program(problem, program + SEPARATOR.join(rest), header, [*steps, *rest])
        return Solution(program=program, steps=tuple(prompter.steps))


def _multi_turn(
    problem: Problem, prompts: Sequence[str], settings: ArmSettings, *, feedback: bool = False
) -> Solver:
    header = header_text(problem, settings.header)
    program = header + opened_main(problem)
    steps: list[str] = []
    prompter = Prompter(settings, problem.max_gen_length, language=problem.language)
    for number, prompt in enumerate(prompts):
        if prompter.exhausted:
            break
        if feedback and number:
            program += outcome_comment((yield from prompter.execute(program)))
        specification = turn_comment(problem, prompt)
        answer = yield from prompter.answer(
            program + specification, specification, next_turn(problem)
        )
        steps.append(specification + answer)
        program += steps[-1] + SEPARATOR
    program = finished_program(problem, program, header, steps)
    return Solution(program=program, steps=tuple(prompter.steps))
