"""The arms that put everything into one prompt and expect one answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.benchmarks.arms.all_turns import AllTurns
from multiturn.benchmarks.arms.layout import (
    SEPARATOR,
    comment_of,
    fill_case,
    finished_program,
    header_text,
    unlisted_item,
)
from multiturn.benchmarks.arms.prompter import Prompter
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Solution, Solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError
from multiturn.text.languages import language

__all__ = ["Concat", "Listed", "Prose"]


@dataclass(frozen=True, slots=True)
class Concat(AllTurns):
    """The paper's single-turn arm: all prompts concatenated in one comment.

    The paper does not publish its layout. Here the prompts are joined unchanged by a space.
    """

    name: str = "concat"

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """One generation."""
        del turn
        prompts = fill_case(problem, case).prompts
        return _single_turn(problem, comment_of(problem, " ".join(prompts)), settings)


@dataclass(frozen=True, slots=True)
class Listed(AllTurns):
    """The turns as a numbered list in one prompt: the decomposition without the interaction."""

    name: str = "listed"

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """One generation."""
        del turn
        prompts = fill_case(problem, case).prompts
        listed = "".join(
            comment_of(problem, f"{number}. {prompt}") for number, prompt in enumerate(prompts, 1)
        )
        return _single_turn(
            problem,
            listed,
            settings,
            unlisted_item(len(prompts), language(problem.language).comment),
        )


@dataclass(frozen=True, slots=True)
class Prose(AllTurns):
    """The single specification: the same task, written by a person as one text."""

    name: str = "prose"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """All turns at once."""
        if not problem.single:
            raise InputError(
                f"the problem {problem.id} has no single specification, which the arm "
                f"{self.name} needs",
                fix="choose another arm, or the project's own problem set",
            )
        return AllTurns.turns(self, problem)

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """One generation."""
        del turn
        self.turns(problem)
        return _single_turn(problem, comment_of(problem, fill_case(problem, case).single), settings)


def _single_turn(
    problem: Problem,
    specification: str,
    settings: ArmSettings,
    next_step: re.Pattern[str] | None = None,
) -> Solver:
    header = header_text(problem, settings.header)
    # As many tokens as all turns together.
    tokens = problem.max_gen_length * len(problem.turns)
    prompter = Prompter(settings, tokens, language=problem.language)
    step = specification + (
        yield from prompter.answer(header + specification, specification, next_step)
    )
    program = finished_program(problem, header + step + SEPARATOR, header, [step])
    return Solution(program=program, steps=tuple(prompter.steps))
