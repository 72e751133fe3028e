"""One piece of text that a model is asked for: how long it may be, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Generator

from multiturn.benchmarks.arms.truncation import TruncationRule, truncation_for
from multiturn.benchmarks.solver import Action, Execute, Generate, Generation, Reply
from multiturn.benchmarks.task import ArmSettings
from multiturn.engines.protocol import Completion
from multiturn.sandbox.outcomes import RunResult

__all__ = ["Prompter"]


class Prompter:
    """Asks for the pieces of one sample, and keeps them and what is left of the budget.

    Args:
        settings: of the arm.
        usual_tokens: most new tokens of a piece where the settings say nothing.
    """

    def __init__(self, settings: ArmSettings, usual_tokens: int) -> None:
        self._settings = settings
        self._most = settings.max_new_tokens or usual_tokens
        self._left = settings.budget
        self.steps: list[Generation] = []

    @property
    def exhausted(self) -> bool:
        """Whether the budget is used up."""
        return self._left is not None and self._left <= 0

    def answer(
        self, program: str, specification: str, next_step: re.Pattern[str] | None = None
    ) -> Generator[Action, Reply, str]:
        """Ask for what a comment at the end of a program describes.

        Args:
            program: with the comment.
            specification: the comment.
            next_step: how the arm would open a further step; see `truncation_for`.
        """
        rule = truncation_for(self._settings.truncation, program, specification, next_step)
        return (yield from self.write(program, rule))

    def write(self, prompt: str, rule: TruncationRule) -> Generator[Action, Reply, str]:
        """Ask for the text after `prompt`; returns what of it goes into the program."""
        most = self._most if self._left is None else min(self._most, self._left)
        completion = yield Generate(prompt=prompt, max_tokens=most, stop=rule.stop)
        if not isinstance(completion, Completion):
            raise TypeError("the reply to an Ask is no Completion")
        text, late_cut = rule.finish(completion.text)
        cuts = [cut for cut in (completion.cut_by, late_cut) if cut is not None]
        spent = len(completion.tokens)
        if self._left is not None:
            self._left -= spent
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
        """Have the program so far run."""
        result = yield Execute(source)
        if not isinstance(result, RunResult):
            raise TypeError("the reply to an Execute is no RunResult")
        return result
