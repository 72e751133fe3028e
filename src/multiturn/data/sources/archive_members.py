"""One entry of an archive, and what can be wrong with it or with the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from multiturn.data.sources.file_filter import unsafe_path

__all__ = ["BROKEN", "ArchiveError", "Member", "MemberError", "clean_path"]

BROKEN = "a broken archive"
"""The reason of drops for an archive that breaks, and for what is lost by that."""


class ArchiveError(Exception):
    """An archive cannot be read on from here: it is broken, or a bomb. Says why.

    Attributes:
        detail: what is particular to this archive.
        trusted: members that end behind this place of its stream may hold anything, though
            they could be read; None where all are right.
        lost: bytes of its stream that belong to no whole member.
    """

    def __init__(
        self, reason: str, detail: str = "", *, trusted: int | None = None, lost: int = 0
    ) -> None:
        super().__init__(reason)
        self.detail, self.trusted, self.lost = detail, trusted, lost


class MemberError(Exception):
    """One member cannot be read; those after it may well be. Says why.

    Attributes:
        detail: what is particular to this member.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive.

    Attributes:
        path: in the archive, with forward slashes, without empty parts and single dots.
        size: in bytes, as the archive claims.
        fault: why it cannot be a document (it leads out of the archive, it is a link, a
            device, lost ...); None for a plain file. Folders are not given at all.
        read: gives at most `size` bytes; must be called before the next member. Raises
            `MemberError`.
        end: where in the stream of the archive its content ends, to be held against
            `ArchiveError.trusted`; 0 where members are checked one by one.
    """

    path: str
    size: int
    fault: str | None
    read: Callable[[], bytes]
    end: int = 0


def clean_path(name: str) -> tuple[str, str | None]:
    r"""A member's name as a path, and what is wrong with it.

    Programs of Windows write backslashes; no program means them as a part of a name.

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
