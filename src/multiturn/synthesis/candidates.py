"""Turns a completion into a candidate, and a failed candidate into feedback for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event as Flag

from multiturn.engines.protocol import Completion, FinishReason
from multiturn.synthesis.program_text import program_text
from multiturn.synthesis.prompts import FinishedTurn, PromptStyle
from multiturn.synthesis.records import Candidate, Example, GenerationInfo, Sampling, Session
from multiturn.synthesis.trimming import longest_parsing_prefix, parses

__all__ = ["TurnRequest", "make_candidate", "failure_feedback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """A step to generate, with everything that is the same in all attempts."""

    session: Session
    style: PromptStyle
    history: tuple[FinishedTurn, ...]
    prompt: str
    examples: tuple[Example, ...]
    sampling: Sampling
    cancel: Flag | None

    def program(self, code: str) -> str:
        """The program so far with `code` as this step."""
        steps = [(step.prompt, step.code) for step in self.history]
        return program_text(self.session.header, [*steps, (self.prompt, code)])


def make_candidate(
    request: TurnRequest, done: Completion, writer: GenerationInfo, *, repair: bool
) -> Candidate:
    """The candidate in a completion: cleaned by the style, without an unfinished end."""
    text = request.style.clean(done.text, request.history)
    unfinished = done.finish_reason is FinishReason.LENGTH or done.cut_by is not None
    trimmed = False
    if (
        unfinished
        and request.session.settings.trim == "parses"
        and not parses(request.program(text))
    ):
        shorter = longest_parsing_prefix(request.program("").rstrip("\n") + "\n", text)
        text, trimmed = (shorter, True) if shorter.strip() else (text, False)
    return Candidate(
        text=text,
        raw_text=done.raw_text,
        origin="repair" if repair else "model",
        generation=writer,
        mean_logprob=done.mean_logprob,
        seed=writer.sampling.seed + done.index,
        finish_reason=done.finish_reason,
        cut_by=done.cut_by,
        trimmed=trimmed,
        tokens=len(done.tokens),
        prompt_tokens=done.prompt_tokens,
        cached_tokens=done.cached_tokens,
        to_first_token=done.timings.to_first_token,
        writing_seconds=done.timings.total,
    )


def failure_feedback(candidate: Candidate, examples: Sequence[Example]) -> str:
    """What went wrong, for the model; without the expected value, which it would just print."""
    if not candidate.text.strip():
        return "there was no code"
    if candidate.run is None or not candidate.finished:
        return candidate.describe()
    for example, examples_passed in zip(examples, candidate.examples_passed, strict=True):
        if not examples_passed and example.expression is not None:
            return f"the value of {example.expression} is not what it should be"
    last = candidate.run.stdout.rstrip().split("\n")[-1][:200]
    return f"it printed {last!r}, which is not right" if last else "it printed nothing"
