"""Runs programs of a problem on many cases, in one sandboxed process per program.

A process per case would spend most of its time on startup, so one process runs a program on all of
its cases, each in a namespace of its own. A program that hangs or dies affects only its own cases.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from multiturn.benchmarks.problem_set import Problem
from multiturn.core.errors import InputError
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.text.format_template import fill_code

__all__ = ["LIMITS", "Attempt", "Trial", "generate_cases", "run_trials"]

LIMITS = Limits(cpu_seconds=10.0, wall_seconds=60.0)

_DRIVER = '''\
import contextlib, io, json, math

def plain(value):
    """The value as JSON has it, and whether it was so already."""
    if value is None or type(value) in (bool, int, str):
        return value, True
    if type(value) is float:
        return (value, True) if math.isfinite(value) else (repr(value), False)
    if type(value) in (list, tuple):
        parts = [plain(item) for item in value]
        return [part for part, _ in parts], type(value) is list and all(ok for _, ok in parts)
    if type(value) is dict:
        parts = {str(key): plain(item) for key, item in value.items()}
        ok = all(type(key) is str for key in value) and all(ok for _, ok in parts.values())
        return {key: part for key, (part, _) in parts.items()}, ok
    if hasattr(value, "tolist"):
        return plain(value.tolist())[0], False
    return repr(value), False

def attempt(sources):
    printed, left = [], []
    def record(*args, **kwargs):
        printed.append(args[0] if args else "")
    space = {"__name__": "__main__", "__builtins__": __builtins__, "print": record}
    own = set(space)
    error = None
    try:
        for source in sources:
            exec(compile(source, "turn", "exec"), space)
            left.append([name for name in space if name not in own])
    except (Exception, SystemExit) as fault:
        error = f"{type(fault).__name__}: {fault}"[:500]
    answer, ok = plain(printed[-1]) if printed else (None, False)
    return {"error": error, "answer": answer, "plain": ok, "printed": len(printed), "left": left}

'''
_GENERATOR = """\
import json, random

def generate(rng):
{body}

report = json.dumps([generate(random.Random(seed)) for seed in {seeds!r}])
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a program did on one case."""

    error: str | None
    """Why the program failed; None if it finished."""
    answer: object = None
    """The first argument of its last `print`, as plain data."""
    plain: bool = False
    """Whether the printed value itself was plain data: no tuple, numpy scalar or NaN."""
    printed: int = 0
    """The number of calls of `print`."""
    left: tuple[tuple[str, ...], ...] = ()
    """The global names after each part."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A program to run on several cases: for each case, its parts in order."""

    cases: tuple[tuple[str, ...], ...]

    @classmethod
    def of(
        cls,
        problem: Problem,
        tables: Iterable[Mapping[str, object]],
        *,
        turns: Sequence[str] | None = None,
        joined: bool = False,
    ) -> Trial:
        """A trial of a program for `problem`.

        Args:
            problem: the problem.
            tables: the variables of each case.
            turns: the templates of its code, by turn; the reference by default.
            joined: run the turns as a single part.
        """
        code = turns if turns is not None else [turn.reference for turn in problem.turns]
        cases = []
        for table in tables:
            parts = tuple(fill_code(part, table) for part in code)
            # The header is in the first part, so that there is one part per turn.
            parts = (f"{problem.header}\n{parts[0]}", *parts[1:])
            cases.append(("\n\n".join(parts),) if joined else parts)
        return cls(tuple(cases))


def run_trials(sandbox: Sandbox, trials: Sequence[Trial]) -> list[tuple[Attempt, ...]]:
    """Run the trials in parallel; each gives one attempt per case.

    Raises:
        SandboxUnavailableError: the sandbox itself failed.
    """
    programs = []
    for trial in trials:
        cases = json.dumps(trial.cases)
        call = f"report = json.dumps([attempt(case) for case in json.loads({cases!r})])\n"
        programs.append((Program(source=_DRIVER + call, result="report"), LIMITS))
    found: list[tuple[Attempt, ...]] = [()] * len(trials)
    for index, result in sandbox.run_many(programs):
        size = len(trials[index].cases)
        if result.outcome.finished and isinstance(result.value, str):
            found[index] = tuple(_attempt(data) for data in json.loads(result.value))
        else:
            found[index] = (Attempt(error=result.outcome.describe()),) * size
    return found


def _attempt(data: dict[str, object]) -> Attempt:
    left = data.pop("left")
    names = tuple(tuple(part) for part in left) if isinstance(left, list) else ()
    return Attempt(**data, left=names)  # type: ignore[arg-type]


def generate_cases(
    sandbox: Sandbox, problem: Problem, *, seed: int, count: int
) -> tuple[Mapping[str, object], ...]:
    """New tables of variables; the same for the same seed on every machine.

    Raises:
        InputError: the generator fails.
        SandboxUnavailableError: the sandbox itself failed.
    """
    body = "\n".join(f"    {line}" for line in problem.generate.splitlines())
    seeds = [f"{problem.id}/{seed}/{number}" for number in range(count)]
    source = _GENERATOR.format(body=body, seeds=seeds)
    result = sandbox.run(Program(source=source, result="report"), LIMITS)
    if not result.outcome.finished or not isinstance(result.value, str):
        raise InputError(f"{problem.id}: its generator {result.outcome.describe()}")
    return tuple(json.loads(result.value))
