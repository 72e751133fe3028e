"""Templates of problem files: filled as `str.format` fills them, and no more than that."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.core.errors import InputError
from multiturn.text.format_template import MAX_FILLED, MAX_WIDTH, format_template

VALUES = {
    "x": ["a", "b"], "y": 1.5, "s": "txt", "n": None, "b": True, "i": -7, "w": 10, "e": "",
    "d": {"k": {"z": 1}, "a.b": 3, "0": 4}, "my var": 7, " x ": 6, "big": 10**40, "u": "東é",
}  # fmt: skip

HARMLESS = [
    "", "plain", "{x}", "{{x}}", "{{{x}}}", "{x!r} {s!r} {u!a} {s!s}", "{x[0]}", "{x[0]!r}",
    "{d[k]}", "{d[k][z]}", "{d[a.b]}", "{s[0]}", "{y:.2f}", "{y:e}", "{y:%}", "{y:g}", "{y:z.1f}",
    "{i:05d}", "{i:+}", "{i: d}", "{i:#x}", "{i:_}", "{i:n}", "{i:=5}", "{i!r:0>5}", "{big:,}",
    "{s:>10}", "{s:*^9}", "{s:5<10}", "{s:.2}", "{s:{w}}", "{y:>{w}.3f}", "{b:>5}", "{b:d}",
    "{x:}", "{n}", "{b}", "{d}", "{x}{x}", "{my var}", "{ x }", "{e}", "{s:\u0661\u0660}",
    "{i!s:>{w}}", "{{}} {{{{ }}}} {i}",
]  # fmt: skip

BROKEN = [
    "{", "}", "{x", "{x!z}", "{x!}", "{", "{}", "{0}", "{:d}", "{!r}", "{x[5]}", "{x[q]}", "{d[q]}",
    "{missing}", "{x:>5}", "{n:>5}", "{y:.2q}", "{s:{s}}", "{x[0]x}", "{x[}", "{x[]}", "{s:%s}",
]  # fmt: skip


@pytest.mark.parametrize("template", HARMLESS)
def test_harmless_templates_come_out_as_the_published_code_fills_them(template: str) -> None:
    assert format_template(template, VALUES) == template.format(**VALUES)


@pytest.mark.parametrize("template", BROKEN)
def test_what_str_format_refuses_is_an_error_of_one_line(template: str) -> None:
    with pytest.raises((KeyError, IndexError, ValueError, TypeError, AttributeError)):
        template.format(**VALUES)
    with pytest.raises(InputError, match="a prompt cannot be filled") as caught:
        format_template(template, VALUES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{x.append}", "{x.__class__}", "{x.__class__.__mro__}", "{x[0].__class__}", "{y.real}",
        "{d[k].keys}", "{d[a.b].real}", "{s.__len__.__self__}",
        "{x.__class__.__init__.__globals__}",
    ],
)  # fmt: skip
def test_no_attribute_is_given_out(template: str) -> None:
    with pytest.raises(InputError, match="an attribute of a value"):
        format_template(template, VALUES)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{s:>9999999999}", "width of a field is out of range"),
        ("{i:01001d}", "width"),
        ("{y:.99999f}", "precision"),
        ("{s:>{h}}", "width"),
        ("{y:{h}.{h}f}", "width"),
        ("{s:>" + "\u0669" * 9 + "}", "width"),
        ("{s:>" + "9" * 5000 + "}", "width"),
    ],
)
def test_padding_has_an_end(template: str, words: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=words):
            format_template(template, {**VALUES, "h": 10**9})
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_the_widest_field_is_filled_and_the_length_is_limited() -> None:
    assert len(format_template(f"{{s:>{MAX_WIDTH}}}", VALUES)) == MAX_WIDTH
    long = {"s": "a" * (MAX_FILLED // 4)}
    assert len(format_template("{s}" * 4, long)) == MAX_FILLED
    with pytest.raises(InputError, match="too long"):
        format_template("{s}" * 100_000, long)


def test_a_lone_surrogate_is_refused() -> None:
    for template, value in (("{s}", "\ud800"), ("\udfff", ""), ("{s:c}", 0xD800)):
        with pytest.raises(InputError, match="lone surrogate"):
            format_template(template, {"s": value})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
pieces = st.sampled_from(
    ["{a}", "{b}", "{{", "}}", "{a!r}", "{b!s}", "{a:>7}", "{b:.3f}", "{a[0]}", "{b[k]}", "{a:d}",
     "{c}", "text", "\n# ", " ", "{", "}", "{a:{b}}", "{b!a:<20}", "{a:,}"]
)  # fmt: skip


@given(st.lists(pieces | st.text(max_size=4), max_size=6).map("".join), plain, plain)
def test_whatever_is_filled_is_filled_as_there(template: str, a: object, b: object) -> None:
    variables = {"a": a, "b": b}
    try:
        expected: str | None = template.format(**variables)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError):
        expected = None
    try:
        found: str | None = format_template(template, variables)
    except InputError as error:
        refused = ("attribute", "out of range", "lone surrogate", "too long")
        if any(word in str(error) for word in refused):
            return
        found = None
    assert found == expected
