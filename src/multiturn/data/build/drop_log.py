"""The account of a run: what was kept, what was dropped and why, what was changed.

A `DropLog` belongs to one part of the corpus and one process. Its `Counts` is plain counts that
add up over parts, so that the account of the whole is the sum of the completion markers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from multiturn.core.errors import storage_errors
from multiturn.core.files import atomic_file
from multiturn.data.documents.record import Document

__all__ = ["Counts", "DropFile", "DropLog", "DropSink"]


_KEYS = {"events": "counts"}
"""Keys in markers that differ from the names of the fields."""


@dataclass(slots=True)
class Counts:
    """Counts that add up.

    Attributes:
        documents: kept, by (language, licence).
        bytes: kept, by (language, licence).
        lengths: kept documents by language and by the power of two that their bytes reach.
        drops: dropped documents, by (step, reason).
        drop_bytes: bytes of those, by (step, reason).
        events: what steps count besides drops, by (step, what).
        sources: kept bytes, by source.
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


class DropSink(Protocol):
    """Where dropped documents go."""

    def keep(self, document: Document, step: str, reason: str, detail: str) -> None:
        """Write the document down with the reason of its drop."""
        ...


class DropLog:
    """Takes note of drops and changes while the documents of one part pass the steps.

    Args:
        drops: is given every dropped document; None keeps only the counts.
    """

    def __init__(self, drops: DropSink | None = None) -> None:
        self.counts = Counts()
        self._drops = drops

    def drop(
        self,
        step: str,
        document: Document,
        reason: str,
        *,
        detail: str = "",
        size: int | None = None,
    ) -> None:
        """Take note that a document ends here.

        Args:
            step: the name of the step or source that drops it.
            document: its content may be empty where it could not or must not be read.
            reason: a short phrase out of a small set: drops are counted by it.
            detail: what is particular to this document: never counted by.
            size: bytes it has where that is not the length of its content.
        """
        self.counts.drops[step, reason] += 1
        self.counts.drop_bytes[step, reason] += len(document.content) if size is None else size
        if self._drops is not None:
            self._drops.keep(document, step, reason, detail)

    def count(self, step: str, what: str, number: int = 1) -> None:
        """Take note of something a step did to a document that goes on."""
        self.counts.events[step, what] += number

    def kept(self, document: Document) -> None:
        """Take note that a document passed all steps."""
        size = len(document.content)
        key = document.language, document.licence
        self.counts.documents[key] += 1
        self.counts.bytes[key] += size
        self.counts.lengths[document.language, f"{size.bit_length():02d}"] += 1
        self.counts.sources[(document.source,)] += size


class DropFile(AbstractContextManager["DropFile"]):
    """Dropped documents as JSON lines, compressed with Zstandard.

    Each line has `id`, `source`, `path`, `revision`, `licence`, `language`, `sha256`, `step`,
    `reason`, `detail` and `text`, in which bytes that are not UTF-8 are escaped. The file takes
    its name when the block ends without an error.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open_files = ExitStack()

    def __enter__(self) -> Self:
        import zstandard  # optional: only who builds corpora has it

        with storage_errors(self._path, "writing the drops"), ExitStack() as files:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = files.enter_context(atomic_file(self._path, doing="writing the drops"))
            self._file = files.enter_context(zstandard.open(temporary, "wb"))
            self._open_files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open_files.__exit__(kind, error, trace)

    def keep(self, document: Document, step: str, reason: str, detail: str) -> None:
        """Append one document."""
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
        with storage_errors(self._path, "writing the drops"):
            self._file.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")
