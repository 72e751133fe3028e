"""Whether a value is the expected one, as far as JSON and YAML tell values apart."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from multiturn.sandbox.oracles.compare import content
from multiturn.sandbox.oracles.literals import Members, Pairs

__all__ = ["TOLERANCE", "values_equal"]

TOLERANCE = 1e-6
"""How far floats may differ: absolutely, as published, or as a part of the larger one."""


def values_equal(got: object, gold: object) -> bool:
    """Whether a value is the expected one.

    `gold` comes from JSON or YAML, which have only lists and mostly text as keys. So tuples,
    arrays and series count as lists, numpy's scalars as the numbers they are, and a key that
    is text also stands for one that is written so. A set agrees with a list of its members in
    any order. Whole numbers agree exactly, with floats within the tolerance; true and false
    are no numbers, and text is only equal to text.

    Args:
        got: plain data of any origin, or what `oracle_reading` has read.
        gold: what is expected.

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
    except OverflowError:  # a whole number beyond every float
        return False


def _members_equal(got: Sequence[object], gold: Sequence[object]) -> bool:
    """Whether each member of one has a member of the other to itself."""
    if len(got) != len(gold):
        return False
    left = list(got)
    for wanted in gold:
        # One that is equal to the bit first, so that near ones leave it to who needs it.
        near = [at for at, member in enumerate(left) if values_equal(member, wanted)]
        if not near:
            return False
        left.pop(next((at for at in near if left[at] == wanted), near[0]))
    return True


def _mappings_equal(got: list[tuple[object, object]], gold: list[tuple[object, object]]) -> bool:
    """Whether the keys are the same, as text, and each has the same value.

    A key twice in what was read (JSON's text can have it) is no mapping of that size.
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
    """A key as Python writes it; what is too large for text is no key of JSON's."""
    key = _plain(key)
    try:
        return str(tuple(key) if isinstance(key, list) else key)
    except (ValueError, RecursionError):
        return f"<{type(key).__name__}>"


def _json_key(key: object) -> str:
    """A key as `json.dumps` writes it: ``True`` is ``true`` there, and ``None`` is ``null``."""
    key = _plain(key)
    return json.dumps(key) if key is None or isinstance(key, bool) else _key(key)
