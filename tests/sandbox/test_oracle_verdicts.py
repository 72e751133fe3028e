"""Verdicts on real programs in a real sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.core.errors import InputError
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.compare import values_equal
from multiturn.sandbox.oracles.unit_tests import check_tests
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict, check_stdout, check_value
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits, Program, Sandbox

pytestmark = pytest.mark.real

LIMITS = Limits(cpu_seconds=2, wall_seconds=60)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(workers=2) as opened:
        yield opened


def judge(sandbox, candidate, tests, **options) -> Verdict:
    return check_tests(sandbox, candidate, "f", tests, limits=LIMITS, **options)


def test_a_value_is_right_wrong_absent_or_prevented(sandbox):
    def check(source, expected=(1, [2.0]), **options):
        return check_value(sandbox, Program(source=source, result="x"), expected, **options)

    assert check("x = (1, [2.0])").passed
    wrong = check("x = (1, [2])")
    assert wrong.judgement is Judgement.WRONG_ANSWER
    assert wrong.difference.endswith("they part at [1][0]: 2 is not 2.0")
    assert check("x = (1, [2])", compare=values_equal).passed
    assert check("x = None").judgement is Judgement.NO_OUTPUT
    raised = check("x = 1\nx = 1 / 0")
    assert raised.judgement is Judgement.PREVENTED
    assert raised.outcome.line == 2
    assert "ZeroDivisionError" in raised.describe()
    assert check("x = 1; import os; os._exit(0)").outcome.status is Status.EARLY_EXIT
    with pytest.raises(InputError, match="no result"):
        check_value(sandbox, Program(source="x = 1"), 1)


def test_printed_text_is_right_wrong_absent_or_prevented(sandbox):
    def check(source, expected="1\n2\n"):
        return check_stdout(sandbox, Program(source=source), expected, limits=LIMITS)

    assert check("print(1)\nprint('2 ')").passed
    assert check("").judgement is Judgement.NO_OUTPUT
    assert check("", expected="").passed
    wrong = check("print(1)\nprint(3)")
    assert wrong.judgement is Judgement.WRONG_ANSWER
    assert "line 2: '3' is not '2'" in wrong.describe()
    assert check("print(1)\nprint(2)\nimport sys; sys.exit(0)").passed
    exited = check("print(1)\nprint(2)\nimport sys; sys.exit(1)")
    assert exited.judgement is Judgement.PREVENTED
    spinning = check("while True: pass")
    assert spinning.outcome.status in (Status.TIMED_OUT_CPU, Status.TIMED_OUT_WALL)


def test_tests_in_the_two_usual_forms(sandbox):
    candidate = "def f(a, b=1):\n    return a + b\n"
    defined = "def check(c):\n    assert c(1) == 2\n    assert c(1, b=2) == 3"
    assert judge(sandbox, candidate, defined).passed
    assert judge(sandbox, candidate, "assert f(2, 3) == 5\nassert f('a', 'b') == 'ab'").passed
    wrong = judge(sandbox, candidate, "assert f(1) == 2\nassert f(2) == 4, 'sums'")
    assert wrong.judgement is Judgement.WRONG_ANSWER
    assert "sums" in wrong.difference
    assert "line 2" in wrong.difference


def test_the_context_helps_the_tests_and_not_the_candidate(sandbox):
    context = "def double(x):\n    return 2 * x\n\ndef f(x):\n    '''The prompt.'''\n"
    tests = "def check(candidate):\n    assert candidate(3) == double(3)\n"
    assert judge(sandbox, "def f(x): return x + x", tests, context=context).passed
    leaning = judge(sandbox, "def f(x): return double(x)", tests, context=context)
    assert leaning.judgement is Judgement.PREVENTED
    assert "NameError" in leaning.outcome.error


@pytest.mark.parametrize(
    "value",
    ["None", "True", "-1", "10 ** 50", "1.5", "float('inf')", "1 + 2j", "'ü\\ud800'", "b'\\xff'",
     "[1, (2, {3})]", "{1: {'a': None}}", "frozenset({1})", "()", "set()", "range(3) and [0]"],
)  # fmt: skip
def test_plain_values_cross_both_ways(sandbox, value):
    tests = (
        f"def check(c):\n    v = {value}\n    assert c(v) == v\n    assert type(c(v)) is type(v)"
    )
    assert judge(sandbox, "def f(x): return x", tests).passed


def test_numpy_values_cross(sandbox):
    pytest.importorskip("numpy")
    candidate = "import numpy as np\ndef f(x): return np.array(x) * 2\n"
    tests = "import numpy as np\nassert (f([1, 2]) == np.array([2, 4])).all()\n"
    assert judge(sandbox, candidate, tests).passed
    scalar = "import numpy as np\ndef f(x): return np.float64(x) / 3\n"
    assert judge(sandbox, scalar, "assert abs(f(1) - 1 / 3) < 1e-9").passed


def test_what_is_no_plain_data_equals_nothing(sandbox):
    for body in ("return f", "return object()", "return lambda: [1]", "return type(f)"):
        tests = "r = f()\nassert r == r or r == [1] or list(r) == [1]"
        assert judge(sandbox, f"def f(): {body}", tests).judgement is Judgement.WRONG_ANSWER


def test_exceptions_of_the_candidate_arrive_with_their_type(sandbox):
    candidate = "def f(x):\n    raise ValueError('no ' + x)\n"
    tests = """
try:
    f("way")
except ValueError as error:
    assert str(error) == "no way"
else:
    assert False
"""
    assert judge(sandbox, candidate, tests).passed
    unexpected = judge(sandbox, candidate, "assert f('x') == 1")
    assert unexpected.judgement is Judgement.PREVENTED
    assert (unexpected.outcome.error, unexpected.outcome.line) == ("ValueError: no x", 2)


@pytest.mark.parametrize(
    "error", ["StopIteration", "StopAsyncIteration", "GeneratorExit", "KeyboardInterrupt"]
)
def test_an_exception_cannot_end_a_loop_of_the_tests(sandbox, error):
    tests = "assert all(map(lambda pair: f(pair[0]) == pair[1], [(1, 2), (2, 3)]))\n"
    assert judge(sandbox, "def f(x): return x + 1", tests).passed
    assert not judge(sandbox, f"def f(x): raise {error}", tests).passed


def test_arguments_are_passed_by_value_unless_asked(sandbox):
    candidate = "def f(xs):\n    xs.sort()\n"
    tests = "xs = [3, 1, 2]\nf(xs)\nassert xs == [1, 2, 3]\n"
    assert judge(sandbox, candidate, tests).judgement is Judgement.WRONG_ANSWER
    assert judge(sandbox, candidate, tests, in_place=True).passed
    # Why it has to be asked for: in one process this cheat would pass.
    cheat = "def f(xs):\n    xs.clear()\n    return 0\n"
    assert not judge(sandbox, cheat, "xs = [1, 2]\nassert f(xs) == sum(xs)").passed


def test_the_limits_hold_for_all_calls_together(sandbox):
    candidate = "def f():\n    s = 0\n    for i in range(3_000_000): s += i\n    return True\n"
    limits = Limits(cpu_seconds=1, wall_seconds=20)
    verdict = check_tests(sandbox, candidate, "f", "for _ in range(500): assert f()", limits=limits)
    assert verdict.judgement is Judgement.PREVENTED
    assert verdict.outcome.status in (Status.TIMED_OUT_CPU, Status.TIMED_OUT_WALL)


def test_tests_that_do_not_end_decide_nothing(sandbox):
    short = Limits(cpu_seconds=0.5, wall_seconds=3)
    verdict = judge(sandbox, "def f(): return 1", "f()\nwhile True: pass", test_limits=short)
    assert verdict.judgement is Judgement.UNDECIDED
    assert not verdict.passed


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("assert 1 / 0", "fail by themselves"),
        ("def check(c):\n    assert (", "fail by themselves"),
        ("assert True", "pass without a call"),
        ("def chekc(c):\n    assert c(1) == 2", "pass without a call"),
    ],
)
def test_tests_that_cannot_test_are_refused(sandbox, tests, message):
    with pytest.raises(InputError, match=message):
        judge(sandbox, "def f(x): return 2", tests)
    with pytest.raises(InputError, match="not the name"):
        check_tests(sandbox, "", "f(x)", "assert f(1)")


def test_a_candidate_that_does_not_load_gets_the_reason(sandbox):
    for candidate, status in (
        ("def f(:", Status.SYNTAX_ERROR),
        ("import sys; sys.exit(0)", Status.EARLY_EXIT),
        ("raise KeyError(1)", Status.RAISED),
        ("while True: pass", Status.TIMED_OUT_CPU),
    ):
        verdict = check_tests(
            sandbox, candidate, "f", "assert f(1)", limits=Limits(cpu_seconds=1, wall_seconds=20)
        )
        assert (verdict.judgement, verdict.outcome.status) == (Judgement.PREVENTED, status)


# Each would pass tests that ran in its own process, or look to a harness like a pass.
FORGERIES = {
    "equals everything": "class E:\n  __eq__ = lambda s, o: True\ndef f(x): return E()",
    "lying text": "class S(str):\n  __eq__ = lambda s, o: True\n  __hash__ = str.__hash__\n"
    "def f(x): return S('no')",
    "lying number": "class I(int):\n  __eq__ = lambda s, o: True\n  __hash__ = int.__hash__\n"
    "def f(x): return I(1)",
    "lying list": "class L(list):\n  __eq__ = lambda s, o: True\ndef f(x): return L()",
    "exit": "import os\ndef f(x): os._exit(0)",
    "system exit": "import sys\ndef f(x): sys.exit(0)",
    "assertion removed": "import builtins\nbuiltins.AssertionError = KeyError\ndef f(x): return 0",
    "gc": "import gc\ndef f(x):\n  for o in gc.get_objects():\n    if isinstance(o, dict) and"
    " o.get('gold'): return o['gold']\n",
    "frames": "import sys\ndef f(x):\n  frame = sys._getframe()\n  while frame:\n"
    "    if 'gold' in frame.f_locals: return frame.f_locals['gold']\n    frame = frame.f_back",
    "encoder": 'import json\njson.dumps = lambda *a, **k: \'["", "secret-gold"]\'\n'
    "def f(x): return True",
    "just too deep": "def f(x):\n  y = 1\n  for _ in range(62): y = [y]\n  return y",
    "just too large": "def f(x): return 'x' * (16 * 2**20 - 10)",
    "deep": "def f(x):\n  y = []\n  for _ in range(10**5): y = [y]\n  return y",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=list(FORGERIES))
def test_no_forgery_passes(sandbox, forgery):
    tests = (
        "def check(candidate):\n    gold = 'secret-' + 'silver'\n    assert candidate(1) == gold\n"
    )
    verdict = judge(sandbox, forgery, tests)
    assert not verdict.passed
    assert verdict.judgement in (Judgement.WRONG_ANSWER, Judgement.PREVENTED)
    value = Program(source=forgery.replace("def f(x)", "def f(x=1)") + "\nx = f()", result="x")
    assert not check_value(sandbox, value, "secret-silver", limits=LIMITS).passed
