"""Running the programs of a problem in the real sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest

from multiturn.benchmarks import trials as trials_module
from multiturn.benchmarks.problem_set import Problem, own_problems
from multiturn.benchmarks.trials import Trial, generate_cases, run_trials
from multiturn.core.errors import InputError
from multiturn.sandbox.protocol import Limits, Sandbox


@pytest.fixture
def problem() -> Problem:
    return next(problem for problem in own_problems() if problem.id == "seat_rows")


def test_what_programs_do_is_told_apart(sandbox: Sandbox) -> None:
    programs = [
        ("x = 2", "print(x + 1)"),
        ("x = 2", "print(x / 0)"),
        ("x = 2", "print((x,))"),
        ("x = 2",),
        ("print(1)", "print(2)"),
        ("print(float('nan'))",),
        ("import sys", "sys.exit(3)"),
        ("x = (", "print(1)"),
    ]
    (attempts,) = run_trials(sandbox, [Trial(tuple(programs))])
    right, raised, pair, silent, twice, nan, left_early, broken = attempts
    assert (right.answer, right.plain, right.printed, right.error) == (3, True, 1, None)
    assert right.left == (("x",), ("x",))
    assert raised.error == "ZeroDivisionError: division by zero"
    assert (pair.answer, pair.plain) == ([2], False)
    assert (silent.printed, silent.plain) == (0, False)
    assert (twice.printed, twice.answer) == (2, 2)
    assert not nan.plain
    assert left_early.error == "SystemExit: 3"
    assert broken.error is not None
    assert broken.error.startswith("SyntaxError")


def test_a_program_that_hangs_spoils_no_other(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials_module, "LIMITS", Limits(cpu_seconds=1.0, wall_seconds=60.0))
    trials = [Trial((("while True: pass",),)), Trial((("print(1)",), ("print(2)",)))]
    hanging, fine = run_trials(sandbox, trials)
    assert hanging[0].error is not None
    assert "CPU" in hanging[0].error
    assert [attempt.answer for attempt in fine] == [1, 2]


def test_cases_do_not_see_each_other(sandbox: Sandbox) -> None:
    (attempts,) = run_trials(
        sandbox, [Trial((("x = 1", "print(x)"), ("print('x' in globals())",)))]
    )
    assert [attempt.answer for attempt in attempts] == [1, False]


def test_generated_cases_are_the_same_for_the_same_seed(sandbox: Sandbox, problem: Problem) -> None:
    first = generate_cases(sandbox, problem, seed=5, count=6)
    assert first == generate_cases(sandbox, problem, seed=5, count=6)
    assert first[:3] == generate_cases(sandbox, problem, seed=5, count=3)
    assert first != generate_cases(sandbox, problem, seed=6, count=6)
    assert all(set(table) == {"people", "width"} for table in first)


def test_a_generator_that_fails_is_named(sandbox: Sandbox, problem: Problem) -> None:
    with pytest.raises(InputError, match="seat_rows: its generator raised ZeroDivisionError"):
        generate_cases(sandbox, replace(problem, generate="return 1 / 0"), seed=0, count=1)
