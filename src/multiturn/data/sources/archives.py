"""Archives of source code: tar (plain, gz, bz2, xz, zst) and zip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.data.document import Document
from multiturn.data.ledger import Ledger
from multiturn.data.licences.projects import ProjectLicences, is_licence_evidence
from multiturn.data.source import Part, SourceError
from multiturn.data.sources.archive_streams import (
    ARCHIVE_ENDINGS,
    ArchiveError,
    Member,
    open_members,
)
from multiturn.data.sources.wanted import ALL_FILES, Wanted

__all__ = ["Archives", "documents_of_archive"]

_MOST_NOTICE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Archives:
    """Archives that lie on this machine, each a project of its own.

    Attributes:
        paths: files, or folders whose archives are all taken.
        wanted: which members are read.
        licence: of archives without any notice.
    """

    paths: tuple[Path, ...]
    wanted: Wanted = ALL_FILES
    licence: str = ""
    name: str = "archive"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """One for each archive."""
        del downloads
        found: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                inside = sorted(path.rglob("*"))
                found += [p for p in inside if p.name.lower().endswith(ARCHIVE_ENDINGS)]
            elif path.is_file():
                found.append(path)
            else:
                raise SourceError("no such archive", got=str(path))
        if not found:
            raise SourceError(
                "no archive there",
                got=", ".join(map(str, self.paths)),
                allowed=" ".join(ARCHIVE_ENDINGS),
            )
        return [Part(path.name, {"path": str(path)}) for path in found]

    def read(self, part: Part, ledger: Ledger, downloads: Path) -> Iterator[Document]:
        """The members of one archive."""
        del downloads
        path = Path(str(part.detail["path"]))
        yield from documents_of_archive(
            path,
            source=f"archive:{path.name}",
            revision="",
            wanted=self.wanted,
            ledger=ledger,
            filed_under=self.name,
            licences=ProjectLicences(self.licence),
        )


def documents_of_archive(
    path: Path,
    *,
    source: str,
    revision: str,
    wanted: Wanted,
    ledger: Ledger,
    filed_under: str,
    licences: ProjectLicences | None = None,
) -> Iterator[Document]:
    """The files of an archive, each with the licence of the nearest notice.

    The archive is read twice: notices may come after the files they speak of, and keeping all
    files until then could need any amount of memory. Where it breaks off in the middle, what
    came before is kept and the break is a drop with its reason.

    Args:
        path: the archive.
        source: of the documents.
        revision: of the documents.
        wanted: which members are read.
        ledger: is told what is dropped.
        filed_under: the name that drops are filed under.
        licences: what is known beside the notices in the archive, which are added to it.
    """
    licences = licences or ProjectLicences()
    tops: set[str] = set()
    try:
        with open_members(path) as members:
            for member in members:
                folder, inside, _ = member.path.partition("/")
                tops.add(folder if inside else "")
                if _is_notice(member):
                    licences.add(member.path, member.read())
    except ArchiveError:
        pass  # the second reading meets the same fault, and reports it
    top = tops.pop() if len(tops) == 1 else ""
    try:
        with open_members(path) as members:
            for member in members:
                document = _document(member, source, revision, wanted, ledger, filed_under)
                if document is not None:
                    document.licence = licences.of(member.path, top)
                    yield document
    except ArchiveError as error:
        broken = Document(content=b"", source=source, path=path.name, revision=revision)
        ledger.drop(filed_under, broken, str(error), size=path.stat().st_size)


def _is_notice(member: Member) -> bool:
    return (
        member.fault is None
        and member.size <= _MOST_NOTICE_BYTES
        and is_licence_evidence(member.path)
    )


def _document(
    member: Member,
    source: str,
    revision: str,
    wanted: Wanted,
    ledger: Ledger,
    filed_under: str,
) -> Document | None:
    """The member as a document; None where it was dropped."""
    reason = member.fault or wanted.refuses(member.path, member.size)
    content = b"" if reason else member.read()
    # A path that is no text (tar keeps bytes) is written with escapes.
    shown_path = member.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    document = Document(content=content, source=source, path=shown_path, revision=revision)
    if reason:
        ledger.drop(filed_under, document, reason, size=member.size)
        return None
    return document
