"""Comparing plain data with what was expected, and showing in a line where they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass

from multiturn.sandbox.encoding import ArrayData, ScalarData, SeriesData

__all__ = [
    "Compare",
    "approximately",
    "content",
    "difference",
    "exactly",
    "same_text",
    "text_lines",
]

Compare = Callable[[object, object], bool]
"""Takes what was got and what was expected."""

_SHOWN = 120
"""How much of a value a message shows."""


def exactly(got: object, expected: object) -> bool:
    """Equal in value and in kind: ``1``, ``1.0`` and ``True`` differ, so do list and tuple.

    Not-a-number equals itself, and the sign of zero does not count.

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
        # 1, 1.0 and True are one key of a dict, so the keys themselves are compared too.
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


def approximately(*, relative: float = 1e-6, absolute: float = 1e-9) -> Compare:
    """A comparison of content: numbers within a tolerance, one kind of sequence as good as another.

    Arrays and series count as lists, scalars of numpy as numbers. Booleans stay apart from
    numbers, text from everything else.

    Args:
        relative: largest difference, as a part of the larger number.
        absolute: largest difference that is always accepted.

    Example:
        >>> near = approximately()
        >>> near((1, 2.0000000001), [1.0, 2]), near(1, True), near("1", 1)
        (True, False, False)
    """

    def compare(got: object, expected: object) -> bool:
        got, expected = content(got), content(expected)
        if isinstance(got, bool) or isinstance(expected, bool):
            return got is expected
        if isinstance(got, int | float | complex) and isinstance(expected, int | float | complex):
            return _near(got, expected, relative, absolute)
        if isinstance(got, list) and isinstance(expected, list):
            return len(got) == len(expected) and all(map(compare, got, expected))
        if isinstance(got, Mapping) and isinstance(expected, Mapping):
            return got.keys() == expected.keys() and all(
                compare(got[key], value) for key, value in expected.items()
            )
        if isinstance(got, Set) and isinstance(expected, Set):
            return got == expected
        return type(got) is type(expected) and bool(got == expected)

    return compare


def same_text(got: object, expected: object) -> bool:
    r"""Equal text, but for white space at the ends of lines and empty lines at the end.

    Example:
        >>> same_text("a \nb\n\n", "a\nb"), same_text("a b", "a  b")
        (True, False)
    """
    return text_lines(str(got)) == text_lines(str(expected))


def difference(got: object, expected: object) -> str:
    """One short line that says what was got and what was expected, from where they part.

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
    """A value without its kind: scalars as numbers; arrays, series and tuples as lists."""
    if isinstance(value, ScalarData):
        return value.value
    if isinstance(value, ArrayData):
        return value.tolist()
    if isinstance(value, SeriesData):
        return list(value.items)
    if isinstance(value, tuple):
        return list(value)
    return value


def _near(
    got: float | complex, expected: float | complex, relative: float, absolute: float
) -> bool:
    if got == expected:
        return True
    try:
        if got != got and expected != expected:
            return True
        distance, largest = abs(got - expected), max(abs(got), abs(expected))
        return math.isfinite(largest) and distance <= max(relative * largest, absolute)
    except OverflowError:
        # A whole number beyond what a float can hold is near to nothing but itself.
        return False


def _first_difference(
    path: str, got: object, expected: object, depth: int
) -> tuple[str, object, object]:
    """Goes down as long as exactly one way leads to a difference in content."""
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
    """A value in one line, cut; a number of a million digits is not turned into text first."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4000:
        return f"<a whole number of {value.bit_length()} bits>"
    try:
        text = ascii(value) if isinstance(value, bytes) else repr(value)
        if isinstance(value, set | frozenset) and value:
            # A set of text is in another order in each process; a verdict must not be.
            text = "{" + ", ".join(sorted(map(repr, value))) + "}"
    except (ValueError, RecursionError, OverflowError):
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
