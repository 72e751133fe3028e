"""Debian source packages, by name, through the apt of this machine.

Most machines are configured for binary packages alone. So the entries of the machine's list of
sources are rewritten as sources of source packages, in a folder of this program, and apt works with
that copy. The lists and settings of the system do not change, and root is not needed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cmp_to_key
from pathlib import Path
from typing import cast

from multiturn.core.errors import storage_errors
from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.licences.debian import DebianCopyright
from multiturn.data.licences.projects import ProjectLicences
from multiturn.data.sources.archives import documents_of_archive
from multiturn.data.sources.debian_packaging import copyright_file
from multiturn.data.sources.file_filter import ALL_FILES, FileFilter

__all__ = ["DebianSources"]

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+~:-]+)?")
_URI = re.compile(r"'[^']*' (?P<file>\S+) (?P<size>\d+) (?P<hash>\S*)")
_UPSTREAM = re.compile(
    r".*\.orig(-(?P<component>[\w-]+))?\.tar\.(gz|bz2|xz)|[^/]*(?<!\.debian)\.tar\.(gz|bz2|xz)"
)
_PACKAGING = re.compile(r".*\.(debian\.tar\.(gz|bz2|xz)|diff\.gz)")
_SECONDS = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianSources:
    """The upstream archives of source packages.

    The licence of each file comes from the package's ``debian/copyright`` where that is
    machine-readable, else from the nearest notice.

    Attributes:
        packages: names of source packages, or ``name=version``; without a version, the newest one
            that the configured sources have when the build begins. Where the files of the newest
            are missing there, it is the next older one; documents name the version they are from.
        wanted: the files that are read.
        licence: of packages without a notice.
    """

    packages: tuple[str, ...]
    wanted: FileFilter = ALL_FILES
    licence: str = ""
    name: str = "debian"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each package."""
        for package in self.packages:
            if not _NAME.fullmatch(package):
                raise SourceError("not a package", got=package, allowed="NAME or NAME=VERSION")
        apt = _Apt(downloads / "debian")
        apt.update()
        found = [(package, apt.archives_of(package)) for package in self.packages]
        return [
            Part(
                f"{archives.project} {archives.version}",
                {
                    "package": package.partition("=")[0],
                    "asked": package,
                    "version": archives.version,
                    "archives": list(archives.upstream),
                    "packaging": archives.packaging,
                },
            )
            for package, archives in found
        ]

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The files of one package's upstream archives."""
        folder = downloads / "debian" / "archives"
        package, asked = str(part.detail["package"]), str(part.detail["asked"])
        listed = _Archives(
            package,
            str(part.detail["version"]),
            tuple(cast(list[str], part.detail["archives"])),
            str(part.detail["packaging"]),
        )
        archives = _fetched(_Apt(downloads / "debian"), package, asked, listed, folder)
        stated = DebianCopyright.parse(copyright_file(folder / archives.packaging))
        for name in archives.upstream:
            yield from documents_of_archive(
                folder / name,
                source=f"debian:{package}",
                revision=archives.version,
                wanted=self.wanted,
                drop_log=drop_log,
                step=self.name,
                licences=ProjectLicences(self.licence, _within(stated, name)),
            )


@dataclass(frozen=True, slots=True)
class _Archives:
    """The files of one version of a source package."""

    project: str
    version: str
    upstream: tuple[str, ...]
    packaging: str

    def are_in(self, folder: Path) -> bool:
        """Whether all are there."""
        return all((folder / name).exists() for name in (*self.upstream, self.packaging))


def _fetched(apt: _Apt, package: str, asked: str, listed: _Archives, folder: Path) -> _Archives:
    """The archives of a package, downloaded.

    A repository may list a version whose files it does not have (yet), such as a security update of
    this hour. Where no version was asked for, the next older one is taken then.
    """
    if listed.are_in(folder):
        return listed
    try:
        apt.download(asked, folder)
        if listed.are_in(folder):
            return listed
        raise SourceError(
            f"apt no longer has {package} {listed.version}",
            got=", ".join(listed.upstream),
            fix="build again in another folder",
        )
    except SourceError:
        versions = apt.versions_of(package) if asked == package else []
        for version in versions:
            if version == listed.version:
                continue
            older = apt.archives_of(f"{package}={version}")
            with suppress(SourceError):
                if not older.are_in(folder):
                    apt.download(f"{package}={version}", folder)
            if older.are_in(folder):
                return older
        raise


def _within(stated: DebianCopyright | None, archive: str) -> DebianCopyright | None:
    """The stanzas for the paths of one archive; a component is unpacked below the first archive."""
    match = _UPSTREAM.fullmatch(archive)
    if stated is None or match is None or not match["component"]:
        return stated
    return replace(stated, folder=match["component"])


class _Apt:
    """apt with a copy of the machine's sources and its own lists; it installs nothing."""

    def __init__(self, folder: Path) -> None:
        # apt takes a relative path as one below its own root.
        self._folder = folder.absolute()

    def update(self) -> None:
        """Fetch the lists of source packages that changed."""
        with storage_errors(self._folder, "keeping apt's lists"):
            for name in ("sources", "lists/partial", "cache/archives/partial"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            for stale in (self._folder / "sources").iterdir():
                stale.unlink()
            written = 0
            for path in self._configured():
                text = _for_sources(path.read_text("utf-8", "replace"), path.suffix)
                if text:
                    (self._folder / "sources" / path.name).write_text(text, "utf-8")
                    written += 1
        if not written:
            raise SourceError("apt has no sources configured", fix="add some to /etc/apt")
        self._run("apt-get", "update")

    def archives_of(self, package: str) -> _Archives:
        """The files of a source package, NAME or NAME=VERSION, as the lists have them."""
        output = self._run("apt-get", "source", "--print-uris", "--download-only", "-qq", package)
        files = [match["file"] for line in output.splitlines() if (match := _URI.match(line))]
        described = next((name for name in files if name.endswith(".dsc")), "")
        project, _, version = described.removesuffix(".dsc").partition("_")
        upstream = tuple(name for name in files if _UPSTREAM.fullmatch(name))
        packaging = [name for name in files if _PACKAGING.fullmatch(name)]
        if not upstream or not version:
            raise SourceError("apt lists no upstream archive", got=package)
        # A native package has its packaging in its archive.
        return _Archives(project, version, upstream, (packaging or list(upstream))[0])

    def versions_of(self, package: str) -> list[str]:
        """The versions that the lists have, the newest first."""
        output = self._run("apt-cache", "showsrc", "--only-source", package)
        versions = dict.fromkeys(
            line.removeprefix("Version: ")
            for line in output.splitlines()
            if line.startswith("Version: ")
        )
        return sorted(versions, key=cmp_to_key(_compare_versions), reverse=True)

    def download(self, package: str, folder: Path) -> None:
        """Fetch the archives of a source package; apt checks their hashes and unpacks nothing."""
        with storage_errors(folder, "keeping a download"):
            folder.mkdir(parents=True, exist_ok=True)
        self._run("apt-get", "source", "--download-only", "-qq", package, folder=folder)

    def _configured(self) -> list[Path]:
        settings = {"list": "Dir::Etc::sourcelist/f", "parts": "Dir::Etc::sourceparts/d"}
        pairs = [word for pair in settings.items() for word in pair]
        output = self._run("apt-config", "shell", *pairs, own=False)
        named = dict(line.partition("=")[::2] for line in output.splitlines())
        single = Path(named.get("list", "").strip("'"))
        folder = Path(named.get("parts", "").strip("'"))
        found = [single] if single.is_file() else []
        return found + sorted(p for p in folder.glob("*") if p.suffix in (".list", ".sources"))

    def _run(self, *command: str, folder: Path | None = None, own: bool = True) -> str:
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self._folder / "sources",
            "Dir::State::lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            # Without root, apt cannot become the user that it downloads as.
            "APT::Sandbox::User": "",
        }
        options = [f"-o{key}={value}" for key, value in settings.items()] if own else []
        try:
            done = subprocess.run(
                [command[0], *options, *command[1:]],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                check=False,
            )
        except FileNotFoundError as error:
            raise SourceError(
                "apt is not installed: Debian source packages need a Debian or Ubuntu machine",
                fix="remove them from the recipe",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"apt took more than {_SECONDS} seconds") from error
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise SourceError(
                f"apt failed: {(errors or ['no reason given'])[0].removeprefix('E:').strip()}",
                got=" ".join(command),
                fix="check the name, and that `apt-get update` works here",
            )
        return done.stdout


def _compare_versions(one: str, other: str) -> int:
    """Below, equal to or above 0, as Debian orders versions."""

    def holds(relation: str) -> bool:
        command = ["dpkg", "--compare-versions", one, relation, other]
        return subprocess.run(command, check=False).returncode == 0

    return holds("gt") - holds("lt")


def _for_sources(text: str, suffix: str) -> str:
    """A list of apt's sources with entries for source packages alone; empty without entries."""
    if suffix == ".sources":
        stanzas = [
            re.sub(r"(?im)^types:.*$", "Types: deb-src", stanza)
            for stanza in re.split(r"\n\s*\n", text)
            if re.search(r"(?im)^types:.*\bdeb\b", stanza)
            and not re.search(r"(?im)^enabled:\s*(no|false)", stanza)
        ]
        return "\n\n".join(stanzas)
    lines = [
        re.sub(r"^\s*deb\s", "deb-src ", line)
        for line in text.splitlines()
        if re.match(r"\s*deb\s", line)
    ]
    return "\n".join(lines) + "\n" if lines else ""
