"""The format in which the published sampler of the multi-turn benchmark writes samples.

A line has the problem's ``id``, the table of its variables as ``input``, and the whole
program, header and prompts included, as ``completions``.

Source: Nijkamp et al., `mtpb_sample.py` and `mtpb_exec.py` of the published benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from multiturn.benchmarks.dialogue import Written
from multiturn.benchmarks.interchange.given import Given, Line, numbered, text_of
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.task import Item
from multiturn.core.errors import InputError

__all__ = ["given_programs"]


def given_programs(lines: Sequence[Line], task: ProblemTask) -> tuple[Given, ...]:
    """Whole programs as samples of a task.

    A line's own ``gold_output`` does not count, nor does any other key: a program is held
    against the value that the problem set has.

    Args:
        lines: as read.
        task: a multi-turn set under an arm that asks for whole programs.

    Raises:
        InputError: a line is no sample, or not of a problem and a case that the task has.
    """
    items = {(item.problem, item.case): item for item in task.items() if item.turn is None}
    return numbered((_item_of(line, task, items), _program_of(line)) for line in lines)


def _program_of(line: Line) -> Written:
    return Written(program=text_of(line, "completions"), steps=())


def _item_of(line: Line, task: ProblemTask, items: dict[tuple[str, int], Item]) -> Item:
    name = str(line.data.get("id"))
    problem = task.problems.get(name)
    if problem is None:
        raise InputError(f"{line.where}: {task.name} has no such problem", got=name)
    # As JSON, where 1 and true differ.
    variables = json.dumps(line.data.get("input"), sort_keys=True)
    for case, known in enumerate(problem.inputs):
        if json.dumps(known, sort_keys=True) == variables:
            return items[name, case]
    raise InputError(
        f"{line.where}: the problem {name} has no case with this input",
        got=line.data.get("input"),
    )
