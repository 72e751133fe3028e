"""The machine-readable ``debian/copyright`` of a source package: a licence for each file.

Format 1.0, https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/.
docs/decisions/0035-debian-copyright.md says why this is own code beside python-debian.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import re2

from multiturn.data.licences.expressions import canonical, joined
from multiturn.data.licences.texts import licence_of_text

__all__ = ["DebianCopyright", "StatedLicence"]

_MAX_BYTES = 4 << 20
_FORMAT = re.compile(r"copyright-format/1\.0|\bdep-?5\b", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_OPERATOR = re.compile(r"\s+(and/or|and|or)\s+", re.IGNORECASE)
_EXCEPTION = re.compile(r"[\s-]with[\s-].*", re.IGNORECASE | re.DOTALL)
_GNU = re.compile(r"([al]?gpl|gfdl)-?v?(\d)(\.\d)?(\+?)", re.IGNORECASE)
_NO_LETTER = re.compile(r"[^A-Za-z0-9.]+")

_NAMES = {
    "expat": "MIT",
    "apache-2": "Apache-2.0",
    "boost-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "freebsd": "BSD-2-Clause",
    "perl": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "psf": "PSF-2.0",
    "psf-2": "PSF-2.0",
    "zpl-2.1": "ZPL-2.1",
}
"""Short names, of the format and in common use, that are not SPDX identifiers."""


class _Pattern(Protocol):
    def fullmatch(self, text: str, /) -> object: ...


@dataclass(frozen=True, slots=True)
class StatedLicence:
    """What a stanza states about a file.

    Attributes:
        licence: an SPDX expression; empty where the stanza names none.
        by_name: whether the stanza names the file or a part of the tree, and not only `*`.
    """

    licence: str
    by_name: bool


@dataclass(frozen=True, slots=True)
class _Stanza:
    pattern: _Pattern
    stated: StatedLicence


@dataclass(frozen=True, slots=True)
class DebianCopyright:
    """The stanzas of one ``debian/copyright``.

    Attributes:
        stanzas: the stanzas about files, in order.
        folder: of the source tree that the paths given to `of` are in; empty for its top.
    """

    stanzas: tuple[_Stanza, ...]
    folder: str = ""

    @classmethod
    def parse(cls, content: bytes) -> Self | None:
        """Read the file; None where it is not machine-readable or has no stanza about files."""
        text = content[:_MAX_BYTES].decode("utf-8", errors="replace").replace("\r\n", "\n")
        head, *others = _paragraphs(text)
        if not _FORMAT.search(head.get("format", "")):
            return None
        texts = {
            name.lower(): body
            for fields in others
            if "files" not in fields
            for name, body in (_name_and_text(fields.get("license", "")),)
        }
        stanzas = []
        for fields in (head, *others):
            if not (globs := fields.get("files", "").split()):
                continue
            name, body = _name_and_text(fields.get("license", ""))
            licence = _spdx(name, {**texts, name.lower(): body} if body else texts)
            try:
                pattern = re2.compile("(?s)" + "|".join(map(_as_expression, globs)), _quiet())
            except re2.error:
                return None  # a hundred thousand globs in one stanza exceed the memory of re2
            stanzas.append(_Stanza(pattern, StatedLicence(licence, "*" not in globs)))
        return cls(tuple(stanzas)) if stanzas else None

    def of(self, path: str) -> StatedLicence | None:
        """What the last stanza that matches states about a file; None where no stanza matches."""
        # Bytes that are not text are escaped, as in the path of a document: re2 needs text.
        shown = path.encode("utf-8", "backslashreplace").decode("utf-8")
        in_tree = f"{self.folder}/{shown}" if self.folder else shown
        for stanza in reversed(self.stanzas):
            if stanza.pattern.fullmatch(in_tree):
                return stanza.stated
        return None


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The fields of each paragraph, names in lower case, the lines of a value stripped."""
    for paragraph in _BLANK_LINES.split(text.lstrip("\ufeff \t\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += f"\n{line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        yield fields


def _name_and_text(field: str) -> tuple[str, str]:
    """A `License` field: its first line names the licence, the others are its text."""
    name, _, text = field.partition("\n")
    return name.strip(), text


def _as_expression(glob: str) -> str:
    r"""A glob as a regular expression: `*` and `?` match slashes too, `\` quotes.

    Example:
        >>> _as_expression(r"src/*.c"), _as_expression(r"a\*b?")
        ('src/.*\\.c', 'a\\*b.')
    """
    signs = iter(glob)
    parts = []
    for sign in signs:
        if sign == "\\":
            parts.append(re.escape(next(signs, "\\")))
        else:
            parts.append({"*": ".*", "?": "."}.get(sign) or re.escape(sign))
    return "".join(parts)


def _spdx(name: str, texts: Mapping[str, str]) -> str:
    """The expression for a `License` line. A comma binds less than `or`, `or` less than `and`.

    Example:
        >>> _spdx("GPL-2+ or Artistic-2.0, and BSD-3-clause", {})
        '(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause'
        >>> _spdx("Expat and Zlib", {}), _spdx("as-you-like", {})
        ('MIT AND Zlib', 'LicenseRef-as-you-like')
    """
    if not name:
        return ""
    joint = ""
    for clause in name.split(","):
        operator, names = "AND", clause.strip()
        if found := re.match(r"(and/or|and|or)\s+", names, re.IGNORECASE):
            operator = "OR" if found[1].lower() == "or" else "AND"
            names = names[found.end() :]
        expression = _clause(names, texts)
        joint = f"{_grouped(joint)} {operator} {_grouped(expression)}" if joint else expression
    simple = " OR " not in joint
    return joined(re.sub(r"[()]", "", joint).split(" AND ")) if simple else canonical(joint)


def _clause(names: str, texts: Mapping[str, str]) -> str:
    """Names between commas; the operators of SPDX bind as those of the format do."""
    first, *rest = _OPERATOR.split(names)
    expression = _one(first, texts)
    for operator, name in zip(rest[::2], rest[1::2], strict=True):
        # "and/or" does not say whether there is a choice, so the stricter reading holds.
        expression += f" {'OR' if operator.lower() == 'or' else 'AND'} {_one(name, texts)}"
    return expression


def _one(name: str, texts: Mapping[str, str]) -> str:
    """One licence, by its name, else by its text. An exception only allows more and is ignored."""
    bare = _EXCEPTION.sub("", name.strip())
    if gnu := _GNU.fullmatch(bare):
        family, major, minor, later = gnu.groups()
        named = f"{family.upper()}-{major}{minor or '.0'}-{'or-later' if later else 'only'}"
    else:
        named = _NAMES.get(bare.lower(), bare)
    text = texts.get(name.strip().lower(), "")
    found = canonical(named) or licence_of_text(text.encode())
    if not found:
        return f"LicenseRef-{_NO_LETTER.sub('-', bare).strip('-') or 'Unnamed'}"
    return _grouped(found)


def _grouped(expression: str) -> str:
    return f"({expression})" if " " in expression else expression
