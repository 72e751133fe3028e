"""The paper's filters of lines and digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.transform import Filter
from multiturn.data.documents.record import Document

__all__ = ["LineStatistics"]

_HEX_DIGITS = b"0123456789abcdefABCDEF"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStatistics(Filter):
    """Drops data, minified code and other text that nobody wrote by hand.

    Lengths are in characters, without the newline. Source: Nijkamp et al., section 2.1.

    Attributes:
        most_average: characters of the average line; 100 in the paper.
        most_longest: characters of the longest line; 1,000 in the paper.
        most_digits: share of characters, white space aside, that are decimal digits, or that
            are hexadecimal digits; 0.9 in the paper.
    """

    name: ClassVar[str] = "lines"

    most_average: float = 100
    most_longest: int = 1000
    most_digits: float = 0.9

    def judge(self, document: Document) -> str | None:
        """The reason to drop the document; None lets it pass."""
        content = document.content
        # In ASCII, bytes are characters; only other text is decoded for its length.
        lines: list[bytes] | list[str]
        if content.isascii():
            lines, size = content.split(b"\n"), len(content)
        else:
            text = document.text
            lines, size = text.split("\n"), len(text)
        newlines = len(lines) - 1
        if size - newlines > self.most_average * (newlines if not lines[-1] else len(lines)):
            return "long lines on average"
        if max(map(len, lines)) > self.most_longest:
            return "a long line"
        signs = content.translate(None, b" \t\n\f")
        most_others = (1 - self.most_digits) * len(signs)
        if len(signs.translate(None, _HEX_DIGITS)) < most_others:
            return "mostly digits"
        return None
