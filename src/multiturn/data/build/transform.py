"""Work on each document by itself.

A transform takes documents and yields documents. Transforms are frozen dataclasses: their fields
are the settings, they hold no state between documents, and a transform gives the same result for a
document wherever and in whatever order it runs. That makes a corpus the same on one core and on
many. Work that needs all documents, such as deduplication, is a `stage.CorpusStage`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol

from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document

__all__ = ["DocumentTransform", "Filter", "run_transforms"]


class DocumentTransform(Protocol):
    """A generator of documents from documents: a step of a recipe."""

    @property
    def name(self) -> str:
        """The name of its drops and counts."""
        ...

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the documents that pass; report every other one to `drop_log.drop`."""
        ...


class Filter(ABC):
    """A transform that lets a document pass or drops it: the usual kind."""

    name: ClassVar[str]

    @abstractmethod
    def judge(self, document: Document) -> str | None:
        """The reason to drop the document, out of a small set; None lets it pass.

        The method may set `document.language` or `document.licence`.
        """

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield the documents that `judge` lets pass."""
        judge, name = self.judge, self.name
        for document in documents:
            reason = judge(document)
            if reason is None:
                yield document
            else:
                drop_log.drop(name, document, reason)


def run_transforms(
    documents: Iterable[Document], transforms: Iterable[DocumentTransform], drop_log: DropLog
) -> Iterator[Document]:
    """The documents after all transforms in turn, one at a time, without a buffer in between."""
    for transform in transforms:
        documents = transform.run(documents, drop_log)
    for document in documents:
        drop_log.passed(document)
        yield document
