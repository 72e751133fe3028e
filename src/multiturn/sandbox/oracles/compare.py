"""Compares plain data with expected values, and describes a difference in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass

from multiturn.sandbox.encoding import ArrayData, ScalarData, SeriesData
from multiturn.sandbox.oracles.literals import Members, Pairs

__all__ = [
    "TOLERANCE",
    "Compare",
    "content",
    "difference",
    "exactly",
    "same_text",
    "text_lines",
    "values_equal",
]

Compare = Callable[[object, object], bool]
"""Takes the value that a program gave, and the expected one."""

TOLERANCE = 1e-6
"""How far floats may differ: absolutely, as published, or relative to the larger one."""

_SHOWN = 120
"""How many characters of a value a message shows."""


def exactly(got: object, expected: object) -> bool:
    """Equal in value and type: ``1``, ``1.0`` and ``True`` differ, as do list and tuple.

    NaN equals itself, and the sign of zero does not count.

    Example:
        >>> exactly([1, 2], [1, 2]), exactly([1, 2], (1, 2)), exactly(1, True)
        (True, False, False)
    """
    if type(got) is not type(expected):
        return False
    if isinstance(got, float) and isinstance(expected, float):
        return got == expected or (math.isnan(got) and math.isnan(expected))
    if isinstance(got, list | tuple) and isinstance(expected, list | tuple):
        return len(got) == len(expected) and all(map(exactly, got, expected))
    if isinstance(got, dict) and isinstance(expected, dict):
        # 1, 1.0 and True are the same key of a dict, so the keys are compared too.
        keys = {key: key for key in got}
        return got.keys() == expected.keys() and all(
            exactly(keys[key], key) and exactly(got[key], expected[key]) for key in expected
        )
    if isinstance(got, set | frozenset) and isinstance(expected, set | frozenset):
        members = {member: member for member in got}
        return got == expected and all(exactly(members[member], member) for member in expected)
    if is_dataclass(got) and is_dataclass(expected):
        return all(
            exactly(getattr(got, field.name), getattr(expected, field.name))
            for field in fields(got)
        )
    return bool(got == expected)


def values_equal(got: object, gold: object) -> bool:
    """Whether a value is the expected one, as far as JSON and YAML tell values apart.

    `gold` comes from JSON or YAML, which have only lists, and mostly text as keys. So tuples,
    arrays and series count as lists, numpy's scalars as numbers, and a key that is text also
    stands for one that prints the same. A set equals a list of its members in any order. Integers
    are equal exactly, and to floats within the tolerance. Booleans are not numbers, and text
    equals only text.

    Args:
        got: plain data of any origin, or what `literals.parse_literal` returns.
        gold: the expected value.

    Example:
        >>> values_equal((1, 0.30000000004), [1.0, 0.3]), values_equal({1: None}, {"1": None})
        (True, True)
        >>> values_equal(2.99, 2), values_equal("255", 255), values_equal("ab", ["a", "b"])
        (False, False, False)
    """
    got, gold = _plain(got), _plain(gold)
    if isinstance(got, bool) or isinstance(gold, bool):
        return got is gold
    if isinstance(got, int | float) and isinstance(gold, int | float):
        return _numbers_equal(got, gold)
    if isinstance(got, Members):
        return isinstance(gold, list | Members) and _members_equal(got.items, _items(gold))
    if isinstance(got, list) and isinstance(gold, list):
        return len(got) == len(gold) and all(map(values_equal, got, gold))
    if isinstance(got, Pairs) and isinstance(gold, Pairs):
        return _mappings_equal(got.items, gold.items)
    return type(got) is type(gold) and bool(got == gold)


def same_text(got: object, expected: object) -> bool:
    r"""Equal text, except for white space at the ends of lines and empty lines at the end.

    Example:
        >>> same_text("a \nb\n\n", "a\nb"), same_text("a b", "a  b")
        (True, False)
    """
    return text_lines(str(got)) == text_lines(str(expected))


def difference(got: object, expected: object) -> str:
    """One short line with the value, the expected value, and where they differ.

    Example:
        >>> difference([1, 2, 3], [1, 5, 3])
        'got [1, 2, 3], expected [1, 5, 3]; they part at [1]: 2 is not 5'
    """
    line = f"got {_show(got)}, expected {_show(expected)}"
    if isinstance(got, str) and isinstance(expected, str):
        return line + _text_difference(text_lines(got), text_lines(expected))
    path, got, expected = _first_difference("", got, expected, 0)
    return f"{line}; they part at {path}: {_show(got)} is not {_show(expected)}" if path else line


def text_lines(text: str) -> list[str]:
    """Lines without white space at their ends, and without empty ones at the end."""
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def content(value: object) -> object:
    """A value without its type: scalars as numbers; arrays, series and tuples as lists."""
    if isinstance(value, ScalarData):
        return value.value
    if isinstance(value, ArrayData):
        return value.tolist()
    if isinstance(value, SeriesData):
        return list(value.items)
    if isinstance(value, tuple):
        return list(value)
    return value


def _plain(value: object) -> object:
    value = content(value)
    if isinstance(value, set | frozenset):
        return Members(list(value))
    return Pairs(list(value.items())) if isinstance(value, Mapping) else value


def _items(value: list[object] | Members) -> list[object]:
    return value.items if isinstance(value, Members) else value


def _numbers_equal(got: float, gold: float) -> bool:
    if isinstance(got, int) and isinstance(gold, int):
        return got == gold
    try:
        if math.isnan(got) or math.isnan(gold):
            return math.isnan(got) and math.isnan(gold)
        return math.isclose(got, gold, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except OverflowError:  # an integer beyond every float
        return False


def _members_equal(got: Sequence[object], gold: Sequence[object]) -> bool:
    """Whether the members can be paired so that each pair is equal."""
    if len(got) != len(gold):
        return False
    left = list(got)
    for wanted in gold:
        # An identical member first, so that near ones stay free for others.
        near = [at for at, member in enumerate(left) if values_equal(member, wanted)]
        if not near:
            return False
        left.pop(next((at for at in near if left[at] == wanted), near[0]))
    return True


def _mappings_equal(got: list[tuple[object, object]], gold: list[tuple[object, object]]) -> bool:
    """Whether the keys are the same, as text, and each has an equal value.

    Printed JSON may have a key twice; that equals no mapping.
    """
    if len(got) != len(gold):
        return False
    for name in (_key, _json_key):
        by_text = {name(key): value for key, value in got}
        if len(by_text) == len(got) and all(
            _key(key) in by_text and values_equal(by_text[_key(key)], value) for key, value in gold
        ):
            return True
    return False


def _key(key: object) -> str:
    """A key as Python writes it; one that is too large for text never equals a key of JSON."""
    key = _plain(key)
    try:
        return str(tuple(key) if isinstance(key, list) else key)
    except (ValueError, RecursionError):
        return f"<{type(key).__name__}>"


def _json_key(key: object) -> str:
    """A key as `json.dumps` writes it: ``True`` is ``true`` there, and ``None`` is ``null``."""
    key = _plain(key)
    return json.dumps(key) if key is None or isinstance(key, bool) else _key(key)


def _first_difference(
    path: str, got: object, expected: object, depth: int
) -> tuple[str, object, object]:
    """Descends to the first part that differs, and returns its path."""
    if depth < 16 and type(got) is type(expected):
        if isinstance(got, Sequence) and isinstance(expected, Sequence) and not _is_text(got):
            if len(got) == len(expected):
                for index, (one, other) in enumerate(zip(got, expected, strict=True)):
                    if not exactly(one, other):
                        return _first_difference(f"{path}[{index}]", one, other, depth + 1)
        elif isinstance(got, dict) and isinstance(expected, dict):
            for key in expected:
                if key in got and not exactly(got[key], expected[key]):
                    step = f"{path}[{_show(key)}]"
                    return _first_difference(step, got[key], expected[key], depth + 1)
    return path, got, expected


def _is_text(value: object) -> bool:
    return isinstance(value, str | bytes)


def _text_difference(got: list[str], expected: list[str]) -> str:
    for number, (one, other) in enumerate(zip(got, expected, strict=False), 1):
        if one != other:
            return f"; they part at line {number}: {_show(one)} is not {_show(other)}"
    if len(got) != len(expected):
        return f"; {len(got)} lines, expected {len(expected)}"
    return ""


def _show(value: object) -> str:
    """A value in one line, cut; a number of a million digits is not converted to text."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4000:
        return f"<a whole number of {value.bit_length()} bits>"
    try:
        text = ascii(value) if isinstance(value, bytes) else repr(value)
        if isinstance(value, set | frozenset) and value:
            # The order of a set of text differs between processes; that of a verdict must not.
            text = "{" + ", ".join(sorted(map(repr, value))) + "}"
    except (ValueError, RecursionError, OverflowError):
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
