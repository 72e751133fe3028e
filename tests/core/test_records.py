"""Records are read strictly, and what does not fit is named by its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.core.records import earlier_values, read_record, stored_as, to_plain


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    count: int
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputError("count is negative", got=self.count)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    table: Mapping[str, int | str | None] = field(default_factory=dict)
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    pair: tuple[int, str] | None = None
    anything: object = None
    flag: bool = False


def test_a_full_record_is_read() -> None:
    data = {
        "name": "n",
        "inner": {"count": 1, "weight": 2},
        "parts": [{"count": 2}],
        "table": {"a": 1, "b": "x", "c": None},
        "colour": "blue",
        "mode": "slow",
        "pair": [1, "x"],
        "anything": [{"deep": 1}],
        "flag": True,
    }
    record = read_record(data, Outer, where="f")
    assert record == Outer(
        "n",
        Inner(1, 2.0),
        (Inner(2),),
        {"a": 1, "b": "x", "c": None},
        Colour.BLUE,
        "slow",
        (1, "x"),
        [{"deep": 1}],
        True,
    )
    assert read_record(to_plain(record), Outer, where="f") == record


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "f: the key 'name' is missing"),
        ({"nme": "x"}, "f: unknown key: got 'nme'.*did you mean 'name'"),
        ({"name": 1}, "f: name: expected text, got a whole number 1"),
        ({"name": "x", "flag": 1}, "f: flag: expected true or false"),
        ({"name": "x", "inner": {"count": True}}, "f: inner.count: expected a whole number"),
        ({"name": "x", "inner": {"count": -1}}, "f: inner: count is negative"),
        ({"name": "x", "parts": "abc"}, "f: parts: expected a list, got text 'abc'"),
        ({"name": "x", "parts": [{"count": 1}, {}]}, r"f: parts\[1\]: the key 'count' is missing"),
        ({"name": "x", "table": {"k": []}}, "f: table.k: expected .*got a list"),
        ({"name": "x", "colour": "bleu"}, "f: colour: unknown choice.*did you mean 'blue'"),
        ({"name": "x", "mode": True}, "f: mode: unknown choice"),
        ({"name": "x", "pair": [1]}, "f: pair: expected a list of 2"),
        ([], "f: expected a mapping, got a list"),
        (None, "f: expected a mapping, got nothing"),
    ],
)
def test_what_does_not_fit_is_named(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_record(data, Outer, where="f")
    assert len(str(caught.value).splitlines()) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NEAR = st.fixed_dictionaries(
    {"name": JSON}, optional=dict.fromkeys(("inner", "parts", "table", "pair"), JSON)
)


@given(JSON | NEAR)
def test_any_data_is_read_or_refused_with_one_line(data: object) -> None:
    try:
        record = read_record(data, Outer, where="f")
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert read_record(to_plain(record), Outer, where="f") == record


@dataclass(frozen=True)
class Renamed:
    examples_passed: int = field(metadata=stored_as("agreed"))
    rule: Literal["parse", "none"] = field(
        default="none", metadata=earlier_values({"fair": "parse"})
    )


def test_a_renamed_field_keeps_its_key_and_renamed_values_are_read() -> None:
    read = read_record({"agreed": 2, "rule": "fair"}, Renamed, where="here")
    assert read == Renamed(2, "parse")
    assert to_plain(read) == {"agreed": 2, "rule": "parse"}
    with pytest.raises(InputError, match="the key 'agreed' is missing"):
        read_record({"rule": "parse"}, Renamed, where="here")
    with pytest.raises(InputError, match="allowed: parse, none"):
        read_record({"agreed": 2, "rule": "asked"}, Renamed, where="here")
