"""Stop rules: where to truncate a completion.

A model that continues a prompt does not know when its turn is over; after its own step it writes
the next one. A `StopRule` finds the position to cut. Engines apply it to the text so far, so that
they can stop decoding early.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import Protocol

from multiturn.core.errors import InputError

__all__ = [
    "AnyOf",
    "Cut",
    "FenceEnd",
    "KeepAll",
    "NextComment",
    "PublishedRule",
    "StopRule",
    "StopStrings",
]


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut before the character at `position`; `reason` names what was found there."""

    position: int
    """Index of the first character that is cut."""
    reason: str
    """What the rule found there."""


class StopRule(Protocol):
    """Finds where a completion ends.

    A rule is monotone: if it finds a cut in a text, it finds the same cut in every longer text
    that starts with it. Engines rely on this to stop early.
    """

    @property
    def lookahead(self) -> int:
        """How many final characters may become part of a stop, so that engines hold them back."""
        ...

    def find(self, text: str) -> Cut | None:
        """The cut, or None while the text may continue."""
        ...


@dataclass(frozen=True, slots=True)
class KeepAll:
    """Never cuts: the text ends where the model ends it."""

    lookahead: int = 0
    """Always 0: no text is held back."""

    def find(self, text: str) -> Cut | None:
        """Never cuts."""
        del text
        return None


@dataclass(frozen=True, slots=True)
class StopStrings:
    """Cuts before the first of several strings. If two overlap, the first complete one counts.

    Example:
        >>> StopStrings(("END", "STOP")).find("abc STOP END")
        Cut(position=4, reason="'STOP'")
    """

    strings: tuple[str, ...]
    """None of them may be empty."""

    def __post_init__(self) -> None:
        if "" in self.strings:
            raise InputError("a stop string is empty", fix="leave it out")

    @property
    def lookahead(self) -> int:
        """One less than the longest string."""
        return max((len(string) for string in self.strings), default=1) - 1

    def find(self, text: str) -> Cut | None:
        """The occurrence that ends first, so that a longer text never moves the cut."""
        found = [
            (position + len(string), position, string)
            for string in self.strings
            if (position := text.find(string)) >= 0
        ]
        if not found:
            return None
        _, position, string = min(found)
        return Cut(position, repr(string))


@dataclass(frozen=True, slots=True)
class PublishedRule:
    r"""The truncation rule of the published Multi-Turn Programming Benchmark.

    It cuts at the second ``print`` that starts a line; then at the second ``def`` that starts a
    line; then at the earliest of a line that starts with ``#``, ``'''`` or three double quotes,
    the end-of-text string, or three newlines. Each step applies to the result of the previous
    one, so the earliest of the three cuts counts.

    Source: Nijkamp et al., the sampler of the published benchmark.

    Example:
        >>> PublishedRule().find("x = 1\nprint(x)\nprint(x)\n")
        Cut(position=15, reason='second print')
    """

    end_of_text: str = "<|endoftext|>"
    """The end-of-text string."""

    def __post_init__(self) -> None:
        if not self.end_of_text or "\n" in self.end_of_text:
            raise InputError(
                "the end-of-text string is empty or has a line break", got=self.end_of_text
            )

    @property
    def lookahead(self) -> int:
        """One less than the longest stop."""
        return max(len(self.end_of_text), len("print")) - 1

    def find(self, text: str) -> Cut | None:
        """The earliest cut of the three steps."""
        cuts = []
        for word in ("print", "def"):
            starts = [match.start() for match in re.finditer(rf"^{word}", text, re.MULTILINE)]
            if len(starts) > 1:
                cuts.append(Cut(starts[1], f"second {word}"))
        for pattern, reason in (
            (r"^#", "comment line"),
            (r"^'''", "triple quote"),
            (r'^"""', "triple quote"),
            (re.escape(self.end_of_text), "end of text"),
            (r"\n\n\n", "three newlines"),
        ):
            if match := re.search(pattern, text, re.MULTILINE):
                cuts.append(Cut(match.start(), reason))
        return min(cuts, key=lambda cut: cut.position) if cuts else None


@dataclass(frozen=True, slots=True)
class NextComment:
    r"""Cuts where a model that has written its step begins another one in the same form.

    That is at a comment at the beginning of a line, after an empty line and code; and at the
    end-of-text string. Comments before the code belong to the step.

    Example:
        >>> NextComment().find("# First:\nx = 1\n# Then:\ny = 2\n\n# Print x.\nprint(x)")
        Cut(position=30, reason='own step')
    """

    end_of_text: str = "<|endoftext|>"
    """The end-of-text string."""
    mark: str = "#"
    """The start of a comment."""
    indent: str = ""
    """Stands before each step."""

    @property
    def lookahead(self) -> int:
        """One less than the longest stop."""
        return max(len(self.end_of_text), len(f"\n\n{self.indent}{self.mark}")) - 1

    def find(self, text: str) -> Cut | None:
        """The earlier of the two."""
        cuts = []
        end = text.find(self.end_of_text)
        if end >= 0:
            cuts.append(Cut(end, "end of text"))
        mark = re.escape(self.mark)
        # A line that begins like a comment may still become one.
        blanks = r"[ \t]*" if self.indent else ""
        code = re.search(
            rf"^{blanks}(?!{mark})\S(?=[\s\S]{{{len(self.mark) - 1}}})", text, re.MULTILINE
        )
        if code is not None:
            comment = re.compile(rf"\n[ \t]*\n(?=(?:{self.indent})?{mark})").search(
                text, code.start()
            )
            if comment is not None:
                cuts.append(Cut(comment.end(), "own step"))
        return min(cuts, key=lambda cut: cut.position) if cuts else None


@dataclass(frozen=True, slots=True)
class FenceEnd:
    r"""Cuts where a Markdown code fence closes, for completions that start inside one.

    Example:
        >>> FenceEnd().find("x = 1\n```\nThis sets x.")
        Cut(position=6, reason='closing fence')
    """

    lookahead: int = 3
    """The length of the fence."""

    def find(self, text: str) -> Cut | None:
        """The first line that starts with three backticks."""
        match = re.search(r"^```", text, re.MULTILINE)
        return Cut(match.start(), "closing fence") if match else None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Cuts by the first of several rules that finds a cut as the text grows.

    Taking the earliest cut would not be monotone: a rule that needs more text may later find an
    earlier one.

    Example:
        >>> AnyOf((StopStrings(("b",)), StopStrings(("abc",)))).find("abc")
        Cut(position=1, reason="'b'")
    """

    rules: tuple[StopRule, ...]
    """The rules to combine."""

    @property
    def lookahead(self) -> int:
        """The longest lookahead of the rules."""
        return max((rule.lookahead for rule in self.rules), default=0)

    def find(self, text: str) -> Cut | None:
        """The earliest cut in the shortest prefix of `text` that any rule cuts."""
        if not self._cuts(text):
            return None
        # Rules are monotone, so "some rule cuts the first n characters" is sorted by n.
        shortest = bisect.bisect_left(
            range(len(text) + 1), True, key=lambda size: bool(self._cuts(text[:size]))
        )
        return min(self._cuts(text[:shortest]), key=lambda cut: cut.position)

    def _cuts(self, text: str) -> list[Cut]:
        return [cut for rule in self.rules if (cut := rule.find(text)) is not None]
