"""SPDX licence expressions: normalization, combination, and the check against an allow-list."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

__all__ = ["PERMISSIVE", "canonical", "joined", "permits"]

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BlueOak-1.0.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "curl",
        "HPND",
        "ICU",
        "ISC",
        "libpng-2.0",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "NCSA",
        "PostgreSQL",
        "PSF-2.0",
        "Python-2.0",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "Unlicense",
        "X11",
        "Zlib",
        "ZPL-2.1",
    }
)
"""Licences that require no more than a notice. Set your own list in `filters.licence`."""

_TOKEN = re.compile(r"\(|\)|[^\s()]+")


def canonical(expression: str) -> str:
    """The expression as SPDX writes it; empty for other text.

    Example:
        >>> canonical("apache-2.0 or mit"), canonical("as you like")
        ('Apache-2.0 OR MIT', '')
    """
    try:
        return str(canonicalize_license_expression(expression.replace("/", " OR ")))
    except (InvalidLicenseExpression, ValueError, RecursionError, MemoryError):
        return ""


def joined(expressions: Iterable[str]) -> str:
    """The expression for several licences that apply together.

    Example:
        >>> joined(["MIT", "Apache-2.0 OR BSD-2-Clause", "MIT", ""])
        '(Apache-2.0 OR BSD-2-Clause) AND MIT'
        >>> joined(["MIT AND Zlib", "ISC AND MIT"])
        'ISC AND MIT AND Zlib'
    """
    parts: set[str] = set()
    for expression in expressions:
        if expression:
            plain = "(" not in expression and " OR " not in expression
            parts.update(expression.split(" AND ") if plain else [expression])
    different = sorted(parts)
    if len(different) < 2:
        return "".join(different)
    return " AND ".join(f"({each})" if " " in each else each for each in different)


def permits(expression: str, allowed: frozenset[str]) -> bool:
    """Whether the licences of `allowed` satisfy the expression.

    All sides of AND must be allowed; one side of OR is enough. An exception (WITH) only allows
    more, so the licence before it decides.

    Args:
        expression: a canonical expression; the empty one, an unknown licence, is not permitted.
        allowed: identifiers, without versions "or later": ``Apache-2.0+`` is `Apache-2.0`.

    Example:
        >>> permits("(MIT OR GPL-2.0-only) AND ISC", PERMISSIVE), permits("", PERMISSIVE)
        (True, False)
    """
    tokens = _TOKEN.findall(expression)
    place = 0

    def either() -> bool:
        nonlocal place
        value = both()
        while place < len(tokens) and tokens[place] == "OR":
            place += 1
            value = both() or value
        return value

    def both() -> bool:
        nonlocal place
        value = one()
        while place < len(tokens) and tokens[place] == "AND":
            place += 1
            value = one() and value
        return value

    def one() -> bool:
        nonlocal place
        if place >= len(tokens):
            return False
        token = tokens[place]
        place += 1
        if token == "(":
            value = either()
            place += 1
        else:
            value = token.removesuffix("+") in allowed
        if place + 1 < len(tokens) and tokens[place] == "WITH":
            place += 2
        return value

    value = either()
    return value and place == len(tokens)
