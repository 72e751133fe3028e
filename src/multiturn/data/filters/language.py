"""The language of each document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from multiturn.data.build.transform import Filter
from multiturn.data.documents.languages import PAPER_LANGUAGES, detect, language_key
from multiturn.data.documents.record import Document

__all__ = ["KeepLanguages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepLanguages(Filter):
    """Detects the language of documents without one, and drops all but some languages.

    Attributes:
        languages: that pass, by their keys or names in any case.
    """

    name: ClassVar[str] = "language"

    languages: tuple[str, ...] = PAPER_LANGUAGES

    def __post_init__(self) -> None:
        # Frozen: the only way to normalize a field.
        object.__setattr__(self, "languages", tuple(map(language_key, self.languages)))

    def judge(self, document: Document) -> str | None:
        """The reason to drop the document; None lets it pass."""
        if not document.language:
            document.language = detect(document.path, document.content)
        elif document.language not in self.languages:
            document.language = language_key(document.language)
        if document.language in self.languages:
            return None
        return f"another language ({document.language or 'unknown'})"
