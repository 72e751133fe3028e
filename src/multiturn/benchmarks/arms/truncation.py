"""The truncations of an arm: where generated text ends.

A truncation has two parts. The stop rule is applied as text arrives and never revokes a cut. What
depends on the complete text, such as how much of it parses, is decided at the end.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from multiturn.benchmarks.arms.grammar_truncation import truncation_by_grammar
from multiturn.benchmarks.arms.truncation_rule import StopRuleOnly, TruncationRule
from multiturn.benchmarks.task import Truncation
from multiturn.synthesis.parsing import parse_module
from multiturn.synthesis.trimming import longest_parsing_prefix
from multiturn.text.languages import language as language_named
from multiturn.text.truncation import AnyOf, Cut, KeepAll, PublishedRule, StopRule, StopStrings

__all__ = [
    "AnswerFence",
    "ParseTruncation",
    "NextPrompt",
    "RepeatedSpecification",
    "truncation_for",
]

LONGEST_STEP_OPENING = "# 1234. "
"""As long as the beginning of a step in any arm's layout."""

END_OF_TEXT = "<|endoftext|>"
FENCE = "```"


def truncation_for(
    name: Truncation,
    context: str,
    specification: str,
    next_step: re.Pattern[str] | None = None,
    *,
    language: str = "python",
) -> TruncationRule:
    """The truncation of that name for a text that continues `context`.

    Args:
        name: ``published``, ``parse``, ``next_prompt`` or ``none``.
        context: the program so far.
        specification: the comment that the text answers.
        next_step: matches the beginning of a step after the last one in the prompt;
            ``next_prompt`` ends the text there. None for an arm with a single prompt.
        language: key of the language of the program.
    """
    entry = language_named(language)
    if entry.grammar is not None and name != "none":
        return truncation_by_grammar(name, entry, specification, next_step)
    if name in ("parse", "next_prompt"):
        next_prompt = next_step if name == "next_prompt" else None
        return ParseTruncation(context, specification, next_prompt)
    return StopRuleOnly(PublishedRule() if name == "published" else KeepAll())


@dataclass(frozen=True, slots=True)
class ParseTruncation:
    """Ends the answer at the last complete line with which the program parses.

    First the answer is cut where its Markdown fence closes, where the model repeats the complete
    specification after its answer, or at the end-of-text string. The result is then the longest
    prefix of complete lines that parses after `context`. If the answer opens a fence itself, its
    content is the answer. Comments end nothing, so a long answer may contain them. Without a
    specification, repetitions are ignored.

    With `next_step` the answer also ends where the model starts a step of its own.
    """

    context: str
    specification: str = ""
    next_step: re.Pattern[str] | None = None

    @property
    def stop(self) -> StopRule:
        """Whichever comes first."""
        rules: tuple[StopRule, ...] = (AnswerFence(self.context), StopStrings((END_OF_TEXT,)))
        if self.specification.strip():
            rules = (*rules, RepeatedSpecification(self.context, self.specification))
        if self.next_step is not None:
            rules = (*rules, NextPrompt(self.context, self.next_step))
        return AnyOf(rules)

    def finish(self, text: str) -> tuple[str, str | None]:
        """The answer without an opening fence, and without a tail that does not parse."""
        answer = _answer(self.context, text)
        prefix = longest_parsing_prefix(self.context, answer)
        return prefix, "unparsable tail" if prefix != answer.rstrip() else None


@dataclass(frozen=True, slots=True)
class AnswerFence:
    r"""Cuts where a Markdown fence closes, whether the answer starts inside the fence or opens it.

    A fence before any code opens the answer; any other fence closes it.

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
    r"""Cuts where the model repeats the specification after its answer.

    Instruct models often start with the program so far, so a repetition before any code other
    than imports ends nothing.

    Example:
        >>> rule = RepeatedSpecification("# Sort it.\n", "# Sort it.\n")
        >>> rule.find("x.sort()\n# Sort it.\nx.sort()")
        Cut(position=9, reason='repetition')
    """

    context: str
    specification: str

    @property
    def lookahead(self) -> int:
        """The length of the specification, without trailing space, minus one."""
        return max(0, len(self.specification.rstrip()) - 1)

    def find(self, text: str) -> Cut | None:
        """The first repetition of the complete specification after code."""
        for start in _line_starts(self.specification.rstrip(), text):
            solution = _answer(self.context, text[:start])
            if _has_code(self.context, solution, imports=False):
                return Cut(start, "repetition")
        return None


@dataclass(frozen=True, slots=True)
class NextPrompt:
    r"""Cuts where the model starts a step of its own after its answer.

    It does so in the layout of the arm, which it has read so far. Before any code other than
    imports, a comment may belong to the answer. In an answer that opens a fence, all comments do:
    it ends at the closing fence.

    Example:
        >>> NextPrompt("# Sort x.\n", re.compile("(?<=\n\n)# ")).find("x.sort()\n\n# Print x.")
        Cut(position=10, reason='own step')
    """

    context: str
    opening: re.Pattern[str]
    lookahead: int = len(LONGEST_STEP_OPENING) - 1

    def find(self, text: str) -> Cut | None:
        """The first beginning of a step after code."""
        for match in self.opening.finditer(text):
            before = text[: match.start()]
            if next(_line_starts(FENCE, before), None) is not None:
                return None
            if _has_code(self.context, before, imports=False):
                return Cut(match.start(), "own step")
        return None


def _line_starts(string: str, text: str) -> Iterator[int]:
    """The positions of lines that start with a string."""
    return (match.start() for match in re.finditer(rf"^{re.escape(string)}", text, re.MULTILINE))


def _answer(context: str, text: str) -> str:
    """The text after a line that opens a fence before any code; all of it without such a line."""
    fence = next(_line_starts(FENCE, text), None)
    if fence is None or _has_code(context, text[:fence]):
        return text
    return text[fence:].partition("\n")[2]


def _has_code(context: str, text: str, *, imports: bool = True) -> bool:
    """Whether text is code, not only comments, when it follows the context.

    Args:
        context: the program before.
        text: code, prose or anything else.
        imports: whether imports count as code.
    """
    if not text.strip():
        return False
    combined, before = parse_module(context + text), parse_module(context)
    # A context that ends in the head of a function does not parse by itself; any body is code.
    return combined is not None and (
        before is None or _statements(combined, imports) != _statements(before, imports)
    )


def _statements(tree: ast.Module, imports: bool) -> list[str]:
    left_out = () if imports else (ast.Import, ast.ImportFrom)
    return [ast.dump(statement) for statement in tree.body if not isinstance(statement, left_out)]
