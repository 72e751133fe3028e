"""The choice of files of a source by their names and sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from multiturn.data.build.fingerprint import formerly

__all__ = ["ALL_FILES", "CODE_ENDINGS", "PYTHON_FILES", "FileFilter", "unsafe_path"]

CODE_ENDINGS = (
    ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx",
    ".go", ".java", ".js", ".mjs", ".cjs", ".jsx", ".py",
)  # fmt: skip
"""File endings of the six languages of the paper."""

_DRIVE = re.compile(r"[A-Za-z]:")


@formerly(max_bytes="most_bytes")
@dataclass(frozen=True, slots=True, kw_only=True)
class FileFilter:
    """The files of a source that are read. Other files are dropped unread, with the reason.

    Attributes:
        endings: of file names, in lower case, each with its dot; empty for all.
        max_bytes: a larger file is dropped.
        not_under: names of folders, at any depth, whose files are dropped.
    """

    endings: tuple[str, ...] = ()
    max_bytes: int = 2 << 20
    not_under: tuple[str, ...] = (".git", "__pycache__", "node_modules")

    def refuses(self, path: str, size: int) -> str | None:
        """The reason not to read a file of this path and size; None to read it."""
        if self.endings and not path.lower().endswith(self.endings):
            return "another file ending"
        if size > self.max_bytes:
            return "a file too large"
        if self.not_under and not {*path.split("/")[:-1]}.isdisjoint(self.not_under):
            return "an unwanted folder"
        return None


ALL_FILES = FileFilter()
PYTHON_FILES = FileFilter(endings=(".py",))


def unsafe_path(path: str) -> bool:
    r"""Whether a path of an archive or listing would lead out of its collection.

    Example:
        >>> [unsafe_path(p) for p in ("a/b", "../a", "/a", "a\\..\\b", "C:/a", "a/./b", "a\0")]
        [False, True, True, True, True, False, True]
    """
    return (
        not path
        or path.startswith("/")
        or "\\" in path
        or "\0" in path
        or _DRIVE.match(path) is not None
        or ".." in path.split("/")
    )
