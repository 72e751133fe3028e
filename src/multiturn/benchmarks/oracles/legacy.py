"""The published scorer's comparison, quirks included.

Source: Nijkamp et al., the scorer of the published Multi-Turn Programming Benchmark. Its casts to
the type of the gold value happen where the program runs (`inside`); here both values are plain
data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from multiturn.sandbox.encoding import ArrayData, ScalarData, SeriesData

__all__ = ["legacy_equal"]

_NUMERIC = re.compile(r"bool|u?int\d+|float\d+|complex\d+|object")


def legacy_equal(got: object, gold: object) -> bool:
    """Whether the published scorer accepts `got` for `gold`.

    Args:
        got: the printed value, cast to the type of `gold`.
        gold: as JSON has it.

    Example:
        >>> legacy_equal(["a", "b"], ["a", "b"]), legacy_equal({"a": 1}, {"a": 1})
        (True, False)
    """
    if isinstance(got, SeriesData):
        return _NUMERIC.fullmatch(got.dtype) is not None and _all_close(got.items, gold)
    if isinstance(gold, bool):
        return got is gold if isinstance(got, bool) else got == str(gold)
    if type(got) is not type(gold):
        return False
    if isinstance(got, float) and isinstance(gold, float):
        return abs(got - gold) < 1e-6
    if isinstance(gold, str | int | list):
        return _equal(got, gold)
    return False


def _equal(got: object, gold: object) -> bool:
    """Python's ``==`` between a value of a program and JSON: exact, also for floats."""
    if isinstance(got, ScalarData):
        got = got.value
    if isinstance(got, ArrayData):
        return _one_item_equal(got, gold)
    if isinstance(got, list) and isinstance(gold, list):
        return len(got) == len(gold) and all(map(_equal, got, gold))
    if isinstance(got, dict) and isinstance(gold, dict):
        return got.keys() == gold.keys() and all(_equal(got[key], gold[key]) for key in gold)
    return bool(got == gold)


def _one_item_equal(got: ArrayData, gold: object) -> bool:
    """An array inside a list: comparing more than one item is an error in that scorer."""
    while isinstance(gold, list) and len(gold) == 1:
        gold = gold[0]
    return len(got.items) == 1 and not isinstance(gold, list) and _equal(got.items[0], gold)


def _all_close(items: Sequence[object], gold: object) -> bool:
    """Like numpy's `allclose` for a series and the array of `gold`, with broadcasting."""
    if not isinstance(gold, list):
        return isinstance(gold, int | float) and all(_close(item, gold) for item in items)
    if any(isinstance(row, list) for row in gold):
        shapes = {_shape(row) for row in gold}
        return len(shapes) == 1 and None not in shapes and all(_all_close(items, r) for r in gold)
    if not all(isinstance(number, int | float) for number in gold):
        return False
    if len(items) == 1:
        items = list(items) * len(gold)
    if len(gold) == 1:
        gold = gold * len(items)
    return len(items) == len(gold) and all(map(_close, items, gold))


def _shape(value: object) -> tuple[int, ...] | None:
    """The shape of nested lists; None if they are ragged."""
    if not isinstance(value, list):
        return ()
    shapes = {_shape(item) for item in value}
    if len(shapes) > 1 or None in shapes:
        return None
    (inner,) = shapes or {()}
    return (len(value), *(inner or ()))


def _close(one: object, other: object) -> bool:
    if not isinstance(one, int | float | complex) or not isinstance(other, int | float):
        return False
    if one == other:
        return True
    try:
        return math.isfinite(other) and abs(one - other) <= 1e-8 + 1e-5 * abs(other)
    except OverflowError:  # a whole number beyond every float
        return False
