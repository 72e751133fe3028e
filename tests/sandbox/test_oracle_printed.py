"""The rule of what was printed last, over values and texts of every kind."""

from __future__ import annotations

import io
import json
import math
import pprint
import time
from collections import Counter, OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.sandbox.encoding import ArrayData, FrameData, SeriesData
from multiturn.sandbox.oracles.compare import values_equal
from multiturn.sandbox.oracles.literals import MAX_DEPTH, parse_literal
from multiturn.sandbox.oracles.printed import Table, last_printed, printed_matches

pytestmark = pytest.mark.real

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=32) | texts
)  # fmt: skip
golds = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def shown(*values: object, **options: Any) -> str:
    out = io.StringIO()
    print(*values, file=out, **options)
    return out.getvalue()


def pretty(value: object) -> str:
    return pprint.pformat(value, width=30, sort_dicts=False) + "\n"


WAYS = {
    "repr": lambda gold: shown(repr(gold)),
    "print": lambda gold: shown(gold),
    "print, then blank lines": lambda gold: shown(gold) + "\n  \n" * (not _is_nothing(gold)),
    "print below other text": lambda gold: f"x = (\n'\n[\n{shown(gold)}",
    "print without end": lambda gold: shown(gold, end="") or "\n",
    "json": lambda gold: shown(json.dumps(gold)),
    "json in lines": lambda gold: shown(json.dumps(gold, indent=2)),
    "json in its own letters": lambda gold: shown(json.dumps(gold, ensure_ascii=False)),
    "pprint": pretty,
    "pprint below other text": lambda gold: f"total:\n{pretty(gold)}",
}


def _is_nothing(gold: object) -> bool:
    return isinstance(gold, str) and not gold.strip()


@pytest.mark.parametrize("way", WAYS)
@given(gold=golds)
def test_a_value_passes_however_it_is_printed(way: str, gold: Any) -> None:
    if "other text" in way and _is_nothing(gold):
        return
    assert printed_matches(WAYS[way](gold), gold), WAYS[way](gold)


@given(items=st.lists(st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)))
def test_the_items_of_a_list_pass_side_by_side_and_one_a_line(items: list[Any]) -> None:
    for separator in (" ", ", ", ",", "\n", "\t", "; ", " | "):
        assert printed_matches("before\n" + shown(*items, sep=separator), items)
    assert printed_matches("".join(shown(item, end=", ") for item in items) or "\n", items)


words = st.text("abcxyz'\"-_", min_size=1, max_size=6)


@given(items=st.lists(words, min_size=1, max_size=5), rows=st.integers(1, 4))
def test_lists_of_words_and_rows(items: list[str], rows: int) -> None:
    for separator in (" ", ", ", ",", "\n"):
        assert printed_matches(shown(*items, sep=separator), items)
    matrix = [items] * rows
    assert printed_matches("".join(shown(*row) for row in matrix), matrix)
    assert printed_matches("".join(shown(row) for row in matrix), matrix) is (rows > 1)
    mapping = {word: at for at, word in enumerate(items)}
    assert printed_matches(
        "".join(shown(f"{key}: {value}") for key, value in mapping.items()), mapping
    )


numbers = st.integers(-50, 50) | st.sampled_from([0.5, -0.25, 1.5, True, False, None])


@given(one=numbers | st.lists(numbers, min_size=2), other=numbers | st.lists(numbers, min_size=2))
def test_what_passes_is_the_value(one: Any, other: Any) -> None:
    for way in WAYS.values():
        assert printed_matches(way(one), other) is values_equal(one, other)


@given(one=st.text("ab \n", max_size=6), other=st.text("ab \n", max_size=6))
def test_text_passes_for_the_lines_that_it_ends_with(one: str, other: str) -> None:
    mine, wanted = ([line.rstrip() for line in text.rstrip().split("\n")] for text in (one, other))
    if one.strip() and other.strip():
        assert printed_matches(f"{one}\n", other) is (mine[-len(wanted) :] == wanted)


@given(st.text("[](){}'\"\\,:;| \n01.eE+-/aNTnull", max_size=60), golds)
def test_no_text_stops_it(text: str, gold: Any) -> None:
    assert isinstance(printed_matches(text, gold), bool)
    assert isinstance(parse_literal(text)[0], bool)
    last_printed(text)


@given(golds)
def test_reading_is_what_python_and_json_wrote(gold: Any) -> None:
    for text in (repr(gold), json.dumps(gold)):
        found, value = parse_literal(text)
        assert found and values_equal(value, gold)


@pytest.mark.parametrize(
    "value",
    [
        {1: "a"}, {(1, 2): [3]}, (1,), (1, (2, [3])), {1, 2}, frozenset({"a"}), set(), 0,
        OrderedDict(a=1), Counter("aab"), {"a": {"b": {1}}},
        1e300, -1e-300, 10**300, float("inf"), "it's", 'say "so"', "both ' and \"",
        "a\\b\n\t\x00\x7f",
        "\ud83d", "\U0001f600", [[], [[]], {}], "", [""], [None],
    ],
    ids=repr,
)  # fmt: skip
def test_what_python_prints_is_read(value: Any) -> None:
    found, got = parse_literal(repr(value))
    assert found and values_equal(got, value)


HOSTILE = [
    "'\\" * 400_000, "[" * 900_000, "a" + " " * 900_000 + "b", "a:" * 400_000, "1," * 400_000,
    "'" * 900_000, "{1:" * 300_000, "(()," * 200_000, "1\n" * 400_000, "[\n" * 400_000,
    "]\n" * 400_000, "[]," * 300_000, "9" * 900_000, "1/" + "9" * 900_000, "1e" + "9" * 900_000,
    "\n" * 900_000, "Decimal(" * 100_000, "x=" * 400_000, "\\" * 900_000, "{[]:1}", "1/0",
    ",".join(str((2**61 - 1) * at) for at in range(40_000)), "{" + "0:0," * 200_000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_takes_a_bounded_time(number: int) -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    for gold in ({"a": 1}, [[1, [2]], 2], [[[[[1]]]]], "abc", 3, list(range(300)), deep):
        began = time.thread_time()
        assert isinstance(printed_matches(HOSTILE[number], gold), bool)
        assert time.thread_time() - began < 5


def test_reading_stops_at_a_depth() -> None:
    assert parse_literal("[" * MAX_DEPTH + "]" * MAX_DEPTH)[0]
    assert not parse_literal("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))[0]


def test_a_table_counts_while_its_text_is_what_was_printed_last() -> None:
    array = Table("[0 1 ... 8 9]", ArrayData("int64", (10,), tuple(range(10))))
    assert printed_matches("[0 1 ... 8 9]\n", list(range(10)), array)
    assert not printed_matches("[0 1 ... 8 9]\n", [0, 1, 8, 9], array)
    assert not printed_matches("[0 1 ... 8 9]\n7\n", list(range(10)), array)
    assert printed_matches("[0 1 ... 8 9]\n7\n", 7, array)
    empty = Table("[]", ArrayData("float64", (5, 0), ()))
    assert not printed_matches("[]\n", [], empty)
    assert printed_matches("[]\n", [[]] * 5, empty)
    assert printed_matches("[]\n", "[]", empty)
    assert printed_matches("[]\n3\n", 3, empty)
    series = Table("a    1\ndtype: int64", SeriesData(None, ("a",), "int64", (1,)))
    assert printed_matches("a    1\ndtype: int64\n", {"a": 1}, series)
    frame = Table("   a\n0  1", FrameData(("a",), (0,), ("int64",), ((1,),)))
    assert printed_matches("   a\n0  1\n", [[1]], frame)
    assert not printed_matches("   a\n0  1\n", [0, 1], frame)


def test_what_was_printed_last_is_shown_as_a_value_or_as_lines() -> None:
    assert last_printed("x\n[1, {'a': {2}}]\n") == [1, {"a": {2}}]
    assert last_printed("total 3\n\n") == "total 3"
    assert last_printed("{[1]: 2}\n") == "Pairs(items=[([1], 2)])"
    assert math.isnan(last_printed("nan\n"))  # type: ignore[arg-type]
