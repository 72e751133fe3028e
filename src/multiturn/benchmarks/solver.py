"""A solver: what an arm does for one sample.

A solver is a generator. It yields actions, text to generate or a program to execute, and receives
their results. The runner decides when and where an action happens, so the same arm
(`multiturn.benchmarks.arms`) serves a loop over single samples, hundreds of samples that share an
engine, and a test with a scripted engine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from multiturn.engines.protocol import Completion
from multiturn.sandbox.outcomes import RunResult
from multiturn.text.truncation import StopRule

__all__ = [
    "Generate",
    "Solver",
    "Execute",
    "Action",
    "Reply",
    "Generation",
    "Solution",
    "run_solver",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Generate text; the reply is a `Completion`."""

    prompt: str
    max_tokens: int
    stop: StopRule


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute a program; the reply is a `RunResult`."""

    source: str


Action = Generate | Execute
Reply = Completion | RunResult


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
