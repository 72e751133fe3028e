"""The filter for generated and minified files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.fingerprint import formerly
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
_MIN_JUDGED_BYTES = 2000
_MAX_QUOTED = 60


@formerly(min_whitespace="least_white")
@dataclass(frozen=True, slots=True, kw_only=True)
class Generated(Filter):
    """Drops generated and minified files by their names, comments and density.

    A generator's own words in the comments at the head of a file (see `generated_words`) are
    quoted in the reason.

    Attributes:
        min_whitespace: a file of more than 2,000 bytes with a smaller share of white space counts
            as minified. Code written by hand has a sixth to a third.
    """

    name: ClassVar[str] = "generated"

    min_whitespace: float = 0.06

    def judge(self, document: Document) -> str | None:
        """The reason to drop the document; None lets it pass."""
        if _NAMES.fullmatch(document.path):
            return "a generated file by its name"
        content = document.content
        if words := generator_words(document.path, content):
            return f'a generated file by its own words, "{words[:_MAX_QUOTED].casefold()}"'
        if len(content) > _MIN_JUDGED_BYTES:
            solid = len(content.translate(None, b" \t\n\f"))
            if len(content) - solid < self.min_whitespace * len(content):
                return "a minified file"
        return None
