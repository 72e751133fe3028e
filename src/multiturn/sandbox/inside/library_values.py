"""Values of the standard library as plain data, and back: a `Decimal`, a range, an iterator.

A function may return such a value, and its tests compare it as the library does. It crosses as a
name in the table below and plain data. The data may come from a hostile program, so only functions
of this table build values, and they refuse what takes more than its size to build or compare.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from types import GeneratorType, MappingProxyType
from typing import Any

__all__ = ["construct", "deconstruct"]

_first = itertools.islice
"""Saved here, as a program can change the module in its own process."""

MAX_ITEMS = 100_000
"""How many items an iterator or a range may have."""

_MAX_EXPONENT = 100_000
"""The exponent of a `Decimal`, which has as many digits as an integer."""


def deconstruct(value: Any, *, iterators: bool) -> tuple[str, tuple[Any, ...]] | None:
    """A value's name in the table and its content; None for a value that is not in the table.

    Args:
        value: any.
        iterators: include iterators, which consumes them.
    """
    kind = type(value)
    if iterators and kind in _ITERATORS:
        items = list(_first(value, MAX_ITEMS + 1))
        return ("iterator", (items,)) if len(items) <= MAX_ITEMS else None
    name = _BUILT_IN.get(kind)
    if name is None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        module = sys.modules.get(kind.__module__)
        if name not in _TABLE or getattr(module, kind.__name__, None) is not kind:
            return None
    return name, _TABLE[name][0](value)


def construct(name: str, content: tuple[Any, ...]) -> Any:
    """The value with this name and content.

    Raises:
        Exception: of any kind, if the content does not fit.
    """
    return _TABLE[name][1](*content)


_SOME: tuple[Any, ...] = (
    iter([]), iter(()), iter(""), iter("é"), iter(b""), iter({}), iter({}.values()),
    iter({}.items()), iter(set()), iter(range(0)), iter(range(1 << 70)), iter(int, 0),
    reversed([]), reversed({}), reversed({}.values()), reversed({}.items()),
)  # fmt: skip
_ITERATORS: frozenset[type] = frozenset(
    [GeneratorType, map, filter, zip, enumerate, reversed, *map(type, _SOME)]
    + [kind for kind in vars(itertools).values() if isinstance(kind, type)]
)
"""The iterators that can cross: those of Python itself."""

_BUILT_IN: dict[type, str] = {
    range: "range",
    bytearray: "bytearray",
    type({}.keys()): "keys",
    type({}.items()): "items",
    type({}.values()): "values",
    MappingProxyType: "proxy",
}


def _listed(value: Iterable[Any]) -> tuple[Any, ...]:
    return (list(value),)


def _range(start: int, stop: int, step: int) -> range:
    value = range(start, stop, step)
    if value[MAX_ITEMS:]:
        raise ValueError("a range that is too long")
    return value


def _decimal(text: str) -> Any:
    from decimal import Decimal

    value = Decimal(text)
    if value and value.is_finite() and abs(value.adjusted()) > _MAX_EXPONENT:
        raise ValueError("an exponent that is too large")
    return value


def _fraction(numerator: int, denominator: int) -> Any:
    from fractions import Fraction

    if type(numerator) is not int or type(denominator) is not int:
        raise TypeError("a fraction needs two integers")
    return Fraction(numerator, denominator)


def _deque(items: list[Any], length: int | None) -> Any:
    from collections import deque

    return deque(items, length)


def _user_list(items: list[Any]) -> Any:
    from collections import UserList

    return UserList(items)


def _user_dict(pairs: dict[Any, Any]) -> Any:
    from collections import UserDict

    return UserDict(pairs)


def _user_string(text: str) -> Any:
    from collections import UserString

    return UserString(str(text))


_Take = Callable[[Any], tuple[Any, ...]]
_Make = Callable[..., Any]

_TABLE: dict[str, tuple[_Take, _Make]] = {
    "iterator": (_listed, lambda items: iter(list(items))),
    "range": (lambda value: (value.start, value.stop, value.step), _range),
    "bytearray": (lambda value: (bytes(value),), lambda data: bytearray(memoryview(data))),
    "keys": (_listed, lambda keys: dict.fromkeys(keys).keys()),
    "items": (lambda value: (dict(value),), lambda pairs: dict(pairs).items()),
    "values": (_listed, lambda values: dict(enumerate(values)).values()),
    "proxy": (lambda value: (dict(value),), lambda pairs: MappingProxyType(dict(pairs))),
    "decimal.Decimal": (lambda value: (str(value),), _decimal),
    "fractions.Fraction": (lambda value: (value.numerator, value.denominator), _fraction),
    "collections.deque": (lambda value: (list(value), value.maxlen), _deque),
    "collections.UserList": (lambda value: (list(value.data),), _user_list),
    "collections.UserDict": (lambda value: (dict(value.data),), _user_dict),
    "collections.UserString": (lambda value: (str(value.data),), _user_string),
}
