"""Builds the JSON lines from the problem files. Run ``python -m tools.problem_set.build``.

The gold values come from running the reference; no person types them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from multiturn.benchmarks.problem_set import CATEGORIES, INCLUDED_SETS, Problem, to_lines
from multiturn.benchmarks.trials import Trial, run_trials
from multiturn.core.errors import InputError, MultiturnError
from multiturn.core.files import write_atomically
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox
from tools.problem_set.authored import AuthoredProblem, of_set, problems_directory, read_authored

__all__ = ["build", "main"]


def build(sandbox: Sandbox, authored: Mapping[str, AuthoredProblem]) -> tuple[Problem, ...]:
    """The problems with their gold values, by category and then by name.

    Raises:
        InputError: a reference fails, or its answer is not plain data.
        SandboxUnavailableError: the sandbox itself failed.
    """
    problems = sorted(
        (problem.problem(identity) for identity, problem in authored.items()),
        key=lambda problem: (CATEGORIES.index(problem.category), problem.id),
    )
    trials = [Trial.of(problem, problem.inputs, joined=True) for problem in problems]
    built = []
    for problem, attempts in zip(problems, run_trials(sandbox, trials), strict=True):
        for attempt in attempts:
            if attempt.error or not attempt.plain:
                reason = attempt.error or f"does not print plain data: {attempt.answer!r}"
                raise InputError(f"the reference of {problem.id} fails: {reason}")
        built.append(replace(problem, outputs=tuple(attempt.answer for attempt in attempts)))
    return tuple(built)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the JSON lines of every set."""
    parser = argparse.ArgumentParser(description="Build the problem sets from their problem files.")
    parser.add_argument(
        "--output",
        type=Path,
        default=next(iter(INCLUDED_SETS.values())).path.parent,
        help="the directory to write to (default: the one in the package)",
    )
    options = parser.parse_args(arguments)
    try:
        authored = read_authored(problems_directory().glob("*/*.yaml"))
        with open_sandbox() as sandbox:
            for included in INCLUDED_SETS.values():
                problems = build(sandbox, of_set(authored, included))
                path = options.output / included.path.name
                write_atomically(path, to_lines(problems))
                print(f"{len(problems)} problems in {path}")
    except MultiturnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
