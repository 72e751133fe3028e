"""The samples of the published sampler of the multi-turn benchmark.

A line has the problem's ``id``, its table of variables as ``input``, the gold value as
``gold_output``, the complete program, including header and prompts, as ``completions``, and the
pieces of that program as ``prompts_completions``.

Source: Nijkamp et al., `mtpb_sample.py` and `mtpb_exec.py` of the published benchmark.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from multiturn.benchmarks.interchange.external_samples import (
    ExternalSample,
    SampleLine,
    number_samples,
    text_of,
)
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import Problem
from multiturn.benchmarks.solver import Solution
from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError

__all__ = ["external_programs"]


def external_programs(lines: Sequence[SampleLine], task: ProblemTask) -> tuple[ExternalSample, ...]:
    """Complete programs as samples of a task.

    A program is compared with the value in the problem set. The ``gold_output`` of a line only
    distinguishes cases with the same input. If it cannot, the lines are assigned to these cases in
    turn, so that each gets its share of a complete file. Other keys are ignored.

    Args:
        lines: as read, in any order.
        task: a multi-turn set under an arm that generates complete programs.

    Raises:
        InputError: a line is not a sample, or its problem or case is not in the task.
    """
    cases = _Cases(task)
    return number_samples((cases.item_of(line), _program_of(line)) for line in lines)


def _program_of(line: SampleLine) -> Solution:
    return Solution(program=text_of(line, "completions"), steps=())


class _Cases:
    """Finds the case of a line by its variables."""

    def __init__(self, task: ProblemTask) -> None:
        self._task = task
        self._items = {
            (item.problem, item.case): item for item in task.items() if item.turn is None
        }
        self._known: dict[str, dict[str, list[int]]] = {}
        self._assigned: Counter[Item] = Counter()

    def item_of(self, line: SampleLine) -> Item:
        """The item of a line."""
        name = _id_of(line)
        problem = self._task.problems.get(name)
        if problem is None:
            raise InputError(
                f"{line.where}: {self._task.name} has no such problem", got=str(line.data.get("id"))
            )
        if name not in self._known:
            self._known[name] = _by_variables(problem)
        alike = self._known[name].get(_as_json(line.data.get("input")))
        if not alike:
            raise InputError(
                f"{line.where}: the problem {name} has no case with this input",
                got=line.data.get("input"),
            )
        gold = _as_json(line.data.get("gold_output"))
        named = [case for case in alike if _as_json(problem.outputs[case]) == gold]
        items = [self._items[name, case] for case in named or alike]
        item = min(items, key=lambda each: self._assigned[each])
        self._assigned[item] += 1
        return item


def _by_variables(problem: Problem) -> dict[str, list[int]]:
    """The cases of a problem by their variables, which several may share."""
    found: dict[str, list[int]] = {}
    for case, variables in enumerate(problem.inputs):
        found.setdefault(_as_json(variables), []).append(case)
    return found


def _id_of(line: SampleLine) -> str:
    """The id of the problem, which some files write as a number; empty if missing."""
    name = line.data.get("id")
    return str(name) if isinstance(name, str | int) and not isinstance(name, bool) else ""


def _as_json(value: object) -> str:
    """A text that distinguishes values that Python considers equal, like 1 and true."""
    return json.dumps(value, sort_keys=True)
