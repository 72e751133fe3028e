"""Whether what a program printed, or a value it had, is what was expected.

Everything here looks at plain data outside the sandbox: text that was printed, and values
that were handed over as plain data. No object of the program's takes part, so none can say
of itself that it is equal.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from multiturn.synthesis.parsing import parsed_expression

__all__ = ["TOLERANCE", "prints", "same_value"]

TOLERANCE = 1e-6
"""How far numbers may differ, as a part of the larger one or absolutely."""

LONGEST_LITERAL = 20_000
"""Characters of printed text that are read as a value."""


def prints(expected: object, stdout: str) -> bool:
    r"""Whether the output ends with what is expected.

    Expected text must equal the last line, or the last lines if it has several; space at
    the ends of lines and blank lines at the end of the output do not count. Anything else
    (a number, a list, ...) is compared by `same_value` with the last line read as a Python
    literal; where that line is none, with the whole output read so.

    Example:
        >>> prints("b", "a\nb\n"), prints(3, "total\n3.0\n"), prints([1, 2], "[1, 3]\n")
        (True, True, False)
    """
    lines = [line.rstrip() for line in stdout.rstrip().split("\n")]
    if isinstance(expected, str):
        wanted = [line.rstrip() for line in expected.rstrip().split("\n")]
        return lines[-len(wanted) :] == wanted
    for text in (lines[-1], stdout):
        found, value = _literal(text)
        if found:
            return same_value(expected, value)
    return False


def same_value(expected: object, value: object) -> bool:
    """Whether a value is the expected one.

    Numbers agree within `TOLERANCE`, whole or not; true and false are no numbers. Lists and
    tuples are alike, as JSON has only lists. Mappings agree key by key; where an expected key
    is text, it also stands for a key that is written so (JSON has only text as keys). Text
    agrees exactly, as does everything else, with its type.

    Example:
        >>> same_value([1, 2.0], (1.0, 2)), same_value({"1": "a"}, {1: "a"}), same_value(1, True)
        (True, True, False)
    """
    if isinstance(expected, bool) or isinstance(value, bool):
        return expected is value
    if isinstance(expected, int | float) and isinstance(value, int | float):
        return _same_number(expected, value)
    if isinstance(expected, list | tuple) and isinstance(value, list | tuple):
        return len(expected) == len(value) and all(map(same_value, expected, value))
    if isinstance(expected, Mapping) and isinstance(value, Mapping):
        by_text = {str(key): item for key, item in value.items()}
        return len(by_text) == len(value) == len(expected) and all(
            str(key) in by_text and same_value(item, by_text[str(key)])
            for key, item in expected.items()
        )
    return type(expected) is type(value) and expected == value


def _same_number(expected: int | float, value: int | float) -> bool:
    if isinstance(expected, int) and isinstance(value, int):
        return expected == value
    try:
        if math.isnan(expected) or math.isnan(value):
            return math.isnan(expected) and math.isnan(value)
        return math.isclose(expected, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except OverflowError:  # a whole number beyond every float
        return False


def _literal(text: str) -> tuple[bool, object]:
    text = text.strip()
    if text.lower().lstrip("+-") in ("nan", "inf"):
        return True, float(text)
    if not text or len(text) > LONGEST_LITERAL:
        return False, None
    expression = parsed_expression(text)
    if expression is None:
        return False, None
    try:
        return True, ast.literal_eval(expression)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False, None
