"""The drop log: what was left out of a corpus and why, and counts of everything else.

A `DropLog` belongs to one part of the corpus and one process. Its `Counts` add up over parts, so
the counts of a corpus are the sums of those in the markers of its tasks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from multiturn.core.errors import storage_errors
from multiturn.core.files import atomic_file
from multiturn.data.documents.record import Document

__all__ = ["Counts", "DropLog", "DropWriter", "open_drop_log"]


_KEYS = {"events": "counts"}
"""Keys in markers that differ from the names of the fields."""


@dataclass(slots=True)
class Counts:
    """Counts that add up.

    Attributes:
        documents: that passed, by (language, licence).
        bytes: of those documents, by (language, licence).
        lengths: those documents, by language and the number of bits of their size.
        drops: dropped documents, by (step, reason).
        drop_bytes: bytes of dropped documents, by (step, reason).
        events: what steps count besides drops, by (step, event).
        sources: bytes that passed, by source.
    """

    documents: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    lengths: Counter[tuple[str, str]] = field(default_factory=Counter)
    drops: Counter[tuple[str, str]] = field(default_factory=Counter)
    drop_bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    sources: Counter[tuple[str]] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Add the counts of `other`."""
        for name in self.__slots__:
            getattr(self, name).update(getattr(other, name))

    def to_plain(self) -> dict[str, list[list[object]]]:
        """As rows of key parts and a count, sorted, for JSON."""
        return {
            _KEYS.get(name, name): [
                [*key, count] for key, count in sorted(getattr(self, name).items())
            ]
            for name in self.__slots__
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, list[list[Any]]]) -> Counts:
        """The counts that `to_plain` wrote.

        Example:
            >>> counts = Counts()
            >>> counts.drops["lines", "a long line"] += 2
            >>> Counts.from_plain(counts.to_plain()) == counts
            True
        """
        counts = cls()
        for name in cls.__slots__:
            counter = getattr(counts, name)
            for *key, count in plain.get(_KEYS.get(name, name), ()):
                counter[tuple(key)] = count
        return counts


class DropWriter(Protocol):
    """Writes dropped documents down."""

    def __call__(self, document: Document, step: str, reason: str, detail: str, /) -> None:
        """Write a document with the reason of its drop."""
        ...


class DropLog:
    """Counts the documents of one part that pass or are dropped, and what changes them.

    Args:
        write: receives every dropped document; None keeps the counts alone.
    """

    def __init__(self, write: DropWriter | None = None) -> None:
        self.counts = Counts()
        self._write = write

    def drop(
        self,
        step: str,
        document: Document,
        reason: str,
        *,
        detail: str = "",
        size: int | None = None,
    ) -> None:
        """Record a dropped document.

        Args:
            step: the name of the step or source that drops it.
            document: its content may be empty where it could not or must not be read.
            reason: a short phrase out of a small set: drops are counted by it.
            detail: what is particular to this document; not counted by.
            size: its bytes, where that is not the length of its content.
        """
        self.counts.drops[step, reason] += 1
        self.counts.drop_bytes[step, reason] += len(document.content) if size is None else size
        if self._write is not None:
            self._write(document, step, reason, detail)

    def count(self, step: str, event: str, number: int = 1) -> None:
        """Count something that a step did to a document which passes."""
        self.counts.events[step, event] += number

    def passed(self, document: Document) -> None:
        """Count a document that passed all steps."""
        size = len(document.content)
        key = document.language, document.licence
        self.counts.documents[key] += 1
        self.counts.bytes[key] += size
        self.counts.lengths[document.language, f"{size.bit_length():02d}"] += 1
        self.counts.sources[(document.source,)] += size


@contextmanager
def open_drop_log(path: Path | None) -> Iterator[DropLog]:
    """A drop log that also writes the dropped documents to a file.

    The file has JSON lines, compressed with Zstandard: `id`, `source`, `path`, `revision`,
    `licence`, `language`, `sha256`, `step`, `reason`, `detail` and `text`, in which bytes that are
    not UTF-8 are escaped. It appears when the block ends without an error.

    Args:
        path: of the file; None writes none.

    Raises:
        StorageError: the file cannot be written.
    """
    if path is None:
        yield DropLog()
        return
    import zstandard  # optional: needed to build corpora alone

    with storage_errors(path, "writing the drops"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_file(path, doing="writing the drops") as partial,
        zstandard.open(partial, "wb") as file,
    ):

        def write(document: Document, step: str, reason: str, detail: str, /) -> None:
            row = {
                "id": document.id,
                "source": document.source,
                "path": document.path,
                "revision": document.revision,
                "licence": document.licence,
                "language": document.language,
                "sha256": document.sha256,
                "step": step,
                "reason": reason,
                "detail": detail,
                "text": document.content.decode("utf-8", errors="backslashreplace"),
            }
            with storage_errors(path, "writing the drops"):
                file.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")

        yield DropLog(write)
