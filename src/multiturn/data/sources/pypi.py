"""Source distributions of projects, from the package index that this machine's pip uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.sources.archives import documents_of_archive
from multiturn.data.sources.fetch import fetch
from multiturn.data.sources.file_filter import PYTHON_FILES, FileFilter
from multiturn.hub.partial import SourceFailedError
from multiturn.hub.sources.package_index import PackageIndex, SdistLink, open_package_index
from multiturn.hub.sources.pip_settings import read_pip_settings

__all__ = ["PyPIProjects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PyPIProjects:
    """Projects of the package index, as the archives that their authors published.

    Nothing is built, installed or run.

    Attributes:
        projects: ``name==version``; without a version, the newest when the build begins.
        wanted: the files that are read.
    """

    projects: tuple[str, ...]
    wanted: FileFilter = PYTHON_FILES
    name: str = "pypi"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each project."""
        del downloads
        projects = [_parsed(project) for project in self.projects]
        if all(version for _, version in projects):
            resolved = [(project, str(version)) for project, version in projects]
        else:
            with open_package_index(read_pip_settings()) as index:
                resolved = [
                    (project, version or _find(index, project, None).version)
                    for project, version in projects
                ]
        return [
            Part(f"{project} {version}", {"project": project, "version": version})
            for project, version in resolved
        ]

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The files of one project's archive."""
        project, version = str(part.detail["project"]), str(part.detail["version"])
        yield from documents_of_archive(
            _fetched(project, version, downloads / "pypi"),
            source=f"pypi:{project}",
            revision=version,
            wanted=self.wanted,
            drop_log=drop_log,
            step=self.name,
        )


def _parsed(project: str) -> tuple[str, str | None]:
    name, separator, version = project.partition("==")
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise SourceError("not a project", got=project, allowed="NAME or NAME==VERSION")
    return name, version if separator else None


def _fetched(project: str, version: str, folder: Path) -> Path:
    """The archive on this machine."""
    found_files = sorted(folder.glob(f"{project}=={version}/[!.]*"))
    if found_files:
        return found_files[0]
    with open_package_index(read_pip_settings()) as index:
        found = _find(index, project, version)
        if found.link.path is not None:
            return found.link.path
        path = folder / f"{project}=={version}" / found.file_name
        fetch(
            index.client,
            found.link.url,
            path,
            what=f"{project} {version}",
            sha256=found.sha256,
            auth=found.link.auth,
        )
    return path


def _find(index: PackageIndex, project: str, version: str | None) -> SdistLink:
    try:
        return index.find_sdist(project, version)
    except SourceFailedError as error:
        raise SourceError(
            error.what, got=project, fix="check the name and version, or remove it from the recipe"
        ) from error
