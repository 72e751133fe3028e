"""Reads unquoted YAML scalars if YAML 1.1 and YAML 1.2 agree on them.

PyYAML reads YAML 1.1, in which ``NO`` is false, ``12:30`` is 750 and ``0123`` is 83. In the core
schema of YAML 1.2 they are text, text and 123. Such ambiguous scalars are refused, and so are
numbers with leading zeros, which languages interpret differently.
"""

from __future__ import annotations

import math
import re

import yaml

from multiturn.core.errors import InputError

__all__ = ["MAX_DIGITS", "quoted", "read_plain", "read_plain_1_2"]

_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"
_NULL = "tag:yaml.org,2002:null"
_TEXT = "tag:yaml.org,2002:str"

# https://yaml.org/spec/1.2.2/#103-core-schema
_CORE = (
    (_NULL, re.compile(r"null|Null|NULL|~|")),
    (_BOOL, re.compile(r"true|True|TRUE|false|False|FALSE")),
    (_INT, re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    (_FLOAT, re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")),
    (_FLOAT, re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")),
)

_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_NUMBER_WITH_SEPARATORS = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?")

MAX_DIGITS = 4300
"""The limit of Python's own conversion, which takes quadratic time."""


def read_plain(text: str) -> object:
    """The value of an unquoted scalar.

    Returns:
        Text, or None, a boolean, a whole number or a float.

    Raises:
        InputError: YAML 1.1 and YAML 1.2 disagree on it, or it is an infinite number or one with
            leading zeros or too many digits. The fix is the quoted form, or the intended number.

    Example:
        >>> read_plain("14"), read_plain("Norway"), read_plain("true")
        (14, 'Norway', True)
        >>> read_plain("NO")
        Traceback (most recent call last):
        ...
        multiturn.core.errors.InputError: readers of YAML differ about this unquoted value: got \
'NO'; fix: write "NO" for the text, or false
    """
    old, new = _tag_1_1(text), _tag_1_2(text)
    if old == new and not (new == _INT and _LEADING_ZERO.match(text)):
        value = _value(text, new)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(
                "a number is not finite", got=text, fix=f"write {quoted(text)} for the text"
            )
        return value
    fix = f"write {quoted(text)} for the text"
    meant = _meant(text, old, new)
    raise InputError(
        "readers of YAML differ about this unquoted value",
        got=text,
        fix=fix + (f", or {meant}" if meant else ""),
    )


def read_plain_1_2(text: str) -> object:
    """The value of an unquoted scalar in the core schema of YAML 1.2, for one line of input.

    Raises:
        InputError: a number of too many digits.

    Example:
        >>> read_plain_1_2("1e-3"), read_plain_1_2("NO"), read_plain_1_2("12:30")
        (0.001, 'NO', '12:30')
    """
    return _value(text, _tag_1_2(text))


def quoted(text: str) -> str:
    r"""The text as a quoted YAML scalar on one line.

    Example:
        >>> print(quoted("Print this: the sum"), quoted('say "a"'), quoted("a\nb"))
        "Print this: the sum" 'say "a"' "a\nb"
    """
    printable = text.isprintable()
    if printable and not set(text) & set('"\\'):
        return f'"{text}"'
    if printable:
        return "'" + text.replace("'", "''") + "'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return f'"{escaped}"'


def _tag_1_1(text: str) -> str:
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    # PyYAML indexes its patterns by their possible first characters.
    for tag, pattern in resolvers.get(text[:1], []):
        if pattern.match(text):
            return str(tag)
    return _TEXT


def _tag_1_2(text: str) -> str:
    for tag, pattern in _CORE:
        if pattern.fullmatch(text):
            return tag
    return _TEXT


def _value(text: str, tag: str) -> object:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _FLOAT:
        # YAML writes `.inf` and `.nan`, Python `inf` and `nan`.
        named = text.lower().lstrip("+-") in (".inf", ".nan")
        return float(text.replace(".", "") if named else text)
    if tag == _INT:
        if len(text) > MAX_DIGITS:
            raise InputError(
                "a whole number has too many digits",
                got=text,
                allowed=f"{MAX_DIGITS:,}",
                fix="write it as text, in quotes",
            )
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    return text


def _meant(text: str, old: str, new: str) -> str | None:
    """The other possible meaning, in a form that every reader understands."""
    if old == _BOOL:
        return "true" if text.lower() in ("yes", "on") else "false"
    if _INT not in (old, new) and _FLOAT not in (old, new):
        return None
    if new == _FLOAT:
        # YAML 1.1 reads Python's form of very large and very small numbers as text.
        return (
            None
            if "e" in repr(float(text)) or "inf" in repr(float(text))
            else (f"{float(text)!r} for the number")
        )
    for base in ("0o", "0x", "0b"):
        if base in text.lower():
            sign = -1 if text.startswith("-") else 1
            digits = text.lower().lstrip("+-").replace("_", "")
            try:
                return f"{sign * int(digits, 0)} for the number"
            except ValueError:
                return None
    if _NUMBER_WITH_SEPARATORS.fullmatch(text) and len(text) < MAX_DIGITS:
        bare = text.replace("_", "")
        minus = "-" if bare.startswith("-") else ""
        bare = re.sub(r"^0+(?=[0-9])", "", bare.lstrip("+-"))
        return f"{minus}{bare} for the number"
    return None
