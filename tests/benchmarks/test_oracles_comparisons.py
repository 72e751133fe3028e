"""The two comparisons of plain data, against what they are said to be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.benchmarks.oracles.inside import _cast
from multiturn.benchmarks.oracles.legacy import legacy_equal
from multiturn.sandbox.encoding import SeriesData, decode, encode
from multiturn.sandbox.oracles.compare import difference, values_equal

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, -0.0, 0.5, 2.0, 2.9999999, 2.99, 1e300, math.nan, math.inf])
    | st.sampled_from(["", "a", "ab", "2", "2.5", " 2 ", "True", "None", "[1]"])
)
golds = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "2"]), inner, max_size=2)
    ),
    max_leaves=5,
)
values = st.recursive(
    scalars | st.sampled_from([1j, b"a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b", 2]), inner, max_size=2)
    ),
    max_leaves=5,
) | st.sets(st.integers(-2, 2), max_size=3)


def handed_over(value: Any, gold: object) -> bool:
    """What `legacy` says, by the way that a value takes out of the sandbox."""
    kind = "null" if gold is None else type(gold).__name__
    try:
        cast = _cast(value, kind)
    except Exception:
        return False
    return legacy_equal(decode(encode(cast, opaque=True)), gold)


def published(value: Any, gold: Any) -> bool:
    """The published scorer's judgement of a value, said once more on the objects themselves."""
    if type(gold) not in (str, int, float, bool, list):
        return False  # "unsupported", or no cast to it
    try:
        if type(value) is list and value and type(value[0]) is tuple:
            value = list(map(list, value))
        if type(gold) is bool and type(value) is not bool:
            return str(value) == str(gold)
        if type(value) is not type(gold):
            value = type(gold)(value)
        return bool(abs(value - gold) < 1e-6) if type(gold) is float else bool(value == gold)
    except Exception:
        return False


@given(values, golds)
def test_legacy_is_the_published_judgement(value: Any, gold: Any) -> None:
    # One not-a-number is itself in a list by identity, which no value handed over can be.
    if not (isinstance(value, list | tuple) and "nan" in str(value)):
        assert handed_over(value, gold) is published(value, gold)


@given(golds)
def test_legacy_passes_gold_but_for_dicts_null_and_what_is_not_itself(gold: Any) -> None:
    good = not (gold is None or isinstance(gold, dict)) and "nan" not in str(gold).lower()
    if good and "inf" not in str(gold):
        assert handed_over(gold, gold)
    if gold is None or isinstance(gold, dict):
        assert not handed_over(gold, gold)


arrays = st.lists(st.integers(-2, 2), min_size=1, max_size=4)


@settings(deadline=None)  # pandas is imported by the first example
@given(arrays, st.sampled_from(["int64", "float64", "uint8", "bool", "float32"]), golds)
def test_legacy_takes_arrays_and_series_as_published(
    items: list[int], dtype: str, gold: Any
) -> None:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    array = np.array([abs(item) for item in items]).astype(dtype)
    assert handed_over(array, gold) is published(array.tolist(), gold)
    scalar = array[0]
    if dtype != "float32":
        assert handed_over(scalar, gold) is published(scalar.item(), gold)
    series = pd.Series(array)
    try:
        close = bool(np.allclose(series.to_numpy(), np.array(gold)))
    except (TypeError, ValueError):
        close = False
    assert handed_over(series, gold) is close


@given(golds)
def test_strict_passes_every_gold_as_json_or_not(gold: Any) -> None:
    assert values_equal(gold, gold)
    assert values_equal(json.loads(json.dumps(gold)), gold)
    if isinstance(gold, list):
        assert values_equal(tuple(gold), gold)


def kind_of(value: object) -> str:
    """Types that JSON keeps apart, numbers as one."""
    if isinstance(value, bool) or value is None:
        return str(value)
    kinds = {str: "text", int: "number", float: "number", dict: "mapping"}
    return kinds.get(type(value), "list" if isinstance(value, list | tuple | set) else "other")


@given(values, golds)
def test_strict_never_passes_another_type(value: Any, gold: Any) -> None:
    if values_equal(value, gold):
        assert kind_of(value) == kind_of(gold)


@given(golds, golds)
def test_strict_is_symmetric_for_json(one: Any, other: Any) -> None:
    assert values_equal(one, other) is values_equal(other, one)


@pytest.mark.parametrize(
    ("got", "gold", "equal"),
    [
        (10**9, 10**9 + 1, False),  # whole numbers are exact, however large
        (1e9, 1e9 + 1, True),
        (10**400, 1.0, False),
        (10**400, 10**400, True),
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (math.inf, 1e308, False),
        (-0.0, 0, True),
        (1 + 1e-7, 1, True),
        (1 + 1e-5, 1, False),
        ({1: "a"}, {"1": "a"}, True),  # JSON has only text as keys
        ({1: "a", "1": "b"}, {"1": "b"}, False),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, True),
        ({1, 2}, [2, 1], True),
        ({1, 2}, [2, 1, 1], False),
        ({1.0, 0.1 + 0.2}, [0.3, 1], True),
        ([1, 2], [2, 1], False),
        ({True}, [1], False),
        (None, None, True),
        (None, "None", False),
        (b"a", "a", False),
        ("a ", "a", False),
    ],
)
def test_strict_by_example(got: object, gold: object, equal: bool) -> None:
    assert values_equal(got, gold) is equal


def test_a_whole_number_beyond_every_float_is_just_not_equal() -> None:
    series = SeriesData(None, (0,), "int64", (1,))
    assert not legacy_equal(series, 10**400)
    assert not legacy_equal(series, [10**400])


def test_a_set_is_shown_in_one_order() -> None:
    letters = set("hgfedcba")
    assert difference(letters, 1).startswith("got {'a', 'b', 'c', 'd',")
    assert difference(set(), 1) == "got set(), expected 1"
