"""The truncations for programs in other languages than Python.

They follow the rules for Python as far as a language without them allows. What is code is known by
lines: every line that is neither empty nor a comment. The longest beginning that parses is found by
the language's grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from multiturn.benchmarks.arms.truncation_rule import StopRuleOnly, TruncationRule
from multiturn.benchmarks.task import Truncation
from multiturn.text.assembly import completed_step
from multiturn.text.languages import Language
from multiturn.text.truncation import AnyOf, Cut, StopRule, StopStrings

__all__ = ["AfterCode", "GrammarTruncation", "truncation_by_grammar"]

_END_OF_TEXT = "<|endoftext|>"
_FENCE = re.compile(r"^```", re.MULTILINE)
_LOOKAHEAD = len("// 1234. ")


def truncation_by_grammar(
    name: Truncation, entry: Language, specification: str, next_step: re.Pattern[str] | None
) -> TruncationRule:
    """The truncation of that name; see `multiturn.benchmarks.arms.truncation`.

    ``published`` ends the text at a comment that starts a line, at the end-of-text string or at
    three newlines: the published rule without what it says of ``print`` and ``def``.
    """
    if name == "published":
        comment = re.compile(f"^(?:{entry.step_indent})?{re.escape(entry.comment)}", re.MULTILINE)
        return StopRuleOnly(
            AnyOf((Opening(comment, "comment"), StopStrings((_END_OF_TEXT, "\n\n\n"))))
        )
    return GrammarTruncation(entry, specification, next_step if name == "next_prompt" else None)


@dataclass(frozen=True, slots=True)
class Opening:
    """Cuts at the first match of a pattern."""

    pattern: re.Pattern[str]
    reason: str
    lookahead: int = _LOOKAHEAD

    def find(self, text: str) -> Cut | None:
        """The first match."""
        match = self.pattern.search(text)
        return None if match is None else Cut(match.start(), self.reason)


@dataclass(frozen=True, slots=True)
class AfterCode:
    r"""Cuts at the first match of a pattern that follows code.

    Example:
        >>> rule = AfterCode("//", re.compile("^// ", re.MULTILINE), "own step")
        >>> rule.find("// Sums it.\nlet s = 0;\n// Print it.")
        Cut(position=23, reason='own step')
    """

    comment: str
    pattern: re.Pattern[str]
    reason: str
    lookahead: int = _LOOKAHEAD

    def find(self, text: str) -> Cut | None:
        """The first match after code."""
        for match in self.pattern.finditer(text):
            if _has_code(text[: match.start()], self.comment):
                return Cut(match.start(), self.reason)
        return None


@dataclass(frozen=True, slots=True)
class GrammarTruncation:
    """Ends the answer at the last complete line with which it parses.

    Functions behind a `main` that it closes belong to it.
    First it is cut where its Markdown fence closes, where the model repeats the specification after
    code, where it starts a step of its own (with `next_step`), or at the end-of-text string.
    """

    entry: Language
    specification: str = ""
    next_step: re.Pattern[str] | None = None

    @property
    def stop(self) -> StopRule:
        """Whichever comes first."""
        comment = self.entry.comment
        rules: tuple[StopRule, ...] = (
            StopStrings((_END_OF_TEXT,)),
            AfterCode(comment, _FENCE, "closing fence"),
        )
        repeated = self.specification.rstrip()
        if repeated:
            pattern = re.compile(f"^{re.escape(repeated)}", re.MULTILINE)
            rules = (*rules, AfterCode(comment, pattern, "repetition", len(repeated)))
        if self.next_step is not None:
            rules = (*rules, AfterCode(comment, self.next_step, "own step"))
        return AnyOf(rules)

    def finish(self, text: str) -> tuple[str, str | None]:
        """The answer without an opening fence, and without a tail that does not parse."""
        fence = _FENCE.search(text)
        answer = text if fence is None else text[fence.end() :].partition("\n")[2]
        parsed = completed_step(self.entry, answer)
        return parsed, "unparsable tail" if parsed != answer.rstrip() else None


def _has_code(text: str, comment: str) -> bool:
    lines = (line.strip() for line in text.splitlines())
    return any(line and not line.startswith((comment, "```")) for line in lines)
