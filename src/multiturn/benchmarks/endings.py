"""Whether a program that failed would have passed if its last text had ended earlier.

A model that generates more after its answer fails, and so does one that was cut too late, although
what it wrote was right up to some statement. A last text is everything that was generated, with
what a truncation removed from it. Tried are its ends after each statement at the top level that may
print, in order. So the result bounds what any stop rule could make of the same text, as far as the
text goes. Texts before the last one stay as they were.

Lines go to `ENDINGS` in the directory of the run, one for each sample that failed
(`runner.side_file`); the samples and their verdicts stay as they are.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.oracles.versions import oracle_versions_of
from multiturn.benchmarks.runner.results import SavedRun
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.runner.side_file import add_missing_lines
from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.sandbox.oracles.verdicts import Judgement
from multiturn.sandbox.protocol import Sandbox
from multiturn.synthesis.parsing import parse_module

__all__ = ["ENDINGS", "ENDING_ARMS", "SCHEMA", "Ending", "endings_of", "record_endings"]

SCHEMA = "multiturn.bench-endings/1"
ENDINGS = "endings.jsonl"

ENDING_ARMS = ("turns", "concat", "listed", "prose", "shuffled", "feedback")
"""The arms whose programs end with the last text that was generated."""

_SILENT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
"""Statements that print nothing themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The earliest end of a program with which it passes.

    Attributes:
        passes_after: the last line of the program that passes, from 1; None if none does.
        tried: how many ends were tried.
    """

    passes_after: int | None
    tried: int


def endings_of(sample: Sample) -> list[str]:
    """The program of a sample with each earlier end of its last text, the shortest first.

    Args:
        sample: of one of `ENDING_ARMS`, in Python.

    Returns:
        No program for a text without a statement that may print, or below code that does not
        parse. The judged program itself is left out.
    """
    if not sample.steps:
        return []
    step = sample.steps[-1]
    place = sample.program.rfind(step.text) if step.text else len(sample.program)
    if place < 0:
        return []
    # Not every truncation is a cut alone.
    text = step.raw_text if step.raw_text.startswith(step.text) else step.text
    lines = _lines(sample.program[:place] + text)
    first = len(_lines(sample.program[:place]))
    tree = _longest_module(lines, first)
    if tree is None:
        return []
    ends = dict.fromkeys(
        node.end_lineno
        for node in tree.body
        if node.end_lineno is not None and node.end_lineno >= first and _may_print(node)
    )
    programs = ("\n".join(lines[:end]) + "\n" for end in ends)
    return [each for each in programs if each.strip() != sample.program.strip()]


def record_endings(
    sandbox: Sandbox,
    task: ProblemTask,
    run: SavedRun,
    *,
    fresh: bool = False,
    listen: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Try earlier ends of the failed samples of a run that have no line yet, and save the result.

    Args:
        sandbox: runs the programs.
        task: the problems of the run under its arm.
        run: the run.
        fresh: drop earlier lines.
        listen: receives how many samples of how many have a line.

    Returns:
        How many samples were examined now.

    Raises:
        InputError: the arm or the language has no such ends, the run has other problems, or
            earlier lines are damaged or of another version of the oracle.
        SandboxUnavailableError: the sandbox failed. Lines so far are saved.
        StorageError: another process works on the run, or the file cannot be written.
    """
    if run.config.arm not in ENDING_ARMS:
        raise InputError(
            "the programs of this arm do not end with a generated text",
            got=run.config.arm,
            allowed=", ".join(ENDING_ARMS),
        )
    if task.language != "python":
        raise InputError("ends are known for Python alone", got=task.language)
    if task.problems_sha256 != run.config.problems_sha256:
        raise InputError("the run is of another version of the problems", got=str(run.path))
    oracle = run.config.oracles[0]
    header = {
        "schema": SCHEMA,
        "problems_sha256": run.config.problems_sha256,
        "oracles": oracle_versions_of(run.config.versions, [oracle]),
    }
    wanted = [sample for sample in run.samples if not sample.verdicts[oracle].passed]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:

        def examine(samples: Sequence[Sample]) -> list[Mapping[str, Any]]:
            found = pool.map(lambda each: _best_ending(sandbox, task, each, oracle), samples)
            return [to_plain(each) for each in found]

        return add_missing_lines(
            run.path / ENDINGS, header, wanted, examine,
            fresh=fresh, mismatch="the run has lines of another judgement", listen=listen,
        )  # fmt: skip


def _best_ending(sandbox: Sandbox, task: ProblemTask, sample: Sample, oracle: str) -> Ending:
    tried = 0
    for tried, program in enumerate(endings_of(sample), 1):
        verdict = task.judge(sample.item, program, sandbox)[oracle]
        if verdict.passed:
            return Ending(passes_after=program.count("\n"), tried=tried)
        if verdict.judgement is Judgement.PREVENTED:
            # What raised or did not end is in all longer programs.
            break
    return Ending(passes_after=None, tried=tried)


def _lines(text: str) -> list[str]:
    """Its lines as Python counts them."""
    return re.split(r"\r\n?|\n", text)


def _longest_module(lines: Sequence[str], first: int) -> ast.Module | None:
    """The tree of the most lines that parse; None if not even those before `first` do."""
    for end in range(len(lines), first - 2, -1):
        tree = parse_module("\n".join(lines[:end]))
        if tree is not None:
            return tree
    return None


def _may_print(node: ast.stmt) -> bool:
    return not isinstance(node, _SILENT) and any(
        isinstance(each, ast.Call) for each in ast.walk(node)
    )
