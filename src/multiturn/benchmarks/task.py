"""The protocols of benchmarks and arms.

A task (`multiturn.benchmarks.loaders`) is a set of problems under one arm. It lists its items; for
each item it has a solver, which produces a program, and the verdicts of its oracles on a program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from multiturn.benchmarks.arms.options import LoopOptions
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Solver
from multiturn.core.errors import InputError
from multiturn.core.records import absent_if_default, earlier_values
from multiturn.sandbox.oracles.verdicts import Verdict
from multiturn.sandbox.protocol import Limits, Sandbox
from multiturn.text.truncation_names import EARLIER_TRUNCATIONS, Truncation

__all__ = [
    "EARLIER_TRUNCATIONS",
    "Arm",
    "ArmSettings",
    "HasLoopOptions",
    "HeaderStyle",
    "Item",
    "Task",
    "Truncation",
]

HeaderStyle = Literal["published", "packages", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSettings:
    """What can be varied in every arm. Part of the record of a run.

    Attributes:
        truncation: the rule that says where generated text ends.
        max_new_tokens: maximum new tokens of one generation; by default the length that the
            problem gives for a turn, and for a single answer that of all turns together.
        budget: maximum new tokens of a sample, over all its generations; a sample that exhausts
            its budget ends there. Two arms with the same budget are matched. Unlimited by default.
        header: the beginning of every program: the published imports, only the imports of the
            problem's packages, or nothing.
        seed: for random choices of an arm (`shuffled`).
        loop: for the arms that write programs with the loop of `synth`: their options. None
            for those of the arm; other arms have none.
    """

    truncation: Truncation = field(
        default="published", metadata=earlier_values(EARLIER_TRUNCATIONS)
    )
    max_new_tokens: int | None = None
    budget: int | None = None
    header: HeaderStyle = "published"
    seed: int = 0
    loop: LoopOptions | None = field(default=None, metadata=absent_if_default())

    def __post_init__(self) -> None:
        current = EARLIER_TRUNCATIONS.get(self.truncation, self.truncation)
        object.__setattr__(self, "truncation", current)
        for name in ("max_new_tokens", "budget"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is out of range", got=value, allowed="1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The subject of a sample: a case of a problem, or one of its turns.

    Attributes:
        id: unique in its task, the same in every run.
        problem: the id of the problem.
        case: the number of its table of variables, from 0.
        turn: the turn that is generated, from 0, if the arm samples single turns.
        category: of the problem; None if it has none, like the next two.
        turns: the number of turns of the problem.
        difficulty: as judged by the author.
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
    """A way of prompting a model with a problem."""

    @property
    def name(self) -> str:
        """The name on the command line and in records."""
        ...

    def turns(self, problem: Problem) -> Sequence[int | None]:
        """The turns that are sampled separately; a single None if the problem is sampled at once.

        Raises:
            InputError: the problem lacks what the arm needs.
        """
        ...

    def solver(
        self, problem: Problem, case: int, settings: ArmSettings, *, turn: int | None = None
    ) -> Solver:
        """A new solver for one sample.

        Raises:
            InputError: the problem lacks what the arm needs, or the case a variable.
        """
        ...


@runtime_checkable
class HasLoopOptions(Protocol):
    """A task whose arm writes programs with the loop of `synth`, and its default options."""

    def loop_options(self, model: str) -> LoopOptions | None:
        """Those of a model, by its name; None for every other arm."""
        ...


@runtime_checkable
class Task(Protocol):
    """A benchmark under one arm. Thread-safe."""

    @property
    def name(self) -> str:
        """The name of the problem set: ``mtpb``, ``own``, ``humaneval``."""
        ...

    @property
    def arm(self) -> str:
        """The name of the arm."""
        ...

    @property
    def problems_sha256(self) -> str:
        """The SHA-256 of the file of problems."""
        ...

    @property
    def language(self) -> str:
        """Of its programs: a key of the table of languages."""
        ...

    @property
    def oracles(self) -> tuple[str, ...]:
        """The names of the oracles; the one of the headline figure is first."""
        ...

    @property
    def limits(self) -> Limits:
        """Limits of the programs that are judged, and of those that an arm executes."""
        ...

    def items(self) -> Sequence[Item]:
        """All items, always in the same order."""
        ...

    def solver(self, item: Item, settings: ArmSettings) -> Solver:
        """A new solver for one sample of an item.

        Raises:
            InputError: the item is not of this task.
        """
        ...

    def judge(self, item: Item, program: str, sandbox: Sandbox) -> Mapping[str, Verdict]:
        """The verdict of every oracle on a program, from a single run if possible.

        Raises:
            SandboxUnavailableError: the sandbox failed, not the program.
        """
        ...
