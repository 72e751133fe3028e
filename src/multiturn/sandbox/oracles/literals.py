"""Parses printed text as a value: what Python, JSON and numpy print, and nothing else.

The text comes from an untrusted program, and is parsed outside its sandbox. So nothing in it is
evaluated or compiled, parsing takes one pass, and depth is limited. Mappings and sets become
`Pairs` and `Members`, since keys whose hashes collide make building a dict take quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["MAX_DEPTH", "Members", "Pairs", "plain", "parse_literal"]

MAX_DEPTH = 100
MAX_DIGITS = 4300
"""The longest integer that is parsed, as in Python itself."""

_BLANK = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(?:(?:0+|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FRACTION = re.compile(r"([+-]?[0-9]{1,300})/([0-9]{1,300})")
_TEXT = re.compile(r"'[^'\\\n]*(?:\\.[^'\\\n]*)*'|\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"", re.DOTALL)
_NAME = re.compile(r"[+-]?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_KEYWORD = re.compile(r"\s*([a-z]+)\s*=\s*")
_FACTORY = re.compile(r"\s*(?:None|<[^\n,]*>)\s*,")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))", re.DOTALL
)
_SINGLE = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "/": "/", "\n": "",
}  # fmt: skip
_FOLLOWS = frozenset(",:)]}")

_CONSTANTS: dict[str, Any] = {
    "None": None, "null": None, "True": True, "true": True, "False": False, "false": False,
    "nan": float("nan"), "NaN": float("nan"),
    "inf": float("inf"), "Infinity": float("inf"), "-inf": float("-inf"),
    "-Infinity": float("-inf"), "+inf": float("inf"), "+Infinity": float("inf"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pairs:
    """A parsed mapping: its items in their order."""

    items: list[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Members:
    """A parsed set."""

    items: list[Any]


def plain(value: Any) -> Any:
    """A parsed value with Python's own mappings and sets, for messages.

    Only for texts of some thousand characters, as hashes may collide.
    """
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    try:
        if isinstance(value, Pairs):
            return {plain(key): plain(item) for key, item in value.items}
        if isinstance(value, Members):
            return {plain(item) for item in value.items}
    except TypeError:  # a key that is not hashable
        return str(value)
    return value


class _NoValueError(Exception):
    """The text is not a value."""


def parse_literal(text: str, *, joined: bool = True) -> tuple[bool, Any]:
    r"""Parse a text as one value.

    The text may have numbers in decimal notation, quoted text, ``True``, ``true``, ``None``,
    ``null`` and the like; lists, tuples, mappings and sets of them; arrays as numpy prints them
    (items separated by blanks); and what the standard library and numpy put around values:
    ``Decimal('1.5')``, ``OrderedDict({...})``, ``dict_keys([...])``, ``np.int64(2)``.

    Args:
        text: what was printed.
        joined: whether adjacent quoted texts are one text, as `pprint` splits a long one, or
            items of an array.

    Returns:
        Whether it is a value, and the value: plain data, `Pairs` and `Members`.

    Example:
        >>> parse_literal("[1, 'a', None]"), parse_literal("[[1 2]\n [3 4]]")
        ((True, [1, 'a', None]), (True, [[1, 2], [3, 4]]))
        >>> parse_literal("total 3"), parse_literal("0x2a"), parse_literal("1/2")
        ((False, None), (False, None), (True, 0.5))
    """
    fraction = _FRACTION.fullmatch(text.strip())
    if fraction is not None:
        return _fraction(*fraction.groups())
    parser = _Parser(text, joined)
    try:
        value = parser.value(0)
        parser.skip()
    except _NoValueError:
        return False, None
    return (True, value) if parser.at == len(text) else (False, None)


class _Parser:
    """Parses values from a position in the text onwards."""

    def __init__(self, text: str, joined: bool) -> None:
        self.text = text
        self.joined = joined
        self.at = 0
        self.commas = self.comma_last = False
        """Of the last brackets: whether commas separated the items, and one ended them."""

    def skip(self) -> str:
        """Skip white space; returns the next character, or "" at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Skip what the pattern matches here, if it matches."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def expect(self, character: str) -> None:
        if self.skip() != character:
            raise _NoValueError
        self.at += 1

    def value(self, depth: int) -> Any:
        """Parse the value that begins here."""
        if depth > MAX_DEPTH:
            raise _NoValueError
        begins = self.skip()
        if begins == "[":
            return self.items("]", depth)
        if begins == "(":
            return self.parenthesis(depth)
        if begins == "{":
            return self.braces(depth)
        if begins in ("'", '"'):
            return self.quoted()
        name = self.take(_NAME)
        if name is not None:
            return self.named(name.group(), depth)
        number = self.take(_NUMBER)
        if number is None:
            raise _NoValueError
        return _number(number.group())

    def items(self, closing: str, depth: int) -> list[Any]:
        """The items between brackets, separated by commas or by blanks, but not by both."""
        self.at += 1
        found: list[Any] = []
        commas = False
        while self.skip() != closing:
            if found:
                before = self.at
                comma = self.text[before : before + 1] == ","
                # numpy separates items by blanks; [1][2] and 42x are not values.
                if len(found) > 1 and comma is not commas:
                    raise _NoValueError
                if not comma and not self.text[before - 1].isspace():
                    raise _NoValueError
                self.at += comma
                commas = comma
                if self.skip() == closing:
                    self.at += 1
                    self.comma_last = self.commas = True
                    return found
            found.append(self.value(depth + 1))
        self.at += 1
        self.comma_last, self.commas = False, commas
        return found

    def parenthesis(self, depth: int) -> Any:
        """A tuple, or one value in parentheses, as `pprint` prints a long text."""
        found = self.items(")", depth)
        if len(found) == 1 and not self.comma_last:
            if not isinstance(found[0], str):
                raise _NoValueError
            return found[0]
        if len(found) > 1 and not self.commas:
            raise _NoValueError
        return tuple(found)

    def braces(self, depth: int) -> Pairs | Members:
        self.at += 1
        if self.skip() == "}":
            self.at += 1
            return Pairs([])
        first = self.value(depth + 1)
        if self.skip() != ":":
            members = [first]
            while self.skip() == ",":
                self.at += 1
                if self.skip() == "}":
                    break
                members.append(self.value(depth + 1))
            self.expect("}")
            return Members(members)
        self.at += 1
        pairs = [(first, self.value(depth + 1))]
        while self.skip() == ",":
            self.at += 1
            if self.skip() == "}":
                break
            key = self.value(depth + 1)
            self.expect(":")
            pairs.append((key, self.value(depth + 1)))
        self.expect("}")
        return Pairs(pairs)

    def quoted(self) -> str:
        parts = []
        while self.text[self.at : self.at + 1] in ("'", '"'):
            found = self.take(_TEXT)
            if found is None:
                raise _NoValueError
            parts.append(_unescaped(found.group()[1:-1]))
            if not self.joined:
                break
            end = self.at
            if self.skip() in _FOLLOWS:
                self.at = end
                break
        return "".join(parts)

    def named(self, name: str, depth: int) -> Any:
        """A constant, or a value inside the name of its class."""
        *_, last = name.split(".")
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in ("np.True_", "np.False_", "numpy.True_", "numpy.False_"):
            return last == "True_"
        if name in ("np.nan", "np.inf", "numpy.nan", "numpy.inf"):
            return _CONSTANTS[last]
        wrapped = _WRAPPERS.get(last)
        if wrapped is None or self.skip() != "(":
            raise _NoValueError
        self.at += 1
        if last == "defaultdict" and self.take(_FACTORY) is None:
            raise _NoValueError
        arguments: list[Any] = []
        while self.skip() != ")":
            if arguments:
                self.expect(",")
                self.skip()
            if self.take(_KEYWORD) is not None:
                self.keyword_value()
                continue
            arguments.append(self.value(depth + 1))
        self.at += 1
        return wrapped(arguments)

    def keyword_value(self) -> None:
        """Skip ``dtype=int64`` or ``maxlen=3``, which do not change the value."""
        if self.take(_TEXT) is None and self.take(_NAME) is None and self.take(_INTEGER) is None:
            raise _NoValueError
        if self.skip() == ",":
            self.at += 1


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    found = _ESCAPE.sub(_character, text)
    if any("\ud800" <= letter <= "\udfff" for letter in found):
        # JSON writes a character beyond the first plane as a pair of surrogates.
        pairs = found.encode("utf-16", "surrogatepass")
        found = pairs.decode("utf-16", "surrogatepass")
    return found


def _character(found: re.Match[str]) -> str:
    *codes, octal, single = found.groups()
    for code in codes:
        if code is not None:
            return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else found.group()
    if octal is not None:
        return chr(int(octal, 8))
    return _SINGLE.get(single, found.group())


def _number(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise _NoValueError
        return int(text)
    return float(text)


def _fraction(above: str, below: str) -> tuple[bool, Any]:
    if not int(below):
        return False, None
    try:
        return True, float(Fraction(int(above), int(below)))
    except OverflowError:
        return False, None


def _one(arguments: list[Any]) -> Any:
    if len(arguments) != 1:
        raise _NoValueError
    return arguments[0]


def _sequence(arguments: list[Any]) -> list[Any]:
    if not arguments:
        return []
    if not isinstance(arguments[-1], list | tuple):
        raise _NoValueError
    return list(arguments[-1])


def _set(arguments: list[Any]) -> Members:
    if not arguments:
        return Members([])
    found = _one(arguments)
    if isinstance(found, Members):
        return found
    return Members(_sequence(arguments))


def _mapping(arguments: list[Any]) -> Pairs:
    if not arguments:
        return Pairs([])
    found = _one(arguments)
    if isinstance(found, Pairs):
        return found
    if isinstance(found, list) and all(
        isinstance(each, tuple) and len(each) == 2 for each in found
    ):
        return Pairs([(key, value) for key, value in found])
    raise _NoValueError


def _scalar(arguments: list[Any]) -> Any:
    found = _one(arguments)
    if isinstance(found, Pairs | Members | list | tuple):
        raise _NoValueError
    return found


def _decimal(arguments: list[Any]) -> Any:
    found, number = parse_literal(str(_one(arguments)))
    if not found or isinstance(number, bool) or not isinstance(number, int | float):
        raise _NoValueError
    return number


def _ratio(arguments: list[Any]) -> Any:
    if len(arguments) != 2 or not all(type(each) is int for each in arguments):
        raise _NoValueError
    found, value = _fraction(str(arguments[0]), str(arguments[1]))
    if not found:
        raise _NoValueError
    return value


_WRAPPERS: dict[str, Callable[[list[Any]], Any]] = {
    **dict.fromkeys(("OrderedDict", "Counter", "defaultdict", "mappingproxy"), _mapping),
    **dict.fromkeys(("set", "frozenset"), _set),
    **dict.fromkeys(("dict_keys", "dict_values", "dict_items", "odict_keys"), _sequence),
    **dict.fromkeys(("odict_values", "odict_items", "deque", "list", "tuple"), _sequence),
    **dict.fromkeys(("matrix", "Index"), _sequence),
    "array": _sequence,
    "Decimal": _decimal,
    "Fraction": _ratio,
    **dict.fromkeys(("str_", "bool_", "longdouble", "uint8", "uint16", "uint32"), _scalar),
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint64", "float16"), _scalar),
    **dict.fromkeys(("float32", "float64"), _scalar),
}
