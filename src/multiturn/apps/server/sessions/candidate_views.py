"""What the session API says of a candidate and its run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from multiturn.synthesis.records import Candidate, ProgramRun

__all__ = ["CandidateView", "RunView", "View", "candidate_view", "run_view"]


class View(BaseModel):
    """Data of an answer."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class RunView(View):
    """A run of the program so far."""

    status: str
    """How it ended, such as ``finished``, ``raised`` or ``timed_out_cpu``."""
    finished: bool
    """Whether it ran to its end without an error."""
    summary: str
    """How it ended, for people."""
    error: str | None
    """The exception."""
    line: int | None
    """The line of the program at which it was raised, from 1."""
    stdout: str
    """Standard output; up to 65,536 characters are stored."""
    stderr: str
    """Standard error."""
    output_cut: bool
    """Whether more was printed than is stored."""
    isolation: str
    """How strongly the program was isolated."""
    cpu_seconds: float
    wall_seconds: float
    notes: list[str]
    """Remarks for people."""


class CandidateView(View):
    """One way to write a step."""

    number: int
    """From 1 within the turn."""
    code: str
    origin: Literal["model", "repair", "person"]
    """``repair``: by the model after feedback; ``person``: edited."""
    summary: str
    """What came of it, for people."""
    good: bool
    """Whether the program with it ran, and every example holds."""
    seed: int | None
    """Of the sampler."""
    mean_logprob: float | None
    """Mean log-probability of its tokens."""
    tokens: int
    """The number of decoded tokens."""
    copies: int
    """How many of the turn's continuations gave this code."""
    examples_passed: list[bool]
    """For each example of the turn, whether it holds."""
    run: RunView | None
    """None until the program ran with it."""


def run_view(run: ProgramRun) -> RunView:
    """The view of a run."""
    return RunView(
        status=run.outcome.status.value,
        finished=run.outcome.finished,
        summary=run.outcome.describe(),
        error=run.outcome.error,
        line=run.outcome.line,
        stdout=run.stdout,
        stderr=run.stderr,
        output_cut=run.output_cut,
        isolation=run.rung.value,
        cpu_seconds=run.cpu_seconds,
        wall_seconds=run.wall_seconds,
        notes=list(run.notes),
    )


def candidate_view(number: int, candidate: Candidate) -> CandidateView:
    """The view of a candidate."""
    return CandidateView(
        number=number,
        code=candidate.text,
        origin=candidate.origin,
        summary=candidate.describe(),
        good=candidate.good,
        seed=candidate.seed,
        mean_logprob=candidate.mean_logprob,
        tokens=candidate.tokens,
        copies=candidate.copies,
        examples_passed=list(candidate.examples_passed),
        run=None if candidate.run is None else run_view(candidate.run),
    )
