"""Reading documents of a corpus for a person."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import StoreError, UnknownNameError
from multiturn.data.build.pipeline import DOCUMENTS, stage_names
from multiturn.data.build.stage import document_files
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import Document

__all__ = ["DocumentQuery", "find_documents", "find_drops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuery:
    """Which documents; None lets all pass.

    Attributes:
        identifier: the whole id.
        language: the key.
        source: what the source begins with.
    """

    identifier: str | None = None
    language: str | None = None
    source: str | None = None

    def takes(self, identifier: str, language: str, source: str) -> bool:
        """Whether a document of these is query."""
        return (
            (self.identifier is None or identifier == self.identifier)
            and (self.language is None or language == self.language)
            and (self.source is None or source.startswith(self.source))
        )


def find_documents(
    out: Path, query: DocumentQuery, *, stage: str | None = None
) -> Iterator[Document]:
    """Documents of a corpus, in its order.

    Args:
        out: the folder of the build.
        query: which.
        stage: as they were after it; None for the last that has documents.

    Raises:
        StoreError: there is no build, or no finished stage of it has documents.
        UnknownNameError: there is no finished stage of that name with documents.
    """
    having = [name for name in stage_names(out) if document_files(out / name)]
    if not having:
        raise StoreError(
            "nothing of this corpus is finished", got=str(out), fix="run the build to its end"
        )
    if stage is not None and stage not in having:
        raise UnknownNameError("stage", stage, having)
    for path in document_files(out / (stage or having[-1])):
        for document in read_documents(path):
            if query.takes(document.id, document.language, document.source):
                yield document


def find_drops(out: Path, query: DocumentQuery) -> Iterator[dict[str, str]]:
    """What was dropped: the rows of `drop_log.DropFile`, of all stages.

    Raises:
        StoreError: there is no build, or it was made without keeping drops.
    """
    import zstandard

    stages = dict.fromkeys([DOCUMENTS, *stage_names(out)])
    files = [file for name in stages for file in sorted((out / name / "drops").glob("*.jsonl.zst"))]
    if not files:
        raise StoreError(
            "this corpus was built without its drops",
            got=str(out),
            fix="build it again with --keep-drops",
        )
    for path in files:
        try:
            with zstandard.open(path, "rb") as file:
                for line in io.TextIOWrapper(file, encoding="utf-8", newline="\n"):
                    row = json.loads(line)
                    if query.takes(row["id"], row["language"], row["source"]):
                        yield row
        except (zstandard.ZstdError, ValueError, KeyError, OSError) as error:
            raise StoreError("a file of drops cannot be read", got=str(path)) from error
