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
    """Archives that lie on this machine, each a project of its own.

    Attributes:
        paths: files, or folders whose archives are all taken.
        wanted: which members are read.
        licence: of archives without any notice.
    """

    paths: tuple[Path, ...]
    wanted: FileFilter = ALL_FILES
    licence: str = ""
    name: str = "archive"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """One for each archive."""
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
                "no archive there",
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
            filed_under=self.name,
            licences=ProjectLicences(self.licence),
        )


def _labels(found: Sequence[tuple[Path, str]]) -> list[str]:
    """What each archive is called in the documents' source: its name, where that is its own.

    Archives of one name in several folders are told apart by their path below the folder that
    was given, and if need be by a number.
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
    filed_under: str,
    licences: ProjectLicences | None = None,
) -> Iterator[Document]:
    """The files of an archive, each with the licence of the nearest notice.

    The archive is read twice: notices may come after the files they speak of, and keeping all
    files until then could need any amount of memory. The first reading also finds out how much
    of it is right: a compressed file has its checksum at the end.

    Where it breaks, what came before is kept. The break is a drop with its reason, whose detail
    says how far it could be read; each member that is known to be lost is a drop too.

    Args:
        path: the archive.
        source: of the documents.
        revision: of the documents.
        wanted: which members are read.
        drop_log: is told what is dropped.
        filed_under: the name that drops are filed under.
        licences: what is known beside the notices in the archive, which are added to it.
    """
    licences = licences or ProjectLicences()
    top, trusted = _look_through(path, licences)
    reading = _Reading(source, revision, wanted, drop_log, filed_under)
    try:
        with open_members(path) as members:
            for member in members:
                document = reading.document(member, trusted)
                if document is not None:
                    document.licence = licences.of(member.path, top)
                    yield document
    except ArchiveError as error:
        size = error.lost if reading.members else path.stat().st_size
        reading.drop(path.name, str(error), size, detail=reading.account(error))


def _look_through(path: Path, licences: ProjectLicences) -> tuple[str, int | None]:
    """Tell `licences` of the notices.

    Returns:
        the folder that holds all members, if one does; and how much of the archive's stream is
        right, None for all that can be read.
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
        trusted = error.trusted  # the second reading meets the same fault, and reports it
    return tops.pop() if len(tops) == 1 else "", trusted


class _Reading:
    """Members as documents, the rest as drops."""

    def __init__(
        self, source: str, revision: str, wanted: FileFilter, drop_log: DropLog, filed_under: str
    ) -> None:
        self._source, self._revision, self._wanted = source, revision, wanted
        self._ledger, self._filed_under = drop_log, filed_under
        self._paths: set[str] = set()
        self.members = self._lost = 0

    def document(self, member: Member, trusted: int | None) -> Document | None:
        """The member as a document; None where it was dropped."""
        self.members += 1
        path = self._own(_shown(member.path))
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
        """Take note of a member, or of the archive as a whole."""
        document = Document(content=b"", source=self._source, path=path, revision=self._revision)
        self._ledger.drop(self._filed_under, document, reason, size=size, detail=detail)

    def account(self, error: ArchiveError) -> str:
        """How far an archive could be read, and what is known to be lost."""
        whole = self.members - self._lost
        told = f"{whole} of its members were read, {self._lost} are known to be lost"
        return f"{error.detail}; {told}" if error.detail else told

    def _own(self, path: str) -> str:
        """A path that no member before had.

        The number is a folder of its own, so that the file keeps its name and ending.
        """
        own, number = path, 1
        while own in self._paths:
            number += 1
            folder, slash, name = path.rpartition("/")
            own = f"{folder}{slash}#{number}/{name}"
        self._paths.add(own)
        return own


def _shown(path: str) -> str:
    """A path that is no text (tar keeps bytes) with escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
