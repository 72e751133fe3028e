"""The licence of each file of a project, from the nearest notice above it."""

from __future__ import annotations

import re
from posixpath import dirname

from multiturn.data.licences.debian import DebianCopyright
from multiturn.data.licences.expressions import joined
from multiturn.data.licences.packages import (
    declared_expression,
    licence_of_npm_package,
    licence_of_python_package,
)
from multiturn.data.licences.texts import licence_of_text

__all__ = ["ProjectLicences", "is_licence_evidence"]

_NOTICE = re.compile(
    r"(^|.*[-_.])(un)?licen[cs]e([-_.].*)?(\.(txt|md|rst))?|copying([-_.].*)?", re.IGNORECASE
)
_CODE = (".py", ".js", ".c", ".h", ".cc", ".cpp", ".go", ".java", ".html", ".ts", ".json", ".pyc")
_PYTHON = ("pkg-info", "metadata")
_NPM = "package.json"


def is_licence_evidence(path: str) -> bool:
    """Whether a file of this path states the licence of the files beside it.

    Example:
        >>> [is_licence_evidence(p) for p in ("a/LICENSE-MIT.txt", "PKG-INFO", "licence.py")]
        [True, True, False]
    """
    name = path.rpartition("/")[2].lower()
    if name in _PYTHON or name == _NPM:
        return True
    return _NOTICE.fullmatch(name) is not None and not name.endswith(_CODE)


class ProjectLicences:
    """Collects the notices of a project, then gives the licence of each file.

    Notices in one folder apply together: with a LICENSE of MIT and one of Apache, a file counts as
    under both. The declaration of a package and the licence texts in its folder apply together as
    well, unless the package declares an SPDX expression (PEP 639), which then decides alone. A
    notice deeper in the tree, as vendored code has, replaces the notices above for its own folder.

    The copyright file of a Debian package comes first: what it states about files by name decides
    alone, and what it states about all other files (``Files: *``) replaces the notices at the top.

    Args:
        default: the licence where there is no notice.
        copyright: of a Debian package.
    """

    def __init__(self, default: str = "", copyright: DebianCopyright | None = None) -> None:
        self._default = default
        self._copyright = copyright
        self._found: dict[str, set[str]] = {}
        self._settled: dict[str, str] = {}

    def add(self, path: str, content: bytes) -> None:
        """Add a file for which `is_licence_evidence` holds."""
        folder, _, name = path.rpartition("/")
        name = name.lower()
        if name in _PYTHON:
            found = licence_of_python_package(content)
        elif name == _NPM:
            found = licence_of_npm_package(content)
        else:
            found = licence_of_text(content)
        # ``x.egg-info/PKG-INFO`` and ``x.dist-info/licenses/LICENSE`` are about the files beside
        # that folder; so is a folder that holds licence texts alone.
        while folder.endswith((".egg-info", ".dist-info", "LICENSES", "licenses", "license_files")):
            folder = dirname(folder)
        if name in _PYTHON and (expression := declared_expression(content)):
            self._settled[folder] = expression
        elif found:
            self._found.setdefault(folder, set()).add(found)

    def of(self, path: str, top: str = "") -> str:
        """The licence of a file; empty where it is unknown.

        Args:
            path: of the file, relative to the same folder as in `add`.
            top: the folder that holds all files of the project, where an archive has one.
        """
        stated = None
        if self._copyright is not None:
            stated = self._copyright.of(path.removeprefix(f"{top}/") if top else path)
        if stated is not None and stated.by_name:
            return stated.licence
        folder = path
        while folder:
            folder = dirname(folder)
            if stated is not None and folder in ("", top):
                return stated.licence
            if folder in self._settled:
                return self._settled[folder]
            if folder in self._found:
                return joined(_without_repeats(self._found[folder]))
        return self._default


def _without_repeats(expressions: set[str]) -> set[str]:
    """Expressions, without those that a more precise one includes.

    "BSD License" in the metadata of a package is a form of the licence text beside it.
    """
    exact = {each for each in expressions if each.startswith("BSD-") and each != "BSD-3-Clause"}
    if exact:
        return expressions - {"BSD-3-Clause"}
    parts = {part for each in expressions if " AND " in each for part in each.split(" AND ")}
    return {each for each in expressions if each not in parts}
