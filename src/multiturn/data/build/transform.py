"""What happens to each document by itself.

A step takes documents and yields documents. Steps are frozen dataclasses: their fields are
the settings, they hold no state between documents, and the same step gives the same result
for a document wherever and in whatever order it runs. That is what makes a corpus the same on
one core and on many. Work that needs the whole corpus, such as deduplication, is a `CorpusStage`
(see `pipeline`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol

from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document

__all__ = ["DocumentTransform", "Filter", "run_transforms"]


class DocumentTransform(Protocol):
    """A generator of documents from documents."""

    @property
    def name(self) -> str:
        """What drops and counts are filed under."""
        ...

    def run(self, documents: Iterable[Document], drop_log: DropLog) -> Iterator[Document]:
        """Yield what goes on. Every document that does not is reported to `drop_log.drop`."""
        ...


class Filter(ABC):
    """A step that lets a document pass or drops it: the usual kind."""

    name: ClassVar[str]

    @abstractmethod
    def judge(self, document: Document) -> str | None:
        """The reason to drop the document, out of a small set; None lets it pass.

        It may set `document.language` or `document.licence` on the way.
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
    documents: Iterable[Document], steps: Iterable[DocumentTransform], drop_log: DropLog
) -> Iterator[Document]:
    """The documents after all steps in turn, one at a time; nothing is gathered in between."""
    for step in steps:
        documents = step.run(documents, drop_log)
    for document in documents:
        drop_log.kept(document)
        yield document
