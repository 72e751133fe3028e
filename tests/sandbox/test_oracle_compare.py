"""Comparing plain data, and showing where it differs."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multiturn.sandbox.encoding import (
    ArrayData,
    EncodingError,
    Opaque,
    ScalarData,
    decode,
    encode,
)
from multiturn.sandbox.oracles.compare import difference, exactly, same_text, values_equal

pytestmark = pytest.mark.real

HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
PLAIN = st.recursive(
    HASHABLE | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
@example([[-0j], {None, float("nan")}])
def test_an_encoded_value_decodes_to_the_same(value):
    assert _same(decode(encode(value)), value)


@given(PLAIN, PLAIN)
def test_exactly_agrees_with_what_the_encoding_keeps_apart(one, other):
    if exactly(one, other) and "nan" not in repr((one, other)):
        # Sets and dicts have no order, and a zero's sign does not count.
        assert one == other
        assert type(one) is type(other)


@given(PLAIN, PLAIN)
def test_a_difference_is_one_short_line(one, other):
    line = difference(one, other)
    assert "\n" not in line
    assert len(line) < 1500


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        ([1], (1,), False),
        ([[1], [2.0]], [[1], [2.0]], True),
        ([[1], [2.0]], [[1], [2]], False),
        ({1: "a"}, {True: "a"}, False),
        ({1, 2}, {2, 1}, True),
        ({1}, {1.0}, False),
        ({1}, frozenset({1}), False),
        (math.nan, math.nan, True),
        ([math.nan], [math.nan], True),
        (0.0, -0.0, True),
        ("1", 1, False),
        (b"a", "a", False),
        (None, None, True),
        (None, 0, False),
        (ScalarData("int64", 1), 1, False),
        (Opaque("generator"), [1], False),
        (Opaque("X"), None, False),
    ],
)
def test_exactly(got, expected, same):
    assert exactly(got, expected) is same


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (1, 1.0, True),
        (1.0000001, 1, True),
        (1.01, 1, False),
        (1, True, False),
        ((1, [2]), [1, (2,)], True),
        (ScalarData("float64", 2.0), 2, True),
        (ArrayData("float64", (2, 2), (1.0, 2.0, 3.0, 4.0)), [[1, 2], [3, 4]], True),
        (ArrayData("float64", (4,), (1.0, 2.0, 3.0, 4.0)), [[1, 2], [3, 4]], False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": 1.0}, {"b": 1}, False),
        (math.inf, math.inf, True),
        (math.inf, 1e300, False),
        (math.nan, math.nan, True),
        (math.nan, 1, False),
        (10**400, 10**400, True),
        (10**400, 1.0, False),
        ("1", 1, False),
        (Opaque("X"), 1, False),
    ],
)
def test_values_equal(got, expected, same):
    assert values_equal(got, expected) is same


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        ("a\n", "a", True),
        ("a  \nb", "a\nb\n\n", True),
        (" a", "a", False),
        ("a\n\nb", "a\nb", False),
        ("", "\n", True),
    ],
)
def test_same_text(got, expected, same):
    assert same_text(got, expected) is same


def test_a_difference_names_the_place():
    assert difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}).endswith(
        "they part at ['a'][1]['b']: 2 is not 3"
    )
    assert "line 2: 'x' is not 'b'" in difference("a\nx\nc", "a\nb\nc")
    assert "2 lines, expected 3" in difference("a\nb", "a\nb\nc")


def test_a_difference_does_not_write_out_what_is_huge():
    assert "bits" in difference(1 << 10_000_000, 1)
    assert len(difference("x" * 10**6, "y" * 10**6)) < 1000


@pytest.mark.timeout(30)
@pytest.mark.parametrize("form", ['["s",[{}]]', '["z",[{}]]', '["d",[{}]]'])
def test_members_that_collide_are_refused_at_once(form):
    """Building such a set takes hours."""
    numbers = [f'["i","{number * (2**61 - 1):x}"]' for number in range(1, 200_000)]
    if "d" in form:
        numbers = [f"[{number},null]" for number in numbers]
    with pytest.raises(EncodingError, match="hashes"):
        decode(form.format(",".join(numbers)).encode())


def _same(one: object, other: object) -> bool:
    """Equality that a NaN does not upset, nor the order of a set that holds one."""
    return _canonical(one) == _canonical(other)


def _canonical(value: object) -> str:
    name = type(value).__name__
    if isinstance(value, dict):
        return f"{name}{sorted((_canonical(k), _canonical(v)) for k, v in value.items())}"
    if isinstance(value, set | frozenset):
        return f"{name}{sorted(map(_canonical, value))}"
    if isinstance(value, list | tuple):
        return f"{name}{[_canonical(item) for item in value]}"
    return f"{name}:{value!r}"
