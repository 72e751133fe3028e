"""Odd values: none forges an equality, and none breaks the comparison."""

from __future__ import annotations

import math

import pytest

from multiturn.sandbox.encoding import MAX_NODES, ArrayData, Opaque
from multiturn.sandbox.oracles.compare import difference, exactly, values_equal
from multiturn.sandbox.oracles.unit_tests import check_tests
from multiturn.sandbox.oracles.verdicts import Judgement, check_value
from multiturn.sandbox.protocol import Limits, Program, Sandbox

pytestmark = pytest.mark.real

LIMITS = Limits(cpu_seconds=5, wall_seconds=60)


@pytest.mark.parametrize(
    ("value", "test", "passes"),
    [
        ("np.float16('inf')", "f() == 10**12", False),
        ("np.float16(70000)", "f() == 10**12", False),
        ("np.float32(16777217)", "f() == 16777217", False),
        ("np.float16('inf')", "f() == float('inf')", True),
        ("np.float64(0.5)", "f() == 0.5 and type(f()) is float", True),
        ("np.int8(-1)", "f() == 255", False),
        ("np.int64(7)", "f() == 7 and type(f()) is int", True),
        ("np.bool_(True)", "f() is True", True),
        ("np.str_('a')", "f() == 'a'", True),
        ("np.datetime64('2020-01-01')", "f() == 0", False),
        ("[np.float16('inf')]", "f() == [10**12]", False),
        ("{np.int64(1): np.float64(2)}", "f() == {1: 2}", True),
        ("{np.float16('inf'): 1}", "f() == {10**12: 1}", False),
        ("np.array(['inf'], dtype='float16')", "(f() == 10**12).all()", False),
        ("np.array([1, 2], dtype='int8')", "(f() == np.array([1, 2])).all()", True),
        ("np.array([0.5], dtype='float32')", "(f() == [0.5]).all()", True),
        ("np.matrix([[1, 2], [3, 4]])", "f().tolist() == [[1, 2], [3, 4]]", True),
        ("np.zeros((3, 0))", "f() == []", False),
        ("np.zeros((3, 0))", "list(f()) == []", False),
        ("np.zeros((3, 0))", "f().tolist() == [[], [], []]", True),
        ("np.zeros((0,))", "f() == []", False),
        ("np.zeros((0, 3))", "f() == []", False),
        ("np.array([1, {}], dtype=object)", "f()[1] == {}", True),
        ("{10**5000: 1}", "f() == {10**5000: 1}", True),
        ("{10**5000: 1}", "f() == {1: 1}", False),
        ("10**5000", "f() == 10**5000", True),
        ("float('nan')", "f() != f()", True),
        ("{float('nan'): 1}", "f() == {1: 1}", False),
        ("-0.0", "f() == 0", True),
        ("1 + 2j", "f() == 1 + 2j", True),
        ("eval('[' * 60 + ']' * 60)", "f() == eval('[' * 60 + ']' * 60)", True),
        ("deep(500)", "f() == []", False),
    ],
)  # fmt: skip
def test_check_tests(sandbox: Sandbox, value: str, test: str, passes: bool) -> None:
    pytest.importorskip("numpy")
    candidate = "def deep(n):\n    return [deep(n - 1)] if n else []\n"
    candidate += f"import numpy as np\ndef f():\n    return {value}\n"
    tests = f"import numpy as np\ndef check(f):\n    assert {test}\n"
    verdict = check_tests(sandbox, candidate, "f", tests, limits=LIMITS, test_limits=LIMITS)
    assert verdict.passed is passes, verdict.describe()
    assert verdict.judgement in (Judgement.PASSED, Judgement.WRONG_ANSWER)


def test_check_tests_of_frames_of_narrow_types(sandbox: Sandbox) -> None:
    pytest.importorskip("pandas")
    candidate = (
        "import numpy as np, pandas as pd\n"
        "def f(): return pd.DataFrame({'a': np.array([0.5], 'float32')})"
    )
    tests = "import pandas as pd\nassert f().equals(pd.DataFrame({'a': [0.5]}))\n"
    assert check_tests(sandbox, candidate, "f", tests, limits=LIMITS, test_limits=LIMITS).passed


def test_arrays_without_columns_are_their_rows() -> None:
    assert ArrayData("float64", (3, 0), ()).tolist() == [[], [], []]
    assert ArrayData("float64", (2, 0, 3), ()).tolist() == [[], []]
    assert ArrayData("float64", (2, 2, 0), ()).tolist() == [[[], []], [[], []]]
    assert ArrayData("float64", (0,), ()).tolist() == []
    assert ArrayData("float64", (0, 3), ()).tolist() == []
    assert ArrayData("int64", (2, 2), (1, 2, 3, 4)).tolist() == [[1, 2], [3, 4]]
    assert not values_equal(ArrayData("float64", (3, 0), ()), [])
    assert values_equal(ArrayData("float64", (3, 0), ()), [[], [], []])


def test_a_shape_of_many_empty_rows_takes_no_memory() -> None:
    value = ArrayData("float64", (MAX_NODES * 1000, 0), ())
    assert isinstance(value.tolist(), Opaque)
    assert not values_equal(value, [])


HUGE = 10**5000
ODD = [
    HUGE, -HUGE, {HUGE: 1}, {(HUGE, 1): 1}, {HUGE}, [HUGE], {math.nan: 1}, math.nan, -0.0, 1j,
    {1j: 1}, b"x", frozenset({1}), {frozenset({1}): 1}, {None: 1}, {True: 1}, {(): 1}, "\ud800",
    float("1e308"), math.inf, Opaque("x"), {"a": {HUGE: HUGE}}, (), [[[[[]]]]],
]  # fmt: skip


@pytest.mark.parametrize("one", range(len(ODD)))
def test_comparing_odd_values_always_ends_with_an_answer(one: int) -> None:
    for other in range(len(ODD)):
        equal = values_equal(ODD[one], ODD[other])
        assert isinstance(equal, bool)
        assert equal or one != other
        assert isinstance(exactly(ODD[one], ODD[other]), bool)
        assert len(difference(ODD[one], ODD[other])) < 600


def test_check_value_of_huge_keys(sandbox: Sandbox) -> None:
    program = Program(source="x = {10**5000: 1}", result="x")
    assert check_value(sandbox, program, {HUGE: 1}, limits=LIMITS).passed
    verdict = check_value(sandbox, program, {"1": 1}, compare=values_equal, limits=LIMITS)
    assert verdict.judgement is Judgement.WRONG_ANSWER
