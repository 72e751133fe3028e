"""Documents of a corpus that was built before, or a share of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import InputError
from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.resumable import read_marker
from multiturn.data.build.source import Part, SourceError
from multiturn.data.build.stage import COMPLETE, document_files
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import Document

__all__ = ["BuiltCorpus"]

_DRAWN_DIGITS = 13
"""Hexadecimal digits of a hash that decide whether a document is drawn: exact as a float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCorpus:
    """The documents that a finished stage of another build left, with their provenance.

    Use it to pack one corpus in several ways, to mix corpora, or to draw a smaller one. Filters
    have run, and duplicates are gone, but not those between two corpora.

    Attributes:
        corpus: the folder of the build.
        stage: of which the documents are read; the last before packing in most recipes.
        share: of the documents, drawn by their hashes: a smaller share is a part of a larger one.
    """

    corpus: Path
    stage: str = "decontaminated"
    share: float = 1.0
    name: str = "built"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(
                "BuiltCorpus.share is out of range", got=self.share, allowed="above 0, up to 1"
            )

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each file of documents, with its hash: a corpus built anew is read anew."""
        del downloads
        folder = self.corpus.expanduser() / self.stage
        if not (folder / COMPLETE).exists():
            raise SourceError(
                f"the corpus has no finished stage {self.stage!r}",
                got=str(self.corpus),
                fix=f"build it first: multiturn data build {self.corpus.name}",
            )
        return [
            Part(
                f"{self.corpus.name} {path.stem}",
                {
                    "file": path.name,
                    "sha256": (read_marker(path.with_suffix(".json")) or {}).get("sha256"),
                },
            )
            for path in document_files(folder)
        ]

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The documents of one file."""
        del downloads
        path = self.corpus.expanduser() / self.stage / str(part.detail["file"])
        limit = self.share * 16**_DRAWN_DIGITS
        for document in read_documents(path):
            if int(document.sha256[:_DRAWN_DIGITS], 16) < limit:
                yield document
            else:
                drop_log.drop(self.name, document, "not drawn")
