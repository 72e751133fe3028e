"""Opting out: documents that their authors do not want in a corpus."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

from multiturn.core.errors import InputError
from multiturn.data.build.transform import Filter
from multiturn.data.dedup.opt_out_lines import ALLOWED, Repository, read_hash, read_repository
from multiturn.data.documents.record import Document

__all__ = ["OptOut"]

_COMMENT = re.compile(r"(?:^|\s)#.*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut(Filter):
    """Drops documents of some repositories, and documents with some SHA-256.

    Attributes:
        repositories: a document is dropped when its source matches one of these in all parts that
            both name: ``owner/name`` matches ``bigquery:owner/name`` and
            ``git:https://github.com/owner/name.git``, and so does any form of the address;
            ``pypi:name`` matches that package alone. Case does not matter.
        hashes: SHA-256 of files as their source gave them, in hexadecimal.

    Raises:
        InputError: an entry is neither a repository nor a hash.
    """

    name: ClassVar[str] = "opt-out"

    repositories: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        repositories, hashes = set(), set()
        for entry in self.repositories:
            if (repository := read_repository(entry)) is None:
                raise InputError("not a repository", got=entry, allowed=ALLOWED)
            repositories.add(str(repository))
        for entry in self.hashes:
            if (digest := read_hash(entry)) is None:
                raise InputError("not a SHA-256", got=entry, allowed="64 hexadecimal digits")
            hashes.add(digest)
        # Frozen: the only way to normalize a field.
        object.__setattr__(self, "repositories", frozenset(repositories))
        object.__setattr__(self, "hashes", frozenset(hashes))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """A list with a repository or a SHA-256 on each line; ``#`` begins a comment.

        Repositories may be addresses, and hashes may have file names beside them, as `sha256sum`
        and other programs print them.

        Raises:
            InputError: the file cannot be read, or a line is neither; the message has the number
                of the line. A request that was not understood must not be ignored.
        """
        repositories, hashes = set(), set()
        for number, line in enumerate(_LINE_END.split(_text(path)), 1):
            entry = _COMMENT.sub("", line).strip("\ufeff\0 \t\x0b\x0c\x1a\xa0")
            if not entry:
                continue
            if digest := read_hash(entry):
                hashes.add(digest)
            elif read_repository(entry) is not None:
                repositories.add(entry)
            else:
                raise InputError(
                    f"line {number} of {path.name} is neither a repository nor a SHA-256",
                    got=entry,
                    allowed=ALLOWED,
                    fix="correct the line, or put # before a remark",
                )
        return cls(repositories=frozenset(repositories), hashes=frozenset(hashes))

    def judge(self, document: Document) -> str | None:
        """The reason if the document is on the list, else None."""
        if document.sha256 in self.hashes:
            return "opted out by hash"
        if self.repositories:
            index = _by_path(self.repositories)
            for found in _repositories_of(document.source):
                if any(found.matches(entry) for entry in index.get(found.path, ())):
                    return "opted out by repository"
        return None


def _text(path: Path) -> str:
    """The text of a list, in the encoding that its byte order mark names."""
    try:
        content = path.read_bytes()
        for mark, encoding in _MARKS:
            if content.startswith(mark):
                return content[len(mark) :].decode(encoding)
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the opt-out list cannot be read: {error}", got=str(path), allowed="a UTF-8 file"
        ) from error


@lru_cache(maxsize=8)
def _by_path(entries: frozenset[str]) -> Mapping[str, tuple[Repository, ...]]:
    """Entries by path, the part that must be equal."""
    found: dict[str, tuple[Repository, ...]] = {}
    for entry in entries:
        if (repository := read_repository(entry)) is not None:
            for name in _names(repository):
                found[name.path] = (*found.get(name.path, ()), name)
    return found


@lru_cache(maxsize=4096)
def _repositories_of(source: str) -> tuple[Repository, ...]:
    """The names that a list may have for a document's source."""
    found = read_repository(source)
    return (Repository(source.casefold()),) if found is None else _names(found)


def _names(repository: Repository) -> tuple[Repository, ...]:
    """A repository; with a bare name, also the package of that name on PyPI."""
    if repository.kind or repository.host or "/" in repository.path:
        return (repository,)
    return repository, Repository(re.sub(r"[-_.]+", "-", repository.path), kind="pypi")
