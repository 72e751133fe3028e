"""Requests the generations of one sample: their maximum length and where they end."""

from __future__ import annotations

import re
from collections.abc import Generator

from multiturn.benchmarks.arms.truncation import truncation_for
from multiturn.benchmarks.arms.truncation_rule import TruncationRule
from multiturn.benchmarks.solver import Action, Execute, Generate, Generation, Reply
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.protocol import Completion
from multiturn.sandbox.outcomes import RunResult

__all__ = ["Prompter"]


class Prompter:
    """Requests the generations of one sample, and records them and the remaining budget.

    Args:
        settings: of the arm.
        default_max_tokens: maximum new tokens of a generation, unless the settings give one.
        language: key of the language of the programs.
    """

    def __init__(
        self, settings: ArmSettings, default_max_tokens: int, *, language: str = "python"
    ) -> None:
        self._settings = settings
        self._language = language
        self._max_tokens = settings.max_new_tokens or default_max_tokens
        self._budget_left = settings.budget
        self.steps: list[Generation] = []

    @property
    def exhausted(self) -> bool:
        """Whether the budget is exhausted."""
        return self._budget_left is not None and self._budget_left <= 0

    def answer(
        self, program: str, specification: str, next_step: re.Pattern[str] | None = None
    ) -> Generator[Action, Reply, str]:
        """Request the code that a comment at the end of a program describes.

        Args:
            program: the program, including the comment.
            specification: the comment.
            next_step: matches the beginning of a further step; see `truncation_for`.
        """
        rule = truncation_for(
            self._settings.truncation, program, specification, next_step, language=self._language
        )
        return (yield from self.generate(program, rule))

    def generate(
        self, prompt: str, rule: TruncationRule, *, parse_special: bool = False
    ) -> Generator[Action, Reply, str]:
        """Request the text after `prompt`; returns the part that goes into the program."""
        max_tokens = (
            self._max_tokens
            if self._budget_left is None
            else min(self._max_tokens, self._budget_left)
        )
        completion = yield Generate(
            prompt=prompt, max_tokens=max_tokens, stop=rule.stop, parse_special=parse_special
        )
        if not isinstance(completion, Completion):
            raise TypeError("the reply to a Generate is not a Completion")
        text, late_cut = rule.finish(completion.text)
        cuts = [cut for cut in (completion.cut_by, late_cut) if cut is not None]
        spent = len(completion.tokens)
        if self._budget_left is not None:
            self._budget_left -= spent
        self.steps.append(
            Generation(
                text=text,
                raw_text=completion.raw_text,
                cut_by=", ".join(cuts) or None,
                finish_reason=completion.finish_reason.value,
                prompt_tokens=completion.prompt_tokens,
                new_tokens=spent,
            )
        )
        return text

    def execute(self, source: str) -> Generator[Action, Reply, RunResult]:
        """Execute the program so far."""
        result = yield Execute(source)
        if not isinstance(result, RunResult):
            raise TypeError("the reply to an Execute is not a RunResult")
        return result
