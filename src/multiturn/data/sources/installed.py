"""The Python of this machine: its standard library and installed packages."""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.licences.projects import ProjectLicences, is_licence_evidence
from multiturn.data.sources.file_filter import PYTHON_FILES, FileFilter, unsafe_path
from multiturn.data.sources.plain_files import read_file, walk

__all__ = ["InstalledPython"]

_STANDARD_LIBRARY = "standard library"
_NOTICES = FileFilter(max_bytes=1 << 20, not_under=())


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPython:
    """Files of the standard library and of installed packages, by their RECORD.

    Attributes:
        paths: folders with packages; empty for `sys.path`.
        standard_library: read the standard library too.
        wanted: the files that are read.
    """

    paths: tuple[Path, ...] = ()
    standard_library: bool = True
    wanted: FileFilter = PYTHON_FILES
    name: str = "installed"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """The standard library, then each package in the order of their names."""
        del downloads
        parts = [Part(_STANDARD_LIBRARY)] if self.standard_library else []
        # Imports take a package that is installed twice from the first folder.
        found: dict[str, importlib.metadata.Distribution] = {}
        for distribution in importlib.metadata.distributions(path=self._search()):
            name = distribution.metadata["Name"]
            if name and distribution.files:
                found.setdefault(name, distribution)
        parts += [
            Part(f"{name} {found[name].version}", {"project": name, "version": found[name].version})
            for name in sorted(found)
        ]
        if not parts:
            raise SourceError("no Python package there", got=", ".join(self._search()))
        return parts

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The files of one package, or of the standard library."""
        del downloads
        if part.name == _STANDARD_LIBRARY:
            yield from self._read_standard_library(drop_log)
        else:
            yield from self._read_package(str(part.detail["project"]), part, drop_log)

    def _search(self) -> list[str]:
        return [str(path) for path in self.paths] or sys.path

    def _read_standard_library(self, drop_log: DropLog) -> Iterator[Document]:
        root = Path(sysconfig.get_path("stdlib"))
        outside = ("site-packages", "dist-packages", *self.wanted.not_under)
        version = sys.version.split()[0]
        for found in walk(root, not_under=outside):
            document, reason, size = self._document(
                root, found.path, f"python:{_STANDARD_LIBRARY}", version
            )
            document.licence = "Python-2.0"
            if reason is None:
                yield document
            else:
                drop_log.drop(self.name, document, reason, size=size)

    def _read_package(self, project: str, part: Part, drop_log: DropLog) -> Iterator[Document]:
        try:
            distribution = next(
                iter(importlib.metadata.distributions(name=project, path=self._search()))
            )
        except StopIteration:
            raise SourceError(
                f"{project} is no longer installed", fix="build again in another folder"
            ) from None
        root = Path(str(distribution.locate_file("")))
        paths = sorted({path.as_posix() for path in distribution.files or ()})
        licences = ProjectLicences()
        for path in paths:
            if not unsafe_path(path) and is_licence_evidence(path):
                content, reason, _ = read_file(root / path, _NOTICES, path)
                if reason is None:
                    licences.add(path, content)
        for path in paths:
            source, version = f"pypi:{project}", str(part.detail["version"])
            if unsafe_path(path):  # scripts are outside, as ``../../../bin/x``
                outside = Document(content=b"", source=source, path=path, revision=version)
                drop_log.drop(self.name, outside, "a path that leads out of the package")
                continue
            document, reason, size = self._document(root, path, source, version)
            document.licence = licences.of(path)
            if reason is None:
                yield document
            else:
                drop_log.drop(self.name, document, reason, size=size)

    def _document(
        self, root: Path, path: str, source: str, revision: str
    ) -> tuple[Document, str | None, int]:
        content, reason, size = read_file(root / path, self.wanted, path)
        return (
            Document(content=content, source=source, path=path, revision=revision),
            reason,
            size,
        )
