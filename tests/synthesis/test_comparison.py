"""What counts as printing, or being, what was expected."""

from __future__ import annotations

import pytest

from multiturn.sandbox.oracles.compare import values_equal
from multiturn.synthesis.execution import output_matches


@pytest.mark.parametrize(
    ("expected", "stdout", "agrees"),
    [
        ("b", "a\nb\n", True),
        ("b", "a\nb \n\n", True),
        ("a", "a\nb\n", False),
        ("a\nb", "x\na\nb\n", True),
        ("a\nb", "b\n", False),
        (" b", "b\n", False),
        ("", "", True),
        ("3", "3\n", True),
        ("3", "3.0\n", False),
        (3, "3.0\n", True),
        (3, "total: 3\n", False),
        (3, "2.99\n", False),
        (3, "'3'\n", False),
        (True, "True\n", True),
        (True, "1\n", False),
        (1, "True\n", False),
        (None, "None\n", True),
        (None, "", False),
        (0.1, "0.10000001\n", True),
        (0.1, "0.1001\n", False),
        ([1, 2], "(1, 2)\n", True),
        ([1, 2], "[1, 2, 3]\n", False),
        ([0.5, [1.0]], "[0.5000000001, [1]]\n", True),
        ([1, 2], "[1,\n 2]\n", True),
        ({"1": "a"}, "{1: 'a'}\n", True),
        ({"a": 1}, "{'a': 1, 'b': 2}\n", False),
        ({"1": 1}, "{1: 1, '1': 1}\n", False),
        (["a"], "['a']\n", True),
        (["a", "b"], "'ab'\n", False),
        (10**400, f"{10**400}\n", True),
        (1.5, f"{10**400}\n", False),
        (3, "(" * 100_000, False),
        (3, "[" * 5_000, False),
        (3, "-" * 15_000 + "3", False),
        (3, "__import__('os').abort()\n", False),
        (3, "1if 1else 3\n", False),
        ("\u00e9", "\u00e9\n", True),
    ],
)
def test_output_matches(expected, stdout, agrees):
    assert output_matches(stdout, expected) is agrees


def test_nan_is_only_itself():
    assert output_matches("nan\n", float("nan"))
    assert not output_matches("nan\n", 1.0)
    assert not values_equal(1, float("nan"))


class EqualToAll:
    def __eq__(self, other):
        return True

    __hash__ = object.__hash__


def test_a_value_cannot_say_of_itself_that_it_is_equal():
    assert not values_equal(EqualToAll(), 3)
    assert not values_equal([EqualToAll()], [3])
