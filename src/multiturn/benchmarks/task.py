"""What the runner asks of a benchmark and of an arm.

A task (`multiturn.benchmarks.loaders`) is a set of problems under one arm. It lists its
items; for each of them it has a dialogue, which leads to a program, and a judgement of that
program by each of its oracles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Solver
from multiturn.core.errors import InputError
from multiturn.core.records import earlier_values
from multiturn.sandbox.oracles.verdicts import Verdict
from multiturn.sandbox.protocol import Limits, Sandbox

__all__ = [
    "EARLIER_TRUNCATIONS",
    "Arm",
    "ArmSettings",
    "HeaderStyle",
    "Item",
    "Task",
    "Truncation",
]

Truncation = Literal["published", "parse", "next_prompt", "none"]

EARLIER_TRUNCATIONS: Mapping[str, Truncation] = MappingProxyType(
    {"fair": "parse", "asked": "next_prompt"}
)
"""Names in records and settings of earlier versions, and what they are called now."""

HeaderStyle = Literal["published", "packages", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSettings:
    """What can be varied in every arm. Part of a run's record.

    Attributes:
        truncation: the rule that says where a piece of written text ends.
        max_new_tokens: most new tokens of one ask; where left out, the problem's own length
            for each turn, and for an answer in one piece that of all turns together.
        budget: most new tokens of a sample, all its asks together; a dialogue whose budget is
            used up ends as it is. Two arms with one budget are matched. No limit where left out.
        header: what every program begins with: the published imports, only the imports of the
            problem's packages, or nothing.
        seed: of what an arm does by chance (`shuffled`).
    """

    truncation: Truncation = field(
        default="published", metadata=earlier_values(EARLIER_TRUNCATIONS)
    )
    max_new_tokens: int | None = None
    budget: int | None = None
    header: HeaderStyle = "published"
    seed: int = 0

    def __post_init__(self) -> None:
        current = EARLIER_TRUNCATIONS.get(self.truncation, self.truncation)
        object.__setattr__(self, "truncation", current)
        for name in ("max_new_tokens", "budget"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is out of range", got=value, allowed="1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one sample is about: a case of a problem, or one turn of it.

    Attributes:
        id: unique in its task, the same in every run.
        problem: the problem's id.
        case: which of its tables of variables, from 0.
        turn: the turn that is written, from 0, where an arm samples turns by themselves.
        category: of the problem; None where it has none, as with the next two.
        turns: how many the problem has.
        difficulty: as its author judged it.
    """

    id: str
    problem: str
    case: int = 0
    turn: int | None = None
    category: str | None = None
    turns: int | None = None
    difficulty: str | None = None


@runtime_checkable
class Arm(Protocol):
    """A way of putting a problem to a model."""

    @property
    def name(self) -> str:
        """As on the command line and in records."""
        ...

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """The turns that are sampled by themselves; one None where the whole problem is.

        Raises:
            InputError: the problem lacks what the arm needs.
        """
        ...

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """What is asked of the model for one sample; a fresh generator each time.

        Raises:
            InputError: the problem lacks what the arm needs, or the case a variable.
        """
        ...


@runtime_checkable
class Task(Protocol):
    """A benchmark under one arm. Safe to use from several threads at once."""

    @property
    def name(self) -> str:
        """Of the problem set: ``mtpb``, ``own``, ``humaneval``."""
        ...

    @property
    def arm(self) -> str:
        """The name of the arm."""
        ...

    @property
    def problems_sha256(self) -> str:
        """The fingerprint of the problem set's file."""
        ...

    @property
    def oracles(self) -> tuple[str, ...]:
        """The names of the oracles, that of the headline figure first."""
        ...

    @property
    def limits(self) -> Limits:
        """Of a program that is judged; one that an arm has run on its way is held to them too."""
        ...

    def items(self) -> Sequence[Item]:
        """All items, always in the same order."""
        ...

    def solver(self, item: Item, settings: ArmSettings) -> Solver:
        """What is asked of the model for one sample of an item.

        Raises:
            InputError: the item is not one of this task's.
        """
        ...

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        """The verdict of every oracle on a program; it is run once for all of them, if possible.

        Raises:
            SandboxUnavailableError: the sandbox failed. No fault of the program.
        """
        ...
