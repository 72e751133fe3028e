"""The filter for harmful text: a small list of phrases, and how many of them a document may hold.

The filter does not judge content. It removes the plainest harmful text and counts what it removed.
Words of hatred and abuse are written in ROT13, so that this page can be read without them. Make a
list for your own purpose, and look at what `--keep-drops` wrote before you trust it: words about a
subject are not harm yet, and a list misses harm in common words. docs/data.md says what the list
does to the corpora built here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import re2

from multiturn.data.build.fingerprint import formerly
from multiturn.data.build.transform import Filter
from multiturn.data.documents.record import Document

__all__ = ["HARMFUL", "Harmful"]


def _plain(*words: str) -> tuple[str, ...]:
    return tuple(codecs.decode(word, "rot13") for word in words)


HARMFUL: Mapping[str, tuple[str, ...]] = {
    # A text about slurs may name one; a text made of slurs uses several, or repeats them.
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
"""Phrases by category, in lower case. A phrase matches complete words."""


@formerly(max_count="most", max_by_category="most_of")
@dataclass(frozen=True, slots=True, kw_only=True)
class Harmful(Filter):
    """Drops documents with too many phrases of a category; the category is the reason.

    Attributes:
        phrases: by category.
        max_count: occurrences of one category's phrases that a document may hold.
        max_by_category: exceptions from `max_count` by category.
    """

    name: ClassVar[str] = "harmful"

    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: HARMFUL)
    max_count: int = 1
    max_by_category: Mapping[str, int] = field(default_factory=lambda: {"abuse of children": 0})

    def judge(self, document: Document) -> str | None:
        """The category with too many phrases in the document; None lets it pass."""
        found: dict[str, int] = {}
        pattern, category_of = _compiled(
            tuple((name, *words) for name, words in self.phrases.items())
        )
        for match in pattern.finditer(document.content):
            category = category_of[b" ".join(match[0].lower().split())]
            found[category] = found.get(category, 0) + 1
        for category, count in found.items():
            if count > self.max_by_category.get(category, self.max_count):
                return category
        return None


@lru_cache(maxsize=8)
def _compiled(
    lists: tuple[tuple[str, ...], ...],
) -> tuple[Any, dict[bytes, str]]:
    """One pattern for all phrases, and the category of each. RE2, for speed on all documents."""
    category_of = {
        phrase.lower().encode(): category for category, *phrases in lists for phrase in phrases
    }
    words = b"|".join(
        rb"\s+".join(re.escape(word) for word in phrase.split())
        for phrase in sorted(category_of, key=len, reverse=True)
    )
    return re2.compile(rb"(?i)\b(?:" + (words or rb"[^\x00-\xff]") + rb")\b"), category_of
