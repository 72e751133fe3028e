"""Queries for documents of a corpus, and for what was dropped from it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import StoreError, UnknownNameError
from multiturn.data.build.stage import DOCUMENTS, document_files, stage_names
from multiturn.data.documents.files import read_documents
from multiturn.data.documents.record import Document

__all__ = ["DocumentQuery", "find_documents", "find_drops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuery:
    """Conditions on documents; None stands for any value.

    Attributes:
        identifier: the id.
        language: the key of the language.
        source: a prefix of the source.
    """

    identifier: str | None = None
    language: str | None = None
    source: str | None = None

    def matches(self, identifier: str, language: str, source: str) -> bool:
        """Whether a document of this id, language and source meets the conditions."""
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
        query: the conditions.
        stage: show documents as they were after this stage; None for the last one with documents.

    Raises:
        StoreError: there is no build, or no finished stage of it has documents.
        UnknownNameError: there is no finished stage of that name with documents.
    """
    stages = [name for name in stage_names(out) if document_files(out / name)]
    if not stages:
        raise StoreError(
            "no stage of this corpus is finished", got=str(out), fix="run the build to its end"
        )
    if stage is not None and stage not in stages:
        raise UnknownNameError("stage", stage, stages)
    for path in document_files(out / (stage or stages[-1])):
        for document in read_documents(path):
            if query.matches(document.id, document.language, document.source):
                yield document


def find_drops(out: Path, query: DocumentQuery) -> Iterator[dict[str, str]]:
    """The dropped documents of all stages, as `drop_log.open_drop_log` wrote them.

    Raises:
        StoreError: there is no build, or it did not write its drops down.
    """
    import zstandard

    stages = dict.fromkeys([DOCUMENTS, *stage_names(out)])
    files = [file for name in stages for file in sorted((out / name / "drops").glob("*.jsonl.zst"))]
    if not files:
        raise StoreError(
            "this corpus was built without --keep-drops",
            got=str(out),
            fix="build it again with --keep-drops",
        )
    for path in files:
        try:
            with zstandard.open(path, "rb") as file:
                for line in io.TextIOWrapper(file, encoding="utf-8", newline="\n"):
                    row = json.loads(line)
                    if query.matches(row["id"], row["language"], row["source"]):
                        yield row
        except (zstandard.ZstdError, ValueError, KeyError, OSError) as error:
            raise StoreError("a file of drops cannot be read", got=str(path)) from error
