"""Folders on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname
from typing import cast

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.licences.projects import ProjectLicences
from multiturn.data.sources.file_filter import ALL_FILES, FileFilter
from multiturn.data.sources.plain_files import FoundFile, add_notices, read_file, walk

__all__ = ["Directory"]

_PART_BYTES = 16 << 20
_PART_FILES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The files below a folder. Links are not followed.

    Attributes:
        path: the folder.
        label: the `source` of the documents, so that no path of this machine gets into the
            corpus; the name of the folder where it is empty.
        revision: of the documents.
        wanted: the files that are read.
        licence: of files without a notice in their folder or one above, up to `path`.
    """

    path: Path
    label: str = ""
    revision: str = ""
    wanted: FileFilter = ALL_FILES
    licence: str = ""
    name: str = "directory"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """Groups of files of about 16 MiB."""
        del downloads
        if not self.path.is_dir():
            raise SourceError("no such folder", got=str(self.path))
        parts: list[Part] = []
        group: list[FoundFile] = []
        size = 0
        for found in walk(self.path, not_under=self.wanted.not_under):
            group.append(found)
            # Files that will not be read do not count.
            if found.plain and self.wanted.refuses(found.path, found.size) is None:
                size += found.size
            if size >= _PART_BYTES or len(group) >= _PART_FILES:
                parts.append(self._part(len(parts), group))
                group, size = [], 0
        if group:
            parts.append(self._part(len(parts), group))
        if not parts:
            raise SourceError("the folder has no files", got=str(self.path))
        return parts

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The files of one part."""
        del downloads
        licences = ProjectLicences(self.licence)
        known: set[str] = set()
        source = f"directory:{self.label or self.path.name}"
        for name in cast(list[str], part.detail["files"]):
            content, reason, size = read_file(self.path / name, self.wanted, name)
            document = Document(
                content=content,
                source=source,
                path=os.fsencode(name).decode("utf-8", "backslashreplace"),
                revision=self.revision,
            )
            if reason is not None:
                drop_log.drop(self.name, document, reason, size=size)
                continue
            self._learn_notices(licences, known, dirname(name))
            document.licence = licences.of(name)
            yield document

    def _part(self, number: int, group: Sequence[FoundFile]) -> Part:
        label = self.label or self.path.name
        return Part(f"{label} {number + 1}", {"files": [found.path for found in group]})

    def _learn_notices(self, licences: ProjectLicences, known: set[str], folder: str) -> None:
        while folder not in known:
            known.add(folder)
            add_notices(licences, self.path, folder)
            folder = dirname(folder)
