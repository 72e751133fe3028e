"""The arms that say everything at once and ask for one answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from multiturn.benchmarks.arms.layout import (
    SEPARATOR,
    fill_case,
    header_text,
    unlisted_item,
)
from multiturn.benchmarks.arms.prompter import Prompter
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Solution, Solver
from multiturn.benchmarks.task import ArmSettings
from multiturn.core.errors import InputError
from multiturn.synthesis.program_text import verbatim_comment

__all__ = ["Concat", "Listed", "Prose"]


@dataclass(frozen=True, slots=True)
class Concat:
    """The paper's single-turn arm: all prompts run together in one comment.

    The paper does not publish its layout. Here the prompts stand as they are, with a space
    between them.
    """

    name: str = "concat"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """The problem as a whole."""
        del problem
        return (None,)

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """One question."""
        del turn
        prompts = fill_case(problem, case).prompts
        return _at_once(problem, verbatim_comment(" ".join(prompts)), settings)


@dataclass(frozen=True, slots=True)
class Listed:
    """The turns at once, as a numbered list: the decomposition without the dialogue."""

    name: str = "listed"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """The problem as a whole."""
        del problem
        return (None,)

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """One question."""
        del turn
        prompts = fill_case(problem, case).prompts
        listed = "".join(
            verbatim_comment(f"{number}. {prompt}") for number, prompt in enumerate(prompts, 1)
        )
        return _at_once(problem, listed, settings, unlisted_item(len(prompts)))


@dataclass(frozen=True, slots=True)
class Prose:
    """The single specification: the same task told in one piece, by a person."""

    name: str = "prose"

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """The problem as a whole."""
        if not problem.single:
            raise InputError(
                f"the problem {problem.id} has no single specification, which the arm "
                f"{self.name} needs",
                fix="choose another arm, or the project's own problem set",
            )
        return (None,)

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """One question."""
        del turn
        self.turns(problem)
        return _at_once(problem, verbatim_comment(fill_case(problem, case).single), settings)


def _at_once(
    problem: Problem,
    specification: str,
    settings: ArmSettings,
    next_step: re.Pattern[str] | None = None,
) -> Solver:
    program = header_text(problem, settings.header) + specification
    # As many tokens as all turns together may have.
    prompter = Prompter(settings, problem.max_gen_length * len(problem.turns))
    program += (yield from prompter.answer(program, specification, next_step)) + SEPARATOR
    return Solution(program=program, steps=tuple(prompter.steps))
