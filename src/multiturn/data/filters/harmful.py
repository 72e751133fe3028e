"""A small list of what a model should not learn from, and how much of it a document may hold.

This is no judge of content: it takes out the plainest of what public text holds, and says how
much that was. The words of hatred and abuse are written in ROT13, so that this page can be
read without them. Make your own list for your own purpose, and look at what `--keep-drops`
wrote before you trust it: words about a subject are not yet harm, and a list is blind to the
harm that uses common words. docs/data.md says what it does to the corpora built here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import re2

from multiturn.data.build.transform import Filter
from multiturn.data.documents.record import Document

__all__ = ["HARMFUL", "Harmful"]


def _plain(*words: str) -> tuple[str, ...]:
    return tuple(codecs.decode(word, "rot13") for word in words)


HARMFUL: Mapping[str, tuple[str, ...]] = {
    # One is enough to name a thing; a text that is made of them uses several, or repeats them.
    "slurs": _plain(
        "avttre", "avttref", "snttbg", "snttbgf", "xvxrf", "puvaxf", "jrgonpxf", "enturnqf",
    ),
    "hate": _plain("tnf gur wrjf", "juvgr cbjre", "enpr jne abj", "urvy uvgyre"),
    "abuse of children": _plain(
        "puvyq cbeab", "puvyq cbea", "xvqqvr cbea", "cergrra frk", "haqrentr frk",
    ),
    "adult advertising": (
        "free porn", "xxx videos", "porn videos", "live sex cams", "hot escorts", "adult cams",
        "sex hookups", "nude celebs", "cheap viagra", "buy cialis",
    ),
    "extortion": (
        "all your files have been encrypted", "your files are encrypted", "send bitcoin to",
        "to decrypt your files", "pay the ransom",
    ),
}  # fmt: skip
"""Phrases by category, in lower case; they count as whole words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmful(Filter):
    """Drops documents that hold too much of a list of phrases; the category is the reason.

    Attributes:
        phrases: by category.
        most: occurrences of one category's phrases that a document may hold.
        most_of: exceptions to that by category.
    """

    name: ClassVar[str] = "harmful"

    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: HARMFUL)
    most: int = 1
    most_of: Mapping[str, int] = field(default_factory=lambda: {"abuse of children": 0})

    def judge(self, document: Document) -> str | None:
        """The category of which the document holds too much; None lets it pass."""
        found: dict[str, int] = {}
        pattern, category_of = _compiled(
            tuple((name, *words) for name, words in self.phrases.items())
        )
        for match in pattern.finditer(document.content):
            category = category_of[b" ".join(match[0].lower().split())]
            found[category] = found.get(category, 0) + 1
        for category, count in found.items():
            if count > self.most_of.get(category, self.most):
                return category
        return None


@lru_cache(maxsize=8)
def _compiled(
    lists: tuple[tuple[str, ...], ...],
) -> tuple[Any, dict[bytes, str]]:
    """One pattern for all phrases, and the category of each. RE2: it runs over everything."""
    category_of = {
        phrase.lower().encode(): category for category, *phrases in lists for phrase in phrases
    }
    words = b"|".join(
        rb"\s+".join(re.escape(word) for word in phrase.split())
        for phrase in sorted(category_of, key=len, reverse=True)
    )
    return re2.compile(rb"(?i)\b(?:" + (words or rb"[^\x00-\xff]") + rb")\b"), category_of
