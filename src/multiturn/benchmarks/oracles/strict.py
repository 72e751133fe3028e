"""The comparison that mends the published scorer's: types match, floats agree everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from multiturn.sandbox.encoding import ArrayData, ScalarData, SeriesData

__all__ = ["TOLERANCE", "strict_equal"]

TOLERANCE = 1e-6
"""How far floats may differ: absolutely, as published, or as a part of the larger one."""


def strict_equal(got: object, gold: object) -> bool:
    """Whether what was printed is the expected value.

    `gold` comes from JSON, which has only lists and only text as keys. So tuples, arrays and
    series count as lists, numpy's scalars as the numbers they are, and a key that is text also
    stands for one that is written so. A set agrees with a list of its members in any order.
    Whole numbers agree exactly, with floats within the tolerance; true and false are no
    numbers, and text is only equal to text.

    Example:
        >>> strict_equal((1, 0.30000000004), [1.0, 0.3]), strict_equal({1: None}, {"1": None})
        (True, True)
        >>> strict_equal(2.99, 2), strict_equal("255", 255), strict_equal("ab", ["a", "b"])
        (False, False, False)
    """
    got = _plain(got)
    if isinstance(got, bool) or isinstance(gold, bool):
        return got is gold
    if isinstance(got, int | float) and isinstance(gold, int | float):
        return _same_number(got, gold)
    if isinstance(got, set | frozenset) and isinstance(gold, list | set | frozenset):
        return _same_members(list(got), list(gold))
    if isinstance(got, list) and isinstance(gold, list):
        return len(got) == len(gold) and all(map(strict_equal, got, gold))
    if isinstance(got, dict) and isinstance(gold, dict):
        return _same_mapping(got, gold)
    return type(got) is type(gold) and got == gold


def _plain(value: object) -> object:
    if isinstance(value, ScalarData):
        return value.value
    if isinstance(value, ArrayData):
        return value.tolist()
    if isinstance(value, SeriesData):
        return list(value.items)
    return list(value) if isinstance(value, tuple) else value


def _same_number(got: float, gold: float) -> bool:
    if isinstance(got, int) and isinstance(gold, int):
        return got == gold
    try:
        if math.isnan(got) or math.isnan(gold):
            return math.isnan(got) and math.isnan(gold)
        return math.isclose(got, gold, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except OverflowError:  # a whole number beyond every float
        return False


def _same_members(got: Sequence[object], gold: Sequence[object]) -> bool:
    """Whether each member of one has a member of the other to itself."""
    if len(got) != len(gold):
        return False
    left = list(got)
    for wanted in gold:
        # One that is equal to the bit first, so that near ones leave it to who needs it.
        near = [at for at, member in enumerate(left) if strict_equal(member, wanted)]
        if not near:
            return False
        left.pop(next((at for at in near if left[at] == wanted), near[0]))
    return True


def _same_mapping(got: dict[object, object], gold: dict[object, object]) -> bool:
    by_text = {str(_plain(key)): value for key, value in got.items()}
    return len(by_text) == len(got) == len(gold) and all(
        str(key) in by_text and strict_equal(by_text[str(key)], gold[key]) for key in gold
    )
