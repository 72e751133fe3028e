"""The paper's filters for long lines and digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.fingerprint import formerly
from multiturn.data.build.transform import Filter
from multiturn.data.documents.record import Document

__all__ = ["LineStatistics"]

_HEX_DIGITS = b"0123456789abcdefABCDEF"


@formerly(max_average="most_average", max_longest="most_longest", max_digits="most_digits")
@dataclass(frozen=True, slots=True, kw_only=True)
class LineStatistics(Filter):
    """Drops data, minified code and other text that was not written by hand.

    Lengths are in characters, without the newline. Source: Nijkamp et al., section 2.1.

    Attributes:
        max_average: characters of the average line; 100 in the paper.
        max_longest: characters of the longest line; 1,000 in the paper.
        max_digits: share of decimal digits, or of hexadecimal digits, among the characters that
            are not white space; 0.9 in the paper.
    """

    name: ClassVar[str] = "lines"

    max_average: float = 100
    max_longest: int = 1000
    max_digits: float = 0.9

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
        if size - newlines > self.max_average * (newlines if not lines[-1] else len(lines)):
            return "long lines on average"
        if max(map(len, lines)) > self.max_longest:
            return "a long line"
        signs = content.translate(None, b" \t\n\f")
        max_others = (1 - self.max_digits) * len(signs)
        if len(signs.translate(None, _HEX_DIGITS)) < max_others:
            return "mostly digits"
        return None
