"""A solver: what an arm does for one sample.

A solver is a generator. It yields actions, text to generate or a program to execute, and receives
their results. The runner decides when and where an action happens, so the same arm
(`multiturn.benchmarks.arms`) serves a loop over single samples, hundreds of samples that share an
engine, and a test with a scripted engine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from multiturn.core.records import absent_if_default
from multiturn.engines.protocol import Completion, EngineInfo, Request
from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program
from multiturn.text.truncation import StopRule

__all__ = [
    "Action",
    "Complete",
    "Completions",
    "CountTokens",
    "DescribeRun",
    "Execute",
    "Generate",
    "Generation",
    "Reply",
    "SolverContext",
    "RunProgram",
    "Solution",
    "Solver",
    "run_solver",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Generate text; the reply is a `Completion`."""

    prompt: str
    max_tokens: int
    stop: StopRule
    parse_special: bool = False
    """Whether the prompt has special tokens, like a rendered chat template."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute a program; the reply is a `RunResult`."""

    source: str


@dataclass(frozen=True, slots=True)
class DescribeRun:
    """Ask what runs the solver; the reply is a `SolverContext`."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Generate the continuations of a request; the reply is a `Completions`.

    For arms that choose all sampling parameters themselves. The seed alone is the runner's.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class CountTokens:
    """Count the tokens of a prompt; the reply is a number."""

    prompt: str
    parse_special: bool = False


@dataclass(frozen=True, slots=True)
class RunProgram:
    """Run a program within limits of its own; the reply is a `RunResult`."""

    program: Program
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverContext:
    """What a solver may know of the run that it is a part of."""

    engine: EngineInfo
    isolation: IsolationLevel
    temperature: float
    top_p: float


@dataclass(frozen=True, slots=True)
class Completions:
    """The continuations of a request, by index."""

    all: tuple[Completion, ...]


Action = Generate | Execute | DescribeRun | Complete | CountTokens | RunProgram
Reply = Completion | RunResult | SolverContext | Completions | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One piece of generated text, as recorded in a sample."""

    text: str
    """The part that went into the program."""
    raw_text: str
    cut_by: str | None
    """What the truncation cut at; None if nothing was cut."""
    finish_reason: str
    prompt_tokens: int
    new_tokens: int
    """All decoded tokens, including those past the cut."""
    turn: int | None = field(default=None, metadata=absent_if_default())
    """The turn, from 0, for arms that generate several texts for one."""
    attempt: int | None = field(default=None, metadata=absent_if_default())
    """The attempt at that turn, from 0: later ones are repairs."""
    chosen: bool | None = field(default=None, metadata=absent_if_default())
    """Whether this text is the one in the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The result of a solver."""

    program: str
    """The source that is judged, including the header."""
    steps: tuple[Generation, ...]
    """In the order of generation."""


Solver = Generator[Action, Reply, Solution]


def run_solver(solver: Solver, reply: Callable[[Action], Reply]) -> Solution:
    """Run a solver to completion, one action after the other."""
    try:
        action = next(solver)
        while True:
            action = solver.send(reply(action))
    except StopIteration as ended:
        solution: Solution = ended.value
        return solution
    finally:
        solver.close()
