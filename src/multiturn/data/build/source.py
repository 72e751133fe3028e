"""Where documents come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from multiturn.core.errors import InputError
from multiturn.data.build.drop_log import DropLog
from multiturn.data.documents.record import Document

__all__ = ["Part", "Source", "SourceError"]


class SourceError(InputError):
    """A source is not available, or is empty; the build stops and says so."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a source, which one process reads as a unit.

    Each part has its own output file and its own marker: a build that was killed reads again
    only the unfinished parts. Parts are plain data and stand in the plan of the build, so that
    what was resolved once, such as the newest version of a project, stays the same when the
    build continues later.

    Attributes:
        name: for a person: ``requests 2.32.3``.
        detail: what the source needs to read the part, as plain JSON data.
    """

    name: str
    detail: Mapping[str, object] = field(default_factory=dict)


class Source(Protocol):
    """A collection of documents. Implementations are frozen dataclasses, like steps."""

    @property
    def name(self) -> str:
        """The name of its drops, which a person reads: ``pypi``."""
        ...

    def parts(self, downloads: Path) -> Sequence[Part]:
        """The parts, always in the same order. Called once when a build begins.

        Args:
            downloads: as for `read`, for sources that look something up first.

        Raises:
            SourceError: the source is not available, or is empty.
        """
        ...

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The documents of one part, always in the same order.

        What cannot or must not be read (a member of an archive that is too large, a link that
        leads out of the archive, a broken row) goes to `drop_log.drop` under the name of the
        source; nothing is skipped silently. The size of a file is checked before its content is
        read, and nothing is ever unpacked to disk.

        Args:
            part: one of `parts()`.
            drop_log: records what is dropped.
            downloads: a directory for files that come over the network. A file that is there
                already and has the right hash is not fetched again.

        Raises:
            SourceError: the part is not available at all.
        """
        ...
