"""Text that somebody else's program had written, led through an arm as if an engine wrote it.

So the prompts, the truncation and the judgement are this project's own, whoever generates.
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
        text: what was written; lone surrogates become question marks.
        rule: where it ends.
        prompt_tokens: as the writer counted; 0 where nobody did, and so with the next.
        new_tokens: all that were written.
        reason: why the writing ended, if not by the rule.
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
    """Lead a dialogue that only asks for text.

    Raises:
        InputError: the arm wants a program run, for which nobody is there.
    """

    def reply(action: Action) -> Reply:
        if not isinstance(action, Generate):
            raise InputError(
                "this arm runs programs between its turns, so it cannot be replayed",
                fix="choose another arm",
            )
        return as_completion(write(action), action.stop)

    return run_solver(solver, reply)
