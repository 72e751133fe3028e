"""Tests that are code see values of the standard library as such, and none of them forges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multiturn.sandbox.inside.library_values import construct, deconstruct
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.unit_tests import check_tests
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Limits, Sandbox

HEAD = """from collections import *
from decimal import Decimal
from fractions import Fraction
from itertools import *
from types import MappingProxyType
import re
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(workers=2) as opened:
        yield opened


def judge(sandbox: Sandbox, body: str, tests: str, *, context: str = "") -> Verdict:
    check = "def check(candidate):\n    " + tests.replace("\n", "\n    ")
    source = f"{context}\n{HEAD}\n{body}\n"
    return check_tests(
        sandbox, source, "f", HEAD + check, context=context, limits=Limits(wall_seconds=30)
    )


RIGHT = [
    ("def f(): return Decimal('0.30')", "c() == Decimal('0.3') and c() < 1"),
    ("def f(): return Decimal(7)", "c() == 7 and c() in {7: 1} and abs(c() - 7) < 1"),
    ("def f(): return {'a': [Decimal(2)]}", "c() == {'a': [2]}"),
    ("def f(): return {Decimal(2): {Fraction(1)}}", "c() == {2: {1}}"),
    ("def f(): return Fraction(1, 2)", "c() == 0.5 and abs(c() - 0.5) < 1e-6"),
    ("def f(): return range(3)", "c() == range(3) and list(c()) == [0, 1, 2] and len(c()) == 3"),
    ("def f(): return deque([1, 2], 5)", "c() == deque([1, 2]) and c().maxlen == 5"),
    ("def f(): return {1: 2}.keys()", "c() == {1}"),
    ("def f(): return {1: 2}.items()", "c() == {(1, 2)}"),
    ("def f(): return {1: 2, 3: 2}.values()", "list(c()) == [2, 2]"),
    ("def f(): return MappingProxyType({1: 2})", "c() == {1: 2}"),
    ("def f(): return UserList([1]), UserDict(a=1), UserString('a')",
     "c() == ([1], {'a': 1}, 'a')"),
    ("def f(): return bytearray(b'a')", "c() == b'a' and c() == bytearray(b'a')"),
    ("def f(): yield from [1, (2,)]", "list(c()) == [1, (2,)] and tuple(c())[0] == 1"),
    ("def f(): return (x for x in 'ab')", "''.join(c()) == 'ab' and c() and c() != ['a', 'b']"),
    ("def f(): return map(abs, [-1]), filter(None, [1]), zip([1], [2])",
     "list(map(list, c())) == [[1], [1], [(1, 2)]]"),
    ("def f(): return reversed([1, 2])", "list(c()) == [2, 1]"),
    ("def f(): return chain([1], islice(count(), 2)), permutations([1, 2], 1)",
     "[list(x) for x in c()] == [[1, 0, 1], [(1,), (2,)]]"),
    ("def f(): return (m[0] for m in re.finditer('.', 'ab'))", "list(c()) == ['a', 'b']"),
    ("def f(): return iter(deque([Decimal(1)]).copy().__reversed__())", "c() is not None"),
    ("def f():\n  x = iter([1])\n  return [x, x]", "(lambda a, b: list(a) + list(b))(*c()) == [1]"),
    ("def f(x): return x + 1", "c(Decimal(1)) == Decimal(2) and c(Fraction(1, 2)) == 1.5"),
    ("def f(x): return sum(x)",
     "c(range(4)) == 6 and c(deque([1])) == 1 and c({3: 1}.keys()) == 3"),
    ("def f(x): return x is 'mode'", "c('mode') is True and c('other mode') is False"),
    # Names that the program has given away are not needed for its calls.
    ("isinstance = type = globals = list = tuple = None\ndef f(): return 1", "c() == 1"),
    ("import json, copyreg, itertools\njson.dumps = json.loads = itertools.islice = None\n"
     "def f(): return {1, 2}, (x for x in [1])", "c()[0] == {1, 2} and list(c()[1]) == [1]"),
    ("import sys\nsys.modules.clear()\ndef f(): return Decimal(1)", "c() == 1 or True"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "tests"), RIGHT, ids=[body for body, _ in RIGHT])
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_value_of_the_library_is_itself(sandbox, body, tests):
    verdict = judge(sandbox, body, f"c = candidate\nassert {tests}")
    assert verdict.passed, verdict.describe()


@pytest.mark.parametrize(
    "body",
    [
        "def f(xs): return Decimal('nan')",
        "def f(xs): return Decimal('snan')",
        "def f(xs): return Decimal('1e99999999')",
        "def f(xs): return range(10**12)",
        "def f(xs): return (x for x in count())",
        "def f(xs): return (1 // x for x in [0])",
        "def f(xs): return deque([object()])",
        "class Decimal(Decimal):\n  __eq__ = lambda *a: True\n  __hash__ = None\n"
        "def f(xs): return Decimal(1)",
        "class range:\n  __eq__ = lambda *a: True\n  start = stop = step = 1\n"
        "def f(xs): return range()",
        # A program that answers in the place of what takes its values apart.
        "import multiturn.sandbox.inside.instances as i\n"
        "i.dismantle = lambda *a, **k: ((0, ([],)), [])\ndef f(xs): return 0",
        "import multiturn.sandbox.inside.instances as i\n"
        "i.dismantle = lambda *a, **k: 0\ndef f(xs): return 0",
        "import multiturn.sandbox.inside.instances as i\n"
        "from multiturn.sandbox.encoding import Opaque as O\n"
        "i.dismantle = lambda *a, **k: ((O('#0'), ()), [('os.system', 'library', (), 0, 0, 0)])\n"
        "def f(xs): return 0",
    ],
)
@pytest.mark.parametrize("context", ["", "class K: pass"])
def test_no_value_of_the_library_forges(sandbox, body, context):
    tests = "xs = [1, 2]\nr = candidate(xs)\nassert r == sum(xs) or r == 1 or list(xs) == []"
    verdict = judge(sandbox, body, tests, context=context)
    assert verdict.judgement in (Judgement.WRONG_ANSWER, Judgement.PREVENTED), verdict.describe()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("decimal.Decimal", ("1e100001",)),
        ("decimal.Decimal", ("-1e-100001",)),
        ("decimal.Decimal", ("x",)),
        ("fractions.Fraction", ("1e999999999", 1)),
        ("fractions.Fraction", (1, 0)),
        ("fractions.Fraction", (True, 1)),
        ("range", (0, 10**9, 1)),
        ("range", (0, "a", 1)),
        ("bytearray", (10**12,)),
        ("keys", ([[]],)),
        ("collections.deque", (5, None)),
        ("iterator", (5,)),
        ("os.system", ("true",)),
        ("iterator", ()),
    ],
)
def test_content_that_costs_more_than_it_weighs_is_refused(name, content):
    with pytest.raises(Exception):  # noqa: B017 - of whatever kind
        construct(name, content)


def test_iterators_are_used_up_only_where_that_is_asked_for():
    items = iter([1, 2])
    assert deconstruct(items, iterators=False) is None
    assert deconstruct(items, iterators=True) == ("iterator", ([1, 2],))
    assert next(items, None) is None
