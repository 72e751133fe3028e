"""Files that a program wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.transform import Filter
from multiturn.data.documents.record import Document
from multiturn.data.filters.generated_words import generator_words

__all__ = ["Generated"]

_NAMES = re.compile(
    r"(.*/)?(.*_pb2(_grpc)?\.py|.*\.pb\.(go|cc|h)|zz_generated.*\.go|.*_generated?\.(go|h|cc|cpp)"
    r"|moc_.*\.cpp|qrc_.*\.cpp|ui_.*\.h|.*\.tab\.[ch]|lex\.yy\.c|.*[.-]min\.(js|mjs|cjs)"
    r"|.*\.bundle\.(js|mjs)|.*\.umd(\.min)?\.js|.*_wrap\.(c|cpp|cxx)|parsetab\.py|_?versioneer\.py"
    r"|_version\.py)"
)
_LEAST_JUDGED = 2000
_MAX_QUOTED = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated(Filter):
    """Drops generated and minified files: by name, by what they say of themselves, by density.

    What they say is read in the comments at their head (see `generated_words`) and quoted in
    the reason.

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
        if words := generator_words(document.path, content):
            return f'a generated file by its own words, "{words[:_MAX_QUOTED].casefold()}"'
        if len(content) > _LEAST_JUDGED:
            solid = len(content.translate(None, b" \t\n\f"))
            if len(content) - solid < self.least_white * len(content):
                return "a minified file"
        return None
