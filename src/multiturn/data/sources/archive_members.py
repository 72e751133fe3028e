"""A member of an archive, and the faults of members and archives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from multiturn.data.sources.file_filter import unsafe_path

__all__ = ["BROKEN", "ArchiveError", "Member", "MemberError", "clean_path"]

BROKEN = "a broken archive"
"""The reason of drops for a broken archive and its lost members."""


class ArchiveError(Exception):
    """An archive cannot be read further: it is broken, or a bomb. Says why.

    Attributes:
        detail: what is particular to this archive.
        trusted: members that end after this position of the stream may be wrong, though they could
            be read; None where all are right.
        lost: bytes of the stream that belong to no complete member.
    """

    def __init__(
        self, reason: str, detail: str = "", *, trusted: int | None = None, lost: int = 0
    ) -> None:
        super().__init__(reason)
        self.detail, self.trusted, self.lost = detail, trusted, lost


class MemberError(Exception):
    """A member cannot be read, but the members after it may be. Says why.

    Attributes:
        detail: what is particular to this member.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Attributes:
        path: in the archive, with forward slashes, without empty parts and single dots.
        size: in bytes, as the archive claims.
        fault: why it cannot be a document (its path leads out of the archive, it is a link, a
            device, lost ...); None for a plain file. Folders are no members.
        read: returns at most `size` bytes; call it before the next member. Raises `MemberError`.
        end: the position in the stream where its content ends, for `ArchiveError.trusted`; 0 where
            each member has its own checksum.
    """

    path: str
    size: int
    fault: str | None
    read: Callable[[], bytes]
    end: int = 0


def clean_path(name: str) -> tuple[str, str | None]:
    r"""A member's name as a path, and what is wrong with it.

    Windows programs write backslashes; no program uses them as a part of a name.

    Example:
        >>> clean_path("a\\b.py"), clean_path("./a//b.py"), clean_path("..\\b")[1]
        (('a/b.py', None), ('a/b.py', None), 'a path that leads out of the archive')
    """
    path = name.replace("\\", "/")
    fault = "a path that leads out of the archive" if unsafe_path(path) else None
    if fault is None:
        path = "/".join(part for part in path.split("/") if part not in ("", "."))
        fault = None if path else "a member without a name"
    return path, fault
