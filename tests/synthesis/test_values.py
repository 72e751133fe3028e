"""The values of a program's variables, read inside the real sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.synthesis.execution import run_program
from multiturn.synthesis.values import MAX_NAMES, READ_VALUES, changed_values, values_from

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def real() -> Iterator[Sandbox]:
    with open_sandbox() as opened:
        yield opened


def values(sandbox: Sandbox, source: str) -> dict[str, str]:
    run = run_program(sandbox, source, Limits())
    assert run.outcome.finished, run.outcome
    assert run.values is not None
    return dict(run.values)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = [3, 1]\ny = {'a': 1.5}\n_z = 1\n", {"x": "[3, 1]", "y": "{'a': 1.5}"}),
        ("import math\nfrom math import pi\n", {"pi": "3.141592653589793"}),
        ("def f(a, b=2):\n    return a\n", {"f": "function f(a, b=2)"}),
        (
            "class A:\n    def __init__(self):\n        self.q = 3\na = A()\n",
            {"A": "class A", "a": "A(q=3)"},
        ),
        ("f = lambda n: n\n", {"f": "function <lambda>(n)"}),
        ("x = object()\n", {"x": "object object"}),
        ("text = 'it\\'s\\ud800'\n", {"text": '"it\'s\\ud800"'}),
        ("import sys\nx = 1\nsys.exit(0)\n", {"x": "1"}),
    ],
)
def test_what_is_described(real, source, expected):
    assert values(real, source) == expected


HOSTILE = """
class Broken:
    def __repr__(self):
        print("printed while described")
        raise KeyboardInterrupt
class Endless(dict):
    pass
broken, endless = Broken(), Endless()
endless["self"] = endless
type = str = list = len = open = exec = globals = print = vars = isinstance = 3
x = [10 ** 5000] * 100000
"""


def test_a_program_cannot_make_the_reading_fail(real):
    run = run_program(real, HOSTILE, Limits())
    assert run.outcome.finished
    assert run.stdout == run.stderr == ""
    found = dict(run.values)
    assert found["broken"] == "Broken object"
    assert found["type"] == "3"
    assert all(len(text) <= 203 for text in found.values())


def test_there_are_bounds(real):
    many = "\n".join(f"x{number} = {number}" for number in range(MAX_NAMES + 50))
    assert len(values(real, many)) == MAX_NAMES
    assert len(values(real, "x = 'a' * 10**6\n")["x"]) <= 203


def test_a_program_that_fails_leaves_none(real):
    assert run_program(real, "x = 1\ny\n", Limits()).values is None


def test_reading_does_not_change_what_is_printed(real):
    plain = real.run(Program(source="print(1)\nx = 2\n", seed=0))
    read = real.run(Program(source="print(1)\nx = 2\n", seed=0, result=READ_VALUES))
    assert (plain.stdout, plain.outcome) == (read.stdout, read.outcome)


@pytest.mark.parametrize("forged", [None, 3, "text", [1], {1: 2}, {"a": 1}])
def test_a_forged_value_is_text_or_nothing(forged):
    assert values_from(forged) in (None, ())


def test_what_changed():
    before = (("x", "1"), ("y", "2"))
    after = (("x", "1"), ("y", "3"), ("z", "4"))
    assert changed_values(before, after) == (("y", "3"), ("z", "4"))
    assert changed_values(None, after) == changed_values(before, None) == ()
