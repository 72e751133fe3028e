"""Archives of source code: tar (plain, gz, bz2, xz, lzma, zst) and zip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.licences.projects import ProjectLicences, is_licence_evidence
from multiturn.data.sources.archive_members import (
    BROKEN,
    ArchiveError,
    Member,
    MemberError,
)
from multiturn.data.sources.archive_streams import ARCHIVE_ENDINGS, is_archive, open_members
from multiturn.data.sources.file_filter import ALL_FILES, FileFilter

__all__ = ["Archives", "documents_of_archive"]

_MAX_NOTICE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Archives:
    """Archives on this machine, each a project of its own.

    Attributes:
        paths: files, or folders of which all archives are read.
        wanted: the members that are read.
        licence: of archives without a notice.
    """

    paths: tuple[Path, ...]
    wanted: FileFilter = ALL_FILES
    licence: str = ""
    name: str = "archive"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """A part for each archive."""
        del downloads
        found: list[tuple[Path, str]] = []
        for path in self.paths:
            if path.is_dir():
                inside = [p for p in sorted(path.rglob("*")) if is_archive(p.name) and p.is_file()]
                found += [(p, p.relative_to(path).as_posix()) for p in inside]
            elif path.is_file():
                found.append((path, path.name))
            else:
                raise SourceError("no such archive", got=str(path))
        if not found:
            raise SourceError(
                "no archives in these folders",
                got=", ".join(map(str, self.paths)),
                allowed=" ".join(ARCHIVE_ENDINGS),
            )
        return [
            Part(path.name, {"path": str(path), "label": label})
            for (path, _), label in zip(found, _labels(found), strict=True)
        ]

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The members of one archive."""
        del downloads
        path = Path(str(part.detail["path"]))
        yield from documents_of_archive(
            path,
            source=f"archive:{part.detail.get('label', path.name)}",
            revision="",
            wanted=self.wanted,
            drop_log=drop_log,
            step=self.name,
            licences=ProjectLicences(self.licence),
        )


def _labels(found: Sequence[tuple[Path, str]]) -> list[str]:
    """The name of each archive in the source of its documents.

    Archives of one name in several folders get their path below the given folder, and a number
    where that is not enough.
    """
    names = Counter(path.name for path, _ in found)
    labels: list[str] = []
    for path, below in found:
        label = path.name if names[path.name] == 1 else below
        number = 1
        while label in labels:
            number += 1
            label = f"#{number}/{below}"
        labels.append(label)
    return labels


def documents_of_archive(
    path: Path,
    *,
    source: str,
    revision: str,
    wanted: FileFilter,
    drop_log: DropLog,
    step: str,
    licences: ProjectLicences | None = None,
) -> Iterator[Document]:
    """The files of an archive, each with the licence of the nearest notice.

    The archive is read twice, because notices may come after the files they are about, and a
    buffer of all files could need any amount of memory. The first reading also finds out how much
    of the archive is right, since a compressed file has its checksum at the end.

    The members before a break are documents. The break itself is a drop, whose detail says how far
    the archive could be read; each member that is known to be lost is a drop too.

    Args:
        path: the archive.
        source: of the documents.
        revision: of the documents.
        wanted: the members that are read.
        drop_log: records what is dropped.
        step: the name of the drops.
        licences: licences known already, to which the notices in the archive are added.
    """
    licences = licences or ProjectLicences()
    top, trusted = _scan(path, licences)
    reader = _MemberReader(source, revision, wanted, drop_log, step)
    try:
        with open_members(path) as members:
            for member in members:
                document = reader.document(member, trusted)
                if document is not None:
                    document.licence = licences.of(member.path, top)
                    yield document
    except ArchiveError as error:
        size = error.lost if reader.members else path.stat().st_size
        reader.drop(path.name, str(error), size, detail=reader.account(error))


def _scan(path: Path, licences: ProjectLicences) -> tuple[str, int | None]:
    """Add the notices to `licences`.

    Returns:
        the folder that holds all members, if there is one; and the position up to which the
        stream is right, None for all that can be read.
    """
    tops: set[str] = set()
    trusted = None
    try:
        with open_members(path) as members:
            for member in members:
                if member.fault is not None:
                    continue
                folder, inside, _ = member.path.partition("/")
                tops.add(folder if inside else "")
                if member.size <= _MAX_NOTICE_BYTES and is_licence_evidence(member.path):
                    with suppress(MemberError):
                        licences.add(member.path, member.read())
    except ArchiveError as error:
        trusted = error.trusted  # the second reading meets the same fault and reports it
    return tops.pop() if len(tops) == 1 else "", trusted


class _MemberReader:
    """Makes documents of members, and drops of the rest."""

    def __init__(
        self, source: str, revision: str, wanted: FileFilter, drop_log: DropLog, step: str
    ) -> None:
        self._source, self._revision, self._wanted = source, revision, wanted
        self._drop_log, self._step = drop_log, step
        self._paths: set[str] = set()
        self.members = self._lost = 0

    def document(self, member: Member, trusted: int | None) -> Document | None:
        """The member as a document; None where it is dropped."""
        self.members += 1
        path = self._unique(_shown(member.path))
        reason, detail, content = member.fault, "", b""
        if reason is None and trusted is not None and member.end > trusted:
            reason, detail = BROKEN, "it could be read, but the check of the archive fails"
        if reason is None:
            reason = self._wanted.refuses(member.path, member.size)
        if reason is None and is_archive(member.path):
            reason = "a packed file in an archive"
        if reason is None:
            try:
                content = member.read()
            except MemberError as error:
                reason, detail = str(error), error.detail
        if reason is not None:
            self._lost += reason == BROKEN
            self.drop(path, reason, member.size, detail=detail)
            return None
        return Document(content=content, source=self._source, path=path, revision=self._revision)

    def drop(self, path: str, reason: str, size: int, *, detail: str) -> None:
        """Drop a member, or the archive."""
        document = Document(content=b"", source=self._source, path=path, revision=self._revision)
        self._drop_log.drop(self._step, document, reason, size=size, detail=detail)

    def account(self, error: ArchiveError) -> str:
        """How far the archive could be read, and what is known to be lost."""
        good = self.members - self._lost
        members = f"{good} of its members were read, {self._lost} are known to be lost"
        return f"{error.detail}; {members}" if error.detail else members

    def _unique(self, path: str) -> str:
        """A path that no member before had.

        A number becomes a folder, so that the file keeps its name and ending.
        """
        unique, number = path, 1
        while unique in self._paths:
            number += 1
            folder, slash, name = path.rpartition("/")
            unique = f"{folder}{slash}#{number}/{name}"
        self._paths.add(unique)
        return unique


def _shown(path: str) -> str:
    """A path with escapes for bytes that are not text."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
