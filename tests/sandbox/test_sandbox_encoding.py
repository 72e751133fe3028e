"""The tagged encoding: everything plain survives, and nothing else gets through."""

from __future__ import annotations

import contextlib
import enum
import json
import pickle
from collections import Counter, OrderedDict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.sandbox.encoding import (
    MAX_DEPTH,
    ArrayData,
    EncodingError,
    FrameData,
    Opaque,
    ScalarData,
    SeriesData,
    decode,
    encode,
)

pytestmark = pytest.mark.real

hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
plain = st.recursive(
    hashable | st.complex_numbers() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.sets(hashable, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
    ),
    max_leaves=12,
)


def same(one: object, other: object) -> bool:
    """Equal in type too, all the way down; not-a-number equals itself."""
    return (
        repr(one) == repr(other)
        if not isinstance(one, set | frozenset)
        else (type(one) is type(other) and sorted(map(repr, one)) == sorted(map(repr, other)))
    )


@given(plain)
def test_plain_data_survives(value):
    encoded = encode(value)
    assert encode(decode(encoded)) == encoded
    if not any(mark in repr(value) for mark in ("set", "{")):
        assert same(decode(encoded), value)


@pytest.mark.parametrize(
    ("value", "others"),
    [(1, [1.0, True, "1", 1 + 0j]), ([1], [(1,), {1}, frozenset({1}), {1: 1}]), (0.0, [-0.0])],
)
def test_what_is_equal_but_not_the_same_stays_apart(value, others):
    assert encode(value) not in [encode(other) for other in others]
    for other in others:
        assert repr(decode(encode(other))) == repr(other)


class Colour(enum.IntEnum):
    RED = 3


class Liar(dict):
    def items(self):
        return [("forged", True)]

    def __iter__(self):
        return iter(["forged"])


def test_subclasses_are_read_as_their_base():
    point = namedtuple("point", "x y")
    assert decode(encode(point(1, 2))) == (1, 2)
    assert decode(encode(Colour.RED)) == 3
    assert type(decode(encode(Colour.RED))) is int
    assert decode(encode(OrderedDict(a=1))) == {"a": 1}
    assert decode(encode(Counter("aab"))) == {"a": 2, "b": 1}
    assert decode(encode(Liar(true=1))) == {"true": 1}


def test_what_is_no_plain_data():
    with pytest.raises(EncodingError, match="not plain data"):
        encode([object()])
    assert decode(encode([object(), print], opaque=True)) == [
        Opaque("object"),
        Opaque("builtin_function_or_method"),
    ]


def test_a_value_that_contains_itself_and_one_that_is_too_deep():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(EncodingError, match="contains itself"):
        encode(loop, opaque=True)
    deep: object = 0
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert decode(encode(deep)) == deep
    with pytest.raises(EncodingError):
        encode([deep])


def test_too_large():
    with pytest.raises(EncodingError, match="parts"):
        encode([0] * 1_000_001)
    with pytest.raises(EncodingError, match="bytes"):
        encode("x" * (17 << 20))
    with pytest.raises(EncodingError, match="too large"):
        encode(1 << (1 << 21))


def test_arrays_and_tables():
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    array = decode(encode(numpy.arange(6.0).reshape(2, 3)))
    assert array == ArrayData("float64", (2, 3), (0.0, 1.0, 2.0, 3.0, 4.0, 5.0))
    assert array.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert decode(encode(numpy.array(5))).tolist() == 5
    assert decode(encode(numpy.zeros((2, 0)))).shape == (2, 0)
    assert decode(encode(numpy.int32(5))) == ScalarData("int32", 5)
    assert decode(encode({numpy.float64(1): 2})) == {ScalarData("float64", 1.0): 2}
    series = pandas.Series([1, 2], index=["a", "b"], name="n")
    assert decode(encode(series)) == SeriesData("n", ("a", "b"), "int64", (1, 2))
    frame = pandas.DataFrame({"x": [1, 2], "y": ["a", "b"]}, index=[5, 6])
    decoded = decode(encode(frame))
    assert isinstance(decoded, FrameData)
    assert (decoded.columns, decoded.index) == (("x", "y"), (5, 6))
    assert decoded.items == ((1, 2), ("a", "b"))
    assert encode(decoded) == encode(frame), "the records are plain data themselves"


@pytest.mark.parametrize(
    "tree",
    [
        5,
        1.5,
        "x",
        {},
        [],
        [[]],
        ["i", 5],
        ["i", "0x5g"],
        ["i", "f" * 400_000],
        ["f", "one"],
        ["b", "0"],
        ["q", []],
        ["l", "abc"],
        ["l", [5]],
        ["l"],
        ["l", [], []],
        ["s", [["l", []]]],
        ["d", [[["l", []], None]]],
        ["d", [[None]]],
        ["c", "1"],
        ["a", ["", "int64"], ["t", [["i", "2"]]], ["t", []]],
        ["a", ["", "int64"], ["t", [["i", "-1"]]], ["t", []]],
        ["a", ["", "int64"], ["l", []], ["t", []]],
        ["a", ["i", "1"], ["t", []], ["t", [None]]],
        ["o", None],
        [None, 1],
    ],
)
def test_what_encode_does_not_write_is_refused(tree):
    with pytest.raises(EncodingError):
        decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null null",
        b"NaN",
        b"Infinity",
        b"\xff",
        b"[" * 100_000,
        pickle.dumps([1]),
        b"__import__('os')",
    ],
)
def test_noise_is_refused(data):
    with pytest.raises(EncodingError):
        decode(data)


@given(st.binary(max_size=60))
def test_any_noise_is_refused_or_plain(data):
    with contextlib.suppress(EncodingError):
        decode(data)
