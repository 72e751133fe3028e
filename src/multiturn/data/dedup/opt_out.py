"""Leaving out what its authors asked to have left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from multiturn.core.errors import InputError
from multiturn.data.document import Document
from multiturn.data.step import Filter

__all__ = ["OptOut"]

_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut(Filter):
    """Drops documents of some repositories, and documents of some SHA-256.

    Attributes:
        repositories: a document goes when its source is one of these, with or without the
            kind before the colon: ``owner/name`` takes out ``bigquery:owner/name`` too.
            Capital letters make no difference.
        hashes: SHA-256 of files as their source gave them, in hexadecimal.
    """

    name: ClassVar[str] = "opt-out"

    repositories: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        wrong = sorted(entry for entry in self.hashes if not _HASH.fullmatch(entry))
        if wrong:
            raise InputError("no SHA-256", got=wrong[0], allowed="64 hexadecimal digits")
        # Frozen: the only way to give a field the form in which it is looked up.
        object.__setattr__(
            self, "repositories", frozenset(entry.casefold() for entry in self.repositories)
        )
        object.__setattr__(self, "hashes", frozenset(entry.lower() for entry in self.hashes))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """A list with a repository or a SHA-256 on each line; ``#`` begins a comment.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the opt-out list cannot be read: {error}", got=str(path)) from error
        entries = {entry for line in lines if (entry := line.partition("#")[0].strip())}
        hashes = frozenset(entry for entry in entries if _HASH.fullmatch(entry))
        return cls(repositories=frozenset(entries - hashes), hashes=hashes)

    def judge(self, document: Document) -> str | None:
        """Whether it is on the list, and by what."""
        if document.sha256 in self.hashes:
            return "opted out by hash"
        source = document.source.casefold()
        if source in self.repositories or source.partition(":")[2] in self.repositories:
            return "opted out by repository"
        return None
