"""Runs a solver with text that another program generated.

Prompts, truncation and verdicts are then this project's own, whatever generates the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from multiturn.benchmarks.solver import Action, Generate, Reply, Solution, Solver, run_solver
from multiturn.core.errors import InputError
from multiturn.engines.continuation import Continuation
from multiturn.engines.protocol import UNKNOWN_TOKEN, Completion, FinishReason, Timings
from multiturn.text.truncation import StopRule

__all__ = ["as_completion", "replay"]


def as_completion(
    text: str,
    rule: StopRule,
    *,
    prompt_tokens: int = 0,
    new_tokens: int = 0,
    reason: FinishReason = FinishReason.END_OF_TEXT,
) -> Completion:
    """A completion with this text, cut by `rule`.

    Args:
        text: the generated text; lone surrogates become question marks.
        rule: where it ends.
        prompt_tokens: as counted by the generator; 0 if unknown, as with the next.
        new_tokens: all generated tokens.
        reason: why the generation ended, if not by the rule.
    """
    writing = Continuation(0, rule)
    writing.add(UNKNOWN_TOKEN, text.encode("utf-8", "replace"))
    writing.finish()
    completion = writing.completion(
        reason,
        prompt_tokens=prompt_tokens,
        cached_tokens=0,
        timings=Timings(0.0, 0.0),
        logprobs=False,
    )
    return replace(completion, tokens=(UNKNOWN_TOKEN,) * new_tokens, text_tokens=0)


def replay(solver: Solver, write: Callable[[Generate], str]) -> Solution:
    """Run a solver that only generates text.

    Raises:
        InputError: the arm executes programs, which is not possible here.
    """

    def reply(action: Action) -> Reply:
        if not isinstance(action, Generate):
            raise InputError(
                "this arm runs programs between its turns, so it cannot be replayed",
                fix="choose another arm",
            )
        return as_completion(write(action), action.stop)

    return run_solver(solver, reply)
