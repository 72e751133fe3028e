"""Where what a model wrote ends, under each of the truncations that an arm can be run with.

A truncation has two parts. The stop rule is asked as text arrives, and never takes a cut back.
What can only be said of the whole text, such as how much of it parses, comes at the end.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from multiturn.benchmarks.task import Truncation
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.trimming import longest_parsing_prefix
from multiturn.text.truncation import AnyOf, Cut, KeepAll, PublishedRule, StopRule, StopStrings

__all__ = [
    "AnswerFence",
    "ParseTruncation",
    "NextPrompt",
    "RepeatedSpecification",
    "TruncationRule",
    "StopRuleOnly",
    "truncation_for",
]

LONGEST_OPENING = "# 1234. "
"""As long as what opens a step in any arm's form can be."""

END_OF_TEXT = "<|endoftext|>"
FENCE = "```"


class TruncationRule(Protocol):
    """Ends one piece of written text."""

    @property
    def stop(self) -> StopRule:
        """What ends it as it arrives."""
        ...

    def finish(self, text: str) -> tuple[str, str | None]:
        """What of the text (after the stop rule) is kept, and what was cut here, if anything."""
        ...


def truncation_for(
    name: Truncation, context: str, specification: str, next_step: re.Pattern[str] | None = None
) -> TruncationRule:
    """The truncation by that name for a text that continues `context`.

    Args:
        name: ``published``, ``parse``, ``next_prompt`` or ``none``.
        context: the program so far.
        specification: the comment that the text answers.
        next_step: how the arm opens the step after the last that was asked for;
            ``next_prompt`` ends the text where the model does so. None for an arm that asks
            in one piece.
    """
    if name in ("parse", "next_prompt"):
        next_prompt = next_step if name == "next_prompt" else None
        return ParseTruncation(context, specification, next_prompt)
    return StopRuleOnly(PublishedRule() if name == "published" else KeepAll())


@dataclass(frozen=True, slots=True)
class StopRuleOnly:
    """A stop rule that needs no afterthought."""

    stop: StopRule

    def finish(self, text: str) -> tuple[str, str | None]:
        """The text as it is."""
        return text, None


@dataclass(frozen=True, slots=True)
class ParseTruncation:
    """A truncation that does not punish one long answer for the comments in it.

    The answer ends where its Markdown fence closes, where the model has answered and repeats
    the whole specification, or at the end-of-text string. Of that, the longest beginning of
    whole lines that parses after `context` is kept. Where the answer opens a fence itself,
    what is inside is the answer. Without a specification its repetition is not looked for.

    With `next_step` the answer also ends where the model opens a step of its own.
    """

    context: str
    specification: str = ""
    next_step: re.Pattern[str] | None = None

    @property
    def stop(self) -> StopRule:
        """The first of them to come."""
        rules: tuple[StopRule, ...] = (AnswerFence(self.context), StopStrings((END_OF_TEXT,)))
        if self.specification.strip():
            rules = (*rules, RepeatedSpecification(self.context, self.specification))
        if self.next_step is not None:
            rules = (*rules, NextPrompt(self.context, self.next_step))
        return AnyOf(rules)

    def finish(self, text: str) -> tuple[str, str | None]:
        """The answer without an opening fence, and without a tail that does not parse."""
        answer = _answer(self.context, text)
        kept = longest_parsing_prefix(self.context, answer)
        return kept, "unparsable tail" if kept != answer.rstrip() else None


@dataclass(frozen=True, slots=True)
class AnswerFence:
    r"""Cuts where a Markdown fence closes, whether the answer began inside of one or opens it.

    A fence that comes before any code opens the answer; any other closes it.

    Example:
        >>> AnswerFence().find("x = 1\n```\nThis sets x.")
        Cut(position=6, reason='closing fence')
        >>> AnswerFence().find("Sure:\n```python\nx = 1\n```\nThis sets x.")
        Cut(position=22, reason='closing fence')
    """

    context: str = ""
    lookahead: int = len(FENCE) - 1

    def find(self, text: str) -> Cut | None:
        """The closing fence."""
        fences = _line_starts(FENCE, text)
        fence = next(fences, None)
        if fence is not None and not _has_code(self.context, text[:fence]):
            fence = next(fences, None)
        return None if fence is None else Cut(fence, "closing fence")


@dataclass(frozen=True, slots=True)
class RepeatedSpecification:
    r"""Cuts where a model that has answered repeats the specification.

    Instruct models like to begin with the program so far. So a repetition before any code but
    imports ends nothing.

    Example:
        >>> rule = RepeatedSpecification("# Sort it.\n", "# Sort it.\n")
        >>> rule.find("x.sort()\n# Sort it.\nx.sort()")
        Cut(position=9, reason='repetition')
    """

    context: str
    specification: str

    @property
    def lookahead(self) -> int:
        """The specification, which counts without space at its end, less one character."""
        return max(0, len(self.specification.rstrip()) - 1)

    def find(self, text: str) -> Cut | None:
        """The first line after code at which the whole specification stands."""
        for start in _line_starts(self.specification.rstrip(), text):
            solution = _answer(self.context, text[:start])
            if _has_code(self.context, solution, imports=False):
                return Cut(start, "repetition")
        return None


@dataclass(frozen=True, slots=True)
class NextPrompt:
    r"""Cuts where a model that has answered opens a step that it was not asked for.

    It does so in the arm's own form, which is what it has read so far. As long as no code but
    imports is there, a comment may belong to the answer. In an answer that opens a fence all
    comments do: its end is the closing fence.

    Example:
        >>> NextPrompt("# Sort x.\n", re.compile("(?<=\n\n)# ")).find("x.sort()\n\n# Print x.")
        Cut(position=10, reason='own step')
    """

    context: str
    opening: re.Pattern[str]
    lookahead: int = len(LONGEST_OPENING) - 1

    def find(self, text: str) -> Cut | None:
        """The first opening of a step after code."""
        for match in self.opening.finditer(text):
            before = text[: match.start()]
            if next(_line_starts(FENCE, before), None) is not None:
                return None
            if _has_code(self.context, before, imports=False):
                return Cut(match.start(), "own step")
        return None


def _line_starts(string: str, text: str) -> Iterator[int]:
    """Where lines begin that start with a string."""
    return (match.start() for match in re.finditer(rf"^{re.escape(string)}", text, re.MULTILINE))


def _answer(context: str, text: str) -> str:
    """What follows the line that opens a fence before any code; all, where there is none."""
    fence = next(_line_starts(FENCE, text), None)
    if fence is None or _has_code(context, text[:fence]):
        return text
    return text[fence:].partition("\n")[2]


def _has_code(context: str, text: str, *, imports: bool = True) -> bool:
    """Whether text is code that follows the context, and more than comments.

    Args:
        context: what stands before.
        text: may be code, prose or anything.
        imports: whether imports count as code.
    """
    if not text.strip():
        return False
    whole, before = parse_module(context + text), parse_module(context)
    # A context that ends in the head of a function has no tree of its own; any body is code.
    return whole is not None and (
        before is None or _statements(whole, imports) != _statements(before, imports)
    )


def _statements(tree: ast.Module, imports: bool) -> list[str]:
    left_out = () if imports else (ast.Import, ast.ImportFrom)
    return [ast.dump(statement) for statement in tree.body if not isinstance(statement, left_out)]
