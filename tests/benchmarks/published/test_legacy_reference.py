"""`legacy` beside an independent reference of the published scorer, on programs of every kind.

They may only differ where docs/decisions/0016-arms-and-oracles.md says so; `NAMED` has a
program for each of these places.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from multiturn.benchmarks.oracles.answers import judge_answer
from multiturn.sandbox.protocol import Limits, Sandbox

pytest.importorskip("numpy")
pytest.importorskip("pandas")

pytestmark = pytest.mark.real

HERE = Path(__file__).parent
Program = tuple[str, str, Any]
SECONDS = 5.0
SLOW_SECONDS = 1.0


def _programs() -> Any:
    spec = importlib.util.spec_from_file_location("programs", HERE / "programs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAMS = _programs()


def reference(programs: Sequence[Program], seconds: float) -> list[bool | None]:
    """The verdicts of the reference; None where a program ends that scorer."""
    asked = "".join(f"{json.dumps([source, gold, seconds])}\n" for _, source, gold in programs)
    done = subprocess.run(
        [sys.executable, HERE / "reference_scorer.py"],
        input=asked, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(programs)
    return found


def ours(programs: Sequence[Program], sandbox: Sandbox, seconds: float) -> list[bool]:
    """The verdicts of `legacy`."""

    def judge(program: Program) -> bool:
        _, source, gold = program
        limits = Limits(cpu_seconds=seconds, wall_seconds=2 if "sleep" in source else 60)
        return judge_answer(sandbox, source, gold, limits=limits)["legacy"].passed

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(judge, programs))


def check(programs: Sequence[Program], sandbox: Sandbox, seconds: float = SECONDS) -> None:
    theirs, found = reference(programs, seconds), ours(programs, sandbox, seconds)
    apart = [
        (name, source, f"{their} there, {our} here")
        for (name, source, _), their, our in zip(programs, theirs, found, strict=True)
        if bool(their) is not our
    ]
    assert apart == []
    assert 0.1 < sum(found) / len(found) < 0.9  # not all of one kind


def test_every_value_beside_every_gold_value(sandbox: Sandbox) -> None:
    check(PROGRAMS.every_value(), sandbox)


def test_every_style_of_printing(sandbox: Sandbox) -> None:
    check(PROGRAMS.every_style(1), sandbox)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_style_with_other_values(sandbox: Sandbox) -> None:
    check(PROGRAMS.every_style(3), sandbox)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_styles_and_values_by_chance(seed: int, sandbox: Sandbox) -> None:
    check(PROGRAMS.mixed(1300, seed), sandbox)


def test_programs_that_do_not_end(sandbox: Sandbox) -> None:
    programs = [(name, text.replace("E", "3"), 3) for name, text in PROGRAMS.SLOW_ENDS.items()]
    check(programs, sandbox, SLOW_SECONDS)


NUMPY = "import numpy as np\n"

NAMED: dict[str, tuple[str, Any, bool | None, bool]] = {
    # What it is about: a program, the gold value, the verdict there and the verdict here.
    "it ends the scorer itself": ("import sys\nprint(3)\nsys.exit()", 3, None, False),
    "... by an exception of its own": ("print(3)\nraise KeyboardInterrupt", 3, None, False),
    "exit caught as what it raises": (
        "try:\n    exit()\nexcept TypeError:\n    print(3)", 3, True, False),
    "functions taken from os": ("import os\nx = os.getcwd()\nprint(3)", 3, False, True),
    "modules taken away": ("import resource\nprint(3)", 3, False, True),
    "objects that compare themselves": (
        "class E:\n    __eq__ = lambda self, other: True\nprint([E()])", [1], True, False),
    "a float32 in a list": (f"{NUMPY}print([np.float32(0.1)])", [0.1], True, False),
    "builtins without an import": ("x = builtins.len\nprint(3)", 3, True, False),
    "__builtins__ as a mapping": ("x = __builtins__['len']\nprint(3)", 3, True, False),
    "standard output has a buffer": (
        "import sys\nsys.stdout.buffer.write(b'x')\nprint(3)", 3, False, True),
    "print as an attribute of a class": (
        "class A:\n    show = print\nfor a in [A()]:\n    a.show(3)", 3, False, True),
    "a program that looks for itself": (
        "import pickle\nclass A:\n    pass\nx = pickle.dumps(A())\nprint(3)", 3, False, True),
    "__file__": ("x = __file__\nprint(3)", 3, False, True),
}  # fmt: skip


def test_where_they_may_differ(sandbox: Sandbox) -> None:
    programs = [(name, source, gold) for name, (source, gold, *_) in NAMED.items()]
    theirs, found = reference(programs, SECONDS), ours(programs, sandbox, SECONDS)
    verdicts = dict(zip(NAMED, zip(theirs, found, strict=True), strict=True))
    assert verdicts == {name: (there, here) for name, (_, _, there, here) in NAMED.items()}


def test_a_star_alone_is_no_program_for_strict(sandbox: Sandbox) -> None:
    """That scorer prints what follows the star, which makes a program of it."""
    verdicts = judge_answer(sandbox, "x = [3, 4]\nprint(3)\n*x", 3)
    assert verdicts["legacy"].passed
    assert not verdicts["strict"].passed
    assert "does not parse" in verdicts["strict"].describe()
