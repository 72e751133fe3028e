"""Runs candidates: the program so far with each, followed by the person's examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag

from multiturn.sandbox.oracles.compare import values_equal
from multiturn.sandbox.oracles.printed import printed_matches
from multiturn.sandbox.outcomes import RunResult
from multiturn.sandbox.protocol import Limits, Program, Sandbox
from multiturn.synthesis.feed import Feed
from multiturn.synthesis.program_text import PYTHON
from multiturn.synthesis.records import Example, ProgramRun
from multiturn.synthesis.values import READ_VALUES
from multiturn.text.languages import Language

__all__ = ["READS_INPUT", "Execution", "output_matches", "run_program", "run_programs"]

READS_INPUT = "the program reads its standard input, which is empty"
"""The note of a run."""

Results = Iterator[tuple[int, RunResult]]


@dataclass(frozen=True, slots=True)
class Execution:
    """The run of program `index`."""

    index: int
    run: ProgramRun
    examples_passed: tuple[bool, ...]
    """Whether each example holds."""
    checks_passed: int = 0
    """How many checks hold."""


def run_program(
    sandbox: Sandbox, source: str, limits: Limits, written_in: Language = PYTHON
) -> ProgramRun:
    """Run one program."""
    result = sandbox.run(_program(source, written_in, READ_VALUES), limits)
    return _run_of(result, source, written_in)


def run_programs(
    sandbox: Sandbox,
    sources: Sequence[str],
    examples: Sequence[Example],
    limits: Limits,
    cancel: Flag | None = None,
    *,
    checks: Sequence[Example] = (),
    written_in: Language = PYTHON,
) -> Iterator[Execution]:
    """Run programs in parallel and check the examples; yields each as it finishes.

    An example with an expression needs a run of its own, because the expression may have side
    effects. So does a check, which the model wrote. Once `cancel` is set this ends soon; running
    programs are left to their limits.
    """
    for index, result in _until_cancelled(
        sandbox.run_many((_program(source, written_in, READ_VALUES), limits) for source in sources),
        cancel,
    ):
        passed: list[bool] = []
        if result.outcome.finished:
            tests = (*examples, *checks)
            values = {}
            if written_in.inspects:
                values = _values(sandbox, sources[index], tests, limits, cancel)
            for number, example in enumerate(tests):
                if example.expression is None:
                    passed.append(output_matches(result.stdout_text, example.expected))
                else:
                    passed.append(
                        number in values and values_equal(values[number], example.expected)
                    )
        else:
            passed = [False] * len(examples)
        yield Execution(
            index,
            _run_of(result, sources[index], written_in),
            tuple(passed[: len(examples)]),
            sum(passed[len(examples) :]),
        )


def output_matches(stdout: str, expected: object) -> bool:
    r"""Whether the output ends with what is expected, by the rule of the strict oracle.

    Empty text is also expected of a program that prints nothing.

    Example:
        >>> output_matches("total\n3.0\n", 3), output_matches("[1, 3]\n", [1, 2])
        (True, False)
    """
    return (expected == "" and not stdout) or printed_matches(stdout, expected)


def _program(source: str, written_in: Language, result: str) -> Program:
    # One seed for all runs: a program with random numbers prints the same when it runs again
    # with the next step.
    return Program(
        source=source,
        language=written_in.key,
        result=result if written_in.inspects else None,
        seed=0,
    )


def _run_of(result: RunResult, source: str, written_in: Language) -> ProgramRun:
    """The record of a run; it notes that a program reads input, which is empty."""
    run = ProgramRun.from_result(result)
    if written_in.reads_input and re.search(written_in.reads_input, source):
        run = replace(run, notes=(*run.notes, READS_INPUT))
    return run


def _values(
    sandbox: Sandbox,
    source: str,
    examples: Sequence[Example],
    limits: Limits,
    cancel: Flag | None,
) -> dict[int, object]:
    """The values of the expressions of examples, by the number of the example."""
    expressions = [
        (number, example.expression)
        for number, example in enumerate(examples)
        if example.expression is not None
    ]
    if not expressions:
        return {}
    programs = ((_program(source, PYTHON, expression), limits) for _, expression in expressions)
    return {
        expressions[at][0]: result.value
        for at, result in _until_cancelled(sandbox.run_many(programs), cancel)
        if result.outcome.finished
    }


def _until_cancelled(results: Results, cancel: Flag | None) -> Results:
    """The results as they arrive, until `cancel` is set.

    A sandbox cannot stop a program, so a thread waits for it: a person who cancels does not have
    to wait for an infinite loop.
    """
    if cancel is None:
        yield from results
        return
    feed: Feed[tuple[int, RunResult]] = Feed(cancel)
    feed.add(results)
    yield from feed
