"""Each quirk of the published scorer by name, and what `strict` says of the same program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from multiturn.benchmarks.arms.layout import header_text
from multiturn.benchmarks.loaders.published import read_published
from multiturn.benchmarks.oracles.answers import judge_answer
from multiturn.benchmarks.problem_set import Problem
from multiturn.sandbox.oracles.verdicts import Judgement
from multiturn.sandbox.protocol import Limits, Sandbox

pytestmark = pytest.mark.real

LIMITS = Limits(cpu_seconds=1.0)


def limits_for(source: str) -> Limits:
    """A program that sleeps has no CPU time to run out of."""
    return Limits(wall_seconds=1.0) if "sleep" in source else LIMITS


@dataclass(frozen=True)
class Quirk:
    """A program, what it should print, and whether each oracle lets it pass."""

    name: str
    source: str
    gold: object
    legacy: bool
    strict: bool


SAME = [
    Quirk("right text", "print('ab')", "ab", True, True),
    Quirk("right number", "print(3)", 3, True, True),
    Quirk("right float", "print(0.1 + 0.2)", 0.3, True, True),
    Quirk("right bool", "print(1 < 2)", True, True, True),
    Quirk("right list", "print([1, 'a', None])", [1, "a", None], True, True),
    Quirk("empty list", "print([])", [], True, True),
    Quirk("wrong text", "print('abc')", "ab", False, False),
    Quirk("wrong number", "print(4)", 3, False, False),
    Quirk("wrong bool", "print(1 > 2)", True, False, False),
    Quirk("wrong list", "print([2, 1])", [1, 2], False, False),
    Quirk("float off by more than a millionth", "print(0.30001)", 0.3, False, False),
    Quirk("nothing printed", "x = [3]\ndel x", 3, False, False),
    Quirk("nothing at all", "", 3, False, False),
    Quirk("only comments", "# print(3)\n", 3, False, False),
    Quirk("does not parse", "print(3)\nx = (", 3, False, False),
    Quirk("raises before it prints", "1 / 0\nprint(3)", 3, False, False),
    Quirk("the last of two prints counts", "print(3)\nprint(4)", 4, True, True),
    Quirk("a print before it does not", "print(3)\nprint(4)", 3, False, False),
    Quirk("a bare last expression is printed", "x = 3\nx", 3, True, True),
    Quirk("tuples in a list", "print([(1, 2), (3, 4)])", [[1, 2], [3, 4]], True, True),
    Quirk("a tuple for a list", "print((1, 2))", [1, 2], True, True),
    Quirk("a whole number for a float", "print(3)", 3.0, True, True),
    Quirk("a print in a branch", "if True:\n    print(3)", 3, True, True),
    Quirk("a print in a function", "def f():\n    print(3)\nfor _ in [1]:\n    f()", 3, True, True),
    Quirk("print with an end", "print(3, end='')", 3, True, True),
    Quirk("print of nothing", "print(3)\nprint()", 3, False, True),
    Quirk("leaves by os._exit", "import os\nprint(3)\nos._exit(0)", 3, False, False),
]

QUIRKS = [
    Quirk("leaves by sys.exit", "import sys\nprint(3)\nsys.exit()", 3, False, True),
    Quirk("a dict gold always fails", "print({'a': 1})", {"a": 1}, False, True),
    Quirk("a dict gold fails for pairs", "print([('a', 1)])", {"a": 1}, False, False),
    Quirk("a null gold always fails", "print(None)", None, False, True),
    Quirk("int() lets 2.99 equal 2", "print(2.99)", 2, True, False),
    Quirk("int() lets '255' equal 255", "print('255')", 255, True, True),
    Quirk("int() lets True equal 1", "print(True)", 1, True, False),
    Quirk("float() lets '2.5' equal 2.5", "print('2.5')", 2.5, True, True),
    Quirk("str() lets 255 equal '255'", "print(255)", "255", True, True),
    Quirk("str() lets True equal 'True'", "print(True)", "True", True, True),
    Quirk("bool gold is compared as text", "print('True')", True, True, True),
    Quirk("bool gold: 1 is not True as text", "print(1)", True, False, False),
    Quirk("list() lets 'abc' equal ['a', 'b', 'c']", "print('abc')", ["a", "b", "c"], True, False),
    Quirk("list() takes the keys of a dict", "print({'a': 1})", ["a"], True, False),
    Quirk("list() takes what a generator gives", "print(map(str, [1]))", ["1"], True, False),
    Quirk("list() of an endless generator", "print(x for x in iter(int, 1))", [1], False, False),
    Quirk("floats in lists compare exactly", "print([0.1 + 0.2])", [0.3], False, True),
    Quirk("floats in nested lists too", "print([[0.1 + 0.2]])", [[0.3]], False, True),
    Quirk("a large float has no relative tolerance", "print(1e12 + 0.1)", 1e12, False, True),
    Quirk("tuples in a list with no tuple first", "print([[1], (2,)])", [[1], [2]], False, True),
    Quirk("True in a list is 1", "print([True, False])", [1, 0], True, False),
    Quirk("not a number is never right", "print(float('nan'))", float("nan"), False, True),
    Quirk("prints, then crashes", "print(3)\n1 / 0", 3, True, False),
    Quirk("prints, then hangs", "print(3)\nwhile True:\n    pass", 3, True, False),
    Quirk("prints, then sleeps", "import time\nprint(3)\ntime.sleep(60)", 3, True, False),
    Quirk("prints, then recurses", "def f():\n    f()\nprint(3)\nf()\nx = 0", 3, True, False),
    Quirk("exit and quit are crashes", "print(3)\nexit()", 3, True, True),
    Quirk("the first argument counts alone", "print(3, 'apples')", 3, True, False),
    Quirk("a label hides the value", "print('total:', 3)", 3, False, False),
    Quirk("a last assignment is printed", "x = 3", 3, True, False),
    Quirk("a last assignment hides a print", "print(3)\nx = 4", 3, False, True),
    Quirk("a last += is printed", "x = 1\nx += 3", 3, True, False),
    Quirk("a last call that prints", "def main():\n    print(3)\nmain()", 3, False, True),
    Quirk("... and None is its text", "def main():\n    print(3)\nmain()", "None", True, False),
    Quirk("any name like print", "def printed(x):\n    return x\nprinted(3)", 3, False, True),
    Quirk("a value changed after the print", "x = [1]\nprint(x)\nfor i in x[:]: x.append(2)", [1],
          False, True),
    Quirk("... is seen as it became", "x = [1]\nprint(x)\nfor i in x[:]: x.append(2)", [1, 2],
          True, False),
    Quirk("a print to another file", "import sys\nprint(4)\nprint(3, file=sys.stderr)", 3,
          True, False),
    Quirk("a set for a list, in its own order", "print({2, 1})", [2, 1], False, True),
    Quirk("a name of the scorer's own", "def print_stack(s):\n    print(s)\nprint_stack(3)", 3,
          False, True),
    Quirk("a print that fails still counts", "print(3, sep=1)", 3, True, False),
]  # fmt: skip

SCIENCE = [
    Quirk("an array", "import numpy as np\nprint(np.array([1, 2]))", [1, 2], True, True),
    Quirk("a matrix", "import numpy as np\nprint(np.eye(2))", [[1, 0], [0, 1]], True, True),
    Quirk("a scalar array", "import numpy as np\nprint(np.array(2))", 2, True, True),
    Quirk("a whole scalar", "import numpy as np\nprint(np.int64(2))", 2, True, True),
    Quirk("a real scalar", "import numpy as np\nprint(np.float64(2.5))", 2.5, True, True),
    Quirk("a truth", "import numpy as np\nprint(np.bool_(True))", True, True, True),
    Quirk("a text scalar", "import numpy as np\nprint(np.str_('a'))", "a", True, True),
    Quirk("scalars in a list", "import numpy as np\nprint([np.int64(2)])", [2], True, True),
    Quirk("floats of an array exactly", "import numpy as np\nprint(np.array([0.1 + 0.2]))", [0.3],
          False, True),
    Quirk("an array of one item in a list", "import numpy as np\nprint([np.array([1])])", [[1]],
          True, True),
    Quirk("arrays in a list are ambiguous", "import numpy as np\nprint([np.array([1, 2])])",
          [[1, 2]], False, True),
    Quirk("a matrix for a flat list", "import numpy as np\nprint(np.array([[1]]))", [1],
          False, False),
    Quirk("a series", "import pandas as pd\nprint(pd.Series([1.0, 2.0]))", [1, 2], True, True),
    Quirk("a series within allclose", "import pandas as pd\nprint(pd.Series([1.000009]))", [1.0],
          True, False),
    Quirk("a series is broadcast", "import pandas as pd\nprint(pd.Series([5, 5, 5]))", 5,
          True, False),
    Quirk("a series over rows", "import pandas as pd\nprint(pd.Series([5, 6]))", [[5, 6], [5, 6]],
          True, False),
    Quirk("a series of another length", "import pandas as pd\nprint(pd.Series([1, 2]))", [1, 2, 3],
          False, False),
    Quirk("a series against ragged rows", "import pandas as pd\nprint(pd.Series([1]))", [[1], []],
          False, False),
    Quirk("a series of text", "import pandas as pd\nprint(pd.Series(['a']))", ["a"], False, True),
    Quirk("a frame gives its columns", "import pandas as pd\nprint(pd.DataFrame({'a': [1]}))",
          ["a"], True, False),
]  # fmt: skip


@pytest.mark.parametrize("quirk", SAME, ids=lambda quirk: quirk.name)
def test_where_the_oracles_agree(quirk: Quirk, sandbox: Sandbox) -> None:
    check(quirk, sandbox)


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_quirk(quirk: Quirk, sandbox: Sandbox) -> None:
    check(quirk, sandbox)


@pytest.mark.parametrize("quirk", SCIENCE, ids=lambda quirk: quirk.name)
def test_quirk_of_numpy_and_pandas(quirk: Quirk, sandbox: Sandbox) -> None:
    pytest.importorskip("numpy")
    if "pandas" in quirk.source:
        pytest.importorskip("pandas")
    check(quirk, sandbox)


def check(quirk: Quirk, sandbox: Sandbox) -> None:
    verdicts = judge_answer(sandbox, quirk.source, quirk.gold, limits=limits_for(quirk.source))
    shown = {name: verdict.describe() for name, verdict in verdicts.items()}
    assert verdicts["legacy"].passed is quirk.legacy, shown
    assert verdicts["strict"].passed is quirk.strict, shown


@pytest.mark.parametrize(
    ("source", "judgement", "said"),
    [
        ("print(4)", Judgement.WRONG_ANSWER, "got 4, expected 3"),
        ("x = [3]\ndel x", Judgement.NO_OUTPUT, "no output"),
        ("print(3)\nx = y", Judgement.PREVENTED, "raised NameError"),
        ("\nprint(3)\nraise KeyError(1)", Judgement.PREVENTED, "line 3"),
        ("print(3)\nx = (", Judgement.PREVENTED, "does not parse"),
        ("print(3)\nwhile True: pass", Judgement.PREVENTED, "used up its CPU time"),
        ("import time\nprint(3)\ntime.sleep(9)", Judgement.PREVENTED, "ran out of time"),
        ("print(3)\nx = 'a' * 2**40", Judgement.PREVENTED, "ran out of memory"),
        ("print('a' * 2**21)\nprint(3)", Judgement.PREVENTED, "printed too much"),
        ("print(3)\nquit(2)", Judgement.PREVENTED, "left early with exit code 2"),
        ("print(3)\nx = '\\x00'", Judgement.PASSED, "passed"),
        ("print(3)\x00", Judgement.PREVENTED, "does not parse"),
    ],
)
def test_strict_says_what_happened(
    source: str, judgement: Judgement, said: str, sandbox: Sandbox
) -> None:
    verdict = judge_answer(sandbox, source, 3, limits=limits_for(source))["strict"]
    assert verdict.judgement is judgement
    assert said in verdict.describe()


HOSTILE = {
    "equals everything": "class E:\n  __eq__ = lambda s, o: True\nprint(E())",
    "equals everything, in a list": "class E:\n  __eq__ = lambda s, o: True\nprint([E(), E()])",
    "a list that lies": "class L(list):\n  __eq__ = lambda s, o: True\nprint(L())",
    "looks for the gold": "import gc\nfor o in gc.get_objects():\n"
    "  if isinstance(o, dict) and 'gold' in o: print(o['gold'])",
    "looks in the frames": "import sys\nf = sys._getframe()\nwhile f:\n"
    "  print(f.f_locals.get('gold')); f = f.f_back",
    "spoils the record": "import sys\nw = sys._getframe(1).f_locals['watch']\n"
    "w.shown = object()\nw.stack.append(0)\nprint = None",
    "another encoder": "import multiturn.sandbox.encoding as e\ne.encode = lambda *a, **k: b'x'",
    "a metaclass": "class M(type):\n  __instancecheck__ = lambda c, o: True\n"
    "class X(metaclass=M): pass\nprint(X)",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=list(HOSTILE))
def test_no_forgery_passes(source: str, sandbox: Sandbox) -> None:
    verdicts = judge_answer(sandbox, source, [1, 2], limits=LIMITS)
    assert not any(verdict.passed for verdict in verdicts.values())
    json.dumps([verdict.describe() for verdict in verdicts.values()])


# The 15 published sample problems: their gold values, printed as they are.

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "mtpb_sample.jsonl"


@pytest.fixture(scope="module")
def sample() -> tuple[Problem, ...]:
    if not SAMPLE.exists():
        pytest.skip(f"the published sample problems are not at {SAMPLE}")
    return read_published(SAMPLE, any_hash=True)[0]


def test_the_gold_of_every_sample_case_passes_but_for_dicts(
    sample: tuple[Problem, ...], sandbox: Sandbox
) -> None:
    assert len(sample) == 15
    for problem in sample:
        head = header_text(problem, "published")
        for gold in problem.outputs:
            verdicts = judge_answer(sandbox, f"{head}print({gold!r})", gold, limits=LIMITS)
            assert verdicts["strict"].passed, problem.id
            assert verdicts["legacy"].passed is not isinstance(gold, dict), problem.id


def test_other_cases_of_a_sample_problem_fail(
    sample: tuple[Problem, ...], sandbox: Sandbox
) -> None:
    for problem in sample:
        first, *others = problem.outputs
        for gold in others:
            if gold != first:
                verdicts = judge_answer(sandbox, f"print({first!r})", gold, limits=LIMITS)
                assert not any(verdict.passed for verdict in verdicts.values()), problem.id


TRICKS = {
    "2": [("'1.8'", False, False), ("tuple(g)", True, True), ("' '.join(g)", False, True)],
    "5": [("g + 0.9", True, False), ("str(g)", True, True), ("float(g)", True, True)],
    "9": [("[g]", False, False), ("g.lower()", False, False), ("(g,)", False, False)],
    "16": [("g == 2", False, False), ("[g]", False, False), ("str(g) + ' '", True, True)],
    "27": [("list(g)", False, False), ("g + ' '", False, True), ("repr(g)", False, True)],
    "33": [("g + 1e-7", True, True), ("f'{g}'", True, True), ("g + 1e-2", False, False)],
    "40": [("str(g)", True, True), ("int(g)", False, False), ("not g", False, False)],
    "61": [("np.int64(g)", True, True), ("g + 0.5", True, False), ("np.array([g])", False, False)],
    "75": [("g + 1e-5", False, False), ("np.float64(g)", True, True), ("str(g)", True, True)],
    "89": [("g", False, True), ("list(g.items())", False, False), ("dict(g, x=1)", False, False)],
    "112": [("g == 'True'", True, True), ("g + '.'", False, False), ("g", True, True)],
}
"""By sample problem: what is printed of its gold value g, and the verdicts of both oracles."""


@pytest.mark.parametrize("number", list(TRICKS))
def test_a_grid_of_answers_to_sample_problems(
    number: str, sample: tuple[Problem, ...], sandbox: Sandbox
) -> None:
    (problem,) = [problem for problem in sample if problem.id == number]
    gold = problem.outputs[0]
    for shown, legacy, strict in TRICKS[number]:
        source = f"{header_text(problem, 'published')}g = {gold!r}\nprint({shown})\n"
        check(Quirk(shown, source, gold, legacy, strict), sandbox)
