"""What an arm does for one sample, as a conversation with whoever runs it.

An arm (`multiturn.benchmarks.arms`) is a generator: it yields what it wants next, a piece of
text to be written or a program to be run, and is sent what came of it. The runner decides
when and where that happens, so one arm serves a loop of one sample at a time, hundreds of
samples that share an engine, and a test with a scripted one.
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
    """Text to be written; the reply is a `Completion`."""

    prompt: str
    max_tokens: int
    stop: StopRule


@dataclass(frozen=True, slots=True)
class Execute:
    """A program to be run before going on; the reply is a `RunResult`."""

    source: str


Action = Generate | Execute
Reply = Completion | RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One piece of text that a model wrote, as it is kept in a sample."""

    text: str
    """What went into the program."""
    raw_text: str
    cut_by: str | None
    """What the truncation cut at; None where nothing was cut."""
    finish_reason: str
    prompt_tokens: int
    new_tokens: int
    """All tokens decoded, those past the cut included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What a dialogue comes to."""

    program: str
    """The source that is judged, header included."""
    steps: tuple[Generation, ...]
    """In the order in which they were written."""


Solver = Generator[Action, Reply, Solution]


def run_solver(solver: Solver, reply: Callable[[Action], Reply]) -> Solution:
    """Lead a dialogue to its end, one move after the other."""
    try:
        action = next(solver)
        while True:
            action = solver.send(reply(action))
    except StopIteration as ended:
        solution: Solution = ended.value
        return solution
