"""Completions as JSON, as far as the sample of a benchmark depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multiturn.engines.protocol import UNKNOWN_TOKEN, Completion, FinishReason, Timings

__all__ = ["completion_line", "read_completion"]


def completion_line(completion: Completion) -> dict[str, Any]:
    """A completion as JSON."""
    line: dict[str, Any] = {
        "text": completion.text,
        "raw_text": completion.raw_text,
        "cut_by": completion.cut_by,
        "finish_reason": completion.finish_reason.value,
        "new_tokens": len(completion.tokens),
        "prompt_tokens": completion.prompt_tokens,
        "cached_tokens": completion.cached_tokens,
    }
    if completion.index:
        line["continuation"] = completion.index
    if completion.mean_logprob is not None:
        line["mean_logprob"] = completion.mean_logprob
    return line


def read_completion(line: Mapping[str, Any]) -> Completion:
    """The completion of a line.

    Raises:
        KeyError, TypeError, ValueError: the line is not one of `completion_line`.
    """
    # Of the log-probabilities only the mean is stored, as that of a text of one token.
    mean = line.get("mean_logprob")
    return Completion(
        index=line.get("continuation", 0),
        text=line["text"],
        raw_text=line["raw_text"],
        cut_by=line["cut_by"],
        finish_reason=FinishReason(line["finish_reason"]),
        tokens=(UNKNOWN_TOKEN,) * line["new_tokens"],
        logprobs=None if mean is None else (mean,),
        text_tokens=0 if mean is None else 1,
        prompt_tokens=line["prompt_tokens"],
        cached_tokens=line["cached_tokens"],
        timings=Timings(0.0, 0.0),
    )
