"""How the candidates of a step are written and chosen, beyond their sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from multiturn.core.errors import InputError

__all__ = ["MAX_CHECKS", "Choice", "CommentStop", "Shown", "Strategy"]

Choice = Literal["likely", "output", "values"]
Shown = Literal["turns", "recap", "values"]
CommentStop = Literal["published", "next_comment"]

MAX_CHECKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What can be varied in the loop of a turn. docs/decisions/0007 has what each brought.

    With the defaults all candidates are written at once, and the likeliest of the good ones is
    chosen.
    """

    choose: Choice = "likely"
    """What decides among candidates that are equally good: their log-probability, or how many
    print the same (``output``), or leave the same values in the variables (``values``)."""
    agree: int = 0
    """Write so many candidates at a time until as many agree in what `choose` compares, `n` at
    most; 0 writes all at once."""
    retry: Literal["feedback", "resample"] = "feedback"
    """What follows when all candidates fail: the step again with the failure in the prompt, or
    again with other seeds alone."""
    shown: Shown = "turns"
    """What the prompt shows beside the turns: nothing, a list of all earlier requests
    (``recap``), or the values of the variables so far (``values``)."""
    demonstrate: bool = False
    """Whether a short session of another program stands before the person's own in the prompt."""
    comment_stop: CommentStop = "published"
    """Where a step of the comment style ends: by the published rule, which also cuts at a second
    ``print`` or ``def``, or where the model begins another step."""
    extract: bool = True
    """Whether repeated code, fences and unfinished ends are removed from an answer."""
    align: bool = False
    """Whether a step that misses a name that was asked for, its print, or an import is completed
    where there is one way to do so (see `alignment` and `missing_imports`)."""
    asked: bool = False
    """Whether a step counts as failed that lacks a name or a print that its prompt asks for, or
    uses none of the names that its prompt refers to: it ranks behind the others, and is written
    again where the session allows retries."""
    checks: int = 0
    """How many checks the model writes for the step; candidates that pass more of them are
    better."""

    def __post_init__(self) -> None:
        if not 0 <= self.agree <= 1000:
            raise InputError("agree is out of range", got=self.agree, allowed="0 to 1000")
        if self.agree and self.choose == "likely":
            raise InputError(
                "candidates agree in what they print or in values",
                got="choose likely with agree",
                allowed="choose output, choose values",
            )
        if not 0 <= self.checks <= MAX_CHECKS:
            raise InputError(
                "checks is out of range", got=self.checks, allowed=f"0 to {MAX_CHECKS}"
            )
