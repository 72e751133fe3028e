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
    """A source cannot be had, or is empty: the run stops and says so."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a source that is read in one go, by one process.

    It is the unit of work, of completion markers and of output files: a build that was killed
    reads again only the parts that were not finished. Parts are plain data, because the plan
    of a build is written down: what was resolved once, such as the newest version of a
    project, stays what it was when the build goes on later.

    Attributes:
        name: for a person: ``requests 2.32.3``.
        detail: what the source needs to read it again, as plain JSON data.
    """

    name: str
    detail: Mapping[str, object] = field(default_factory=dict)


class Source(Protocol):
    """A collection of documents. Implementations are frozen dataclasses, like steps."""

    @property
    def name(self) -> str:
        """What drops are filed under, and what a person reads: ``pypi``."""
        ...

    def parts(self, downloads: Path) -> Sequence[Part]:
        """The pieces, always in the same order. Called once when a build begins.

        Args:
            downloads: as of `read`, for sources that must look something up first.

        Raises:
            SourceError: the source cannot be had, or there is nothing in it.
        """
        ...

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The documents of one piece, always in the same order.

        What cannot be read, or must not be (a member of an archive that is too large, a link
        that leads out of it, a broken row), is reported to `drop_log.drop` under the name of the
        source; nothing is passed over in silence. No file is read whole whose size is not
        bounded first, and nothing is ever unpacked to disk.

        Args:
            part: one of `parts()`.
            drop_log: is told what is dropped.
            downloads: a directory for files that come over the network; what lies there
                already and has the right hash is not fetched again.

        Raises:
            SourceError: the piece as a whole cannot be had.
        """
        ...
