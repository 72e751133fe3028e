"""Files that a program wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import re2

from multiturn.data.document import Document
from multiturn.data.step import Filter

__all__ = ["Generated"]

_HEAD = 1500
_SAYS_SO = re2.compile(
    rb"(?i)\bauto(?:matically)?[ -]?generated\b|@generated\b|\bgenerated automatically\b"
    rb"|\bgenerated (?:by|from|with|using) (?:the |an? )?[\w.:/-]+|\bcode generated\b"
    rb"|\bdo not (?:edit|modify|change)\b|\bdon't edit\b|\bthis is a generated\b"
    rb"|\bthis file (?:was|is|has been) (?:auto|machine)?[ -]?(?:generated|created by)\b"
)
_NAMES = re.compile(
    r"(.*/)?(.*_pb2(_grpc)?\.py|.*\.pb\.(go|cc|h)|zz_generated.*\.go|.*_generated?\.(go|h|cc|cpp)"
    r"|moc_.*\.cpp|qrc_.*\.cpp|ui_.*\.h|.*\.tab\.[ch]|lex\.yy\.c|.*[.-]min\.(js|mjs|cjs)"
    r"|.*\.bundle\.(js|mjs)|.*\.umd(\.min)?\.js|.*_wrap\.(c|cpp|cxx)|parsetab\.py|_?versioneer\.py"
    r"|_version\.py)"
)
_LEAST_JUDGED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated(Filter):
    """Drops generated and minified files: by name, by what they say of themselves, by density.

    Attributes:
        least_white: share of white space below which a file of more than 2,000 bytes is taken
            for minified. Code by hand has a sixth to a third.
    """

    name: ClassVar[str] = "generated"

    least_white: float = 0.06

    def judge(self, document: Document) -> str | None:
        """The reason to drop the document; None lets it pass."""
        if _NAMES.fullmatch(document.path):
            return "a generated file by its name"
        content = document.content
        if _SAYS_SO.search(content[:_HEAD]):
            return "a generated file by its own words"
        if len(content) > _LEAST_JUDGED:
            solid = len(content.translate(None, b" \t\n\f"))
            if len(content) - solid < self.least_white * len(content):
                return "a minified file"
        return None
