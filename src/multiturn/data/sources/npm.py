"""Packages of the npm registry, by name, fetched by the npm of this machine.

npm uses its own configuration: registry, logins, proxies, certificates. Packages are neither
installed nor run.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import storage_errors
from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.sources.archives import documents_of_archive
from multiturn.data.sources.file_filter import FileFilter

__all__ = ["JAVASCRIPT_FILES", "NpmPackages"]

JAVASCRIPT_FILES = FileFilter(endings=(".js", ".mjs", ".cjs", ".jsx"))
_PACKAGE = re.compile(
    r"(?P<name>(@[a-z0-9._~-]+/)?[a-z0-9._~][a-z0-9._~-]*)(@(?P<version>[^@\s]+))?"
)
_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPackages:
    """Packages as their authors published them.

    Attributes:
        packages: ``name@version``; without a version, the newest when the build begins.
        wanted: the files that are read.
    """

    packages: tuple[str, ...]
    wanted: FileFilter = JAVASCRIPT_FILES
    name: str = "npm"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each package."""
        del downloads
        parts = []
        for package in self.packages:
            match = _PACKAGE.fullmatch(package)
            if match is None:
                raise SourceError("not a package", got=package, allowed="NAME or NAME@VERSION")
            name = match["name"]
            version = match["version"] or _npm("view", name, "version", "--json")
            if not isinstance(version, str):
                raise SourceError("npm gives no version", got=name)
            parts.append(Part(f"{name} {version}", {"package": name, "version": version}))
        return parts

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The files of one package."""
        package, version = str(part.detail["package"]), str(part.detail["version"])
        yield from documents_of_archive(
            _fetched(package, version, downloads / "npm"),
            source=f"npm:{package}",
            revision=version,
            wanted=self.wanted,
            drop_log=drop_log,
            step=self.name,
        )


def _fetched(package: str, version: str, folder: Path) -> Path:
    path = folder / f"{package.replace('/', '+')}@{version}.tgz"
    if path.exists():
        return path
    with storage_errors(folder, "keeping a download"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            # npm checks the archive against the registry's hash.
            packed = _npm(
                "pack",
                f"{package}@{version}",
                "--json",
                "--ignore-scripts",
                "--pack-destination",
                place,
            )
            archives = list(Path(place).glob("*.tgz"))
            if len(archives) != 1:
                raise SourceError("npm gave no archive", got=f"{package}@{version} {packed}")
            archives[0].replace(path)
    return path


def _npm(*arguments: str) -> object:
    """The JSON that npm prints.

    Raises:
        SourceError: npm is not installed, fails, or takes ten minutes.
    """
    what = " ".join(arguments[:2])
    try:
        done = subprocess.run(
            ["npm", *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as error:
        raise SourceError("npm is not installed", fix="install Node.js with npm") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"npm {what} took more than {_SECONDS} seconds") from error
    if done.returncode != 0:
        errors = done.stderr.strip().splitlines()
        lines = [line for line in errors if line.startswith("npm error")][:2] or errors[-1:]
        reason = "; ".join(line.removeprefix("npm error").strip() for line in lines)
        raise SourceError(
            f"npm {what} failed: {reason or 'no reason given'}",
            fix="check the name and version, or remove it from the recipe",
        )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise SourceError(f"npm {what} printed no JSON") from error
