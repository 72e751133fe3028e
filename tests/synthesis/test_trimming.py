"""Unfinished code, repeats, and what a person may write."""

from __future__ import annotations

import pytest

from multiturn.core.errors import InputError
from multiturn.synthesis.trimming import longest_parsing_prefix, parses, strip_repeated_history
from multiturn.synthesis.turn_text import validate_code, validate_turn


@pytest.mark.parametrize(
    ("before", "text", "saved"),
    [
        ("", "x = 1\ny = (", "x = 1"),
        ("", "def f():\n    return 1\n\ndef g(", "def f():\n    return 1"),
        ("", "def f(:", ""),
        ("def f():\n    x = 1\n", "    return x\n    y = [", "    return x"),
        ("", "    return x", ""),
        ("", "s = '''a\nb", ""),
        ("", "x = 1\nif x:\n", "x = 1"),
    ],
)
def test_longest_that_parses(before, text, saved):
    assert longest_parsing_prefix(before, text) == saved


def test_text_that_is_no_program_is_no_news():
    assert not parses("x = \x00")
    assert not parses("(" * 100_000)
    assert parses("x = '\\d'\nprint(1if 1else 2)")  # odd, and warned about by Python


@pytest.mark.parametrize(
    ("text", "history", "left"),
    [
        ("x = 1\nprint(x)", ["x = 1"], "print(x)"),
        ("x = 1", ["x = 1"], "x = 1"),
        ("x = 1\ny = 2", ["x = 1", "y = 3"], "x = 1\ny = 2"),
        ("def f():\n    pass\n@f\ndef g():\n    pass", ["def f(): pass"], "@f\ndef g():\n    pass"),
        ("x = 1; y = 2", ["x = 1"], "x = 1; y = 2"),
        ("x = 1\n# why\ny = 2", ["x = 1"], "# why\ny = 2"),
        ("x = (", ["x = 1"], "x = ("),
        ("y = 1", [], "y = 1"),
        ("print(1)", ["print(0)"], "print(1)"),
    ],
)
def test_without_repeat(text, history, left):
    assert strip_repeated_history(text, history) == left


def test_code_of_a_person():
    assert validate_code("\n  x = 1\r\n\n") == "  x = 1"
    for bad, fault in (
        (" \n", "the code is empty"),
        ("x\x00", r"U\+0000 \(line 1, column 2\)"),
        ("x" * 200_001, "the code is too long"),
    ):
        with pytest.raises(InputError, match=fault):
            validate_code(bad)


def test_turns_in_any_script_are_fine():
    turn = "Z\u00e4hle die \u5b57.\tJa \U0001f600\u200d"
    assert validate_turn(turn) == turn
