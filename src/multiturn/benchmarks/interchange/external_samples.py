"""Samples that another program generated: reads them, and judges them with the oracles."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.benchmarks.runner.samples import Sample, sample_of
from multiturn.benchmarks.solver import Solution
from multiturn.benchmarks.task import Item, Task
from multiturn.core.errors import InputError, storage_errors
from multiturn.sandbox.protocol import Sandbox

__all__ = [
    "ExternalSample",
    "SampleLine",
    "judge_external",
    "number_samples",
    "read_lines",
    "text_of",
]


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One line of a file of samples."""

    where: str
    """The file's name and the line's number, for messages."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExternalSample:
    """A sample from elsewhere."""

    item: Item
    sample: int
    """Which of the item's samples, from 0."""
    solution: Solution


def read_lines(path: Path) -> tuple[SampleLine, ...]:
    """Read a file of samples, one JSON mapping per line, compressed with gzip or not.

    Raises:
        InputError: a line is not a mapping, or there are no lines; names the line.
        StorageError: the file cannot be read.
    """
    with storage_errors(path, "reading the samples"):
        data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        lines = data.decode("utf-8-sig").split("\n")
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is neither text nor gzip: {error}") from error
    found = [
        _read_line(line, f"{path.name}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{path.name} has no samples")
    return tuple(found)


def _read_line(line: str, where: str) -> SampleLine:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{where} is not a mapping", got=line)
    return SampleLine(where, data)


def text_of(line: SampleLine, key: str) -> str:
    """The text under a key.

    Raises:
        InputError: there is no text; names the line.
    """
    value = line.data.get(key)
    if not isinstance(value, str):
        raise InputError(f"{line.where}: {key} is missing or not text", got=value)
    return value


def number_samples(solution: Iterable[tuple[Item, Solution]]) -> tuple[ExternalSample, ...]:
    """Number the samples of each item: 0, 1, 2 and so on."""
    before: Counter[str] = Counter()
    found = []
    for item, one in solution:
        found.append(ExternalSample(item, before[item.id], one))
        before[item.id] += 1
    return tuple(found)


def judge_external(
    external: Sequence[ExternalSample], task: Task, sandbox: Sandbox, *, threads: int | None = None
) -> Iterator[Sample]:
    """Judge samples with the oracles of a task, in the given order.

    Args:
        external: samples of this task.
        task: has the oracles.
        sandbox: runs the programs.
        threads: how many are judged in parallel; one per CPU by default.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """

    def judge(one: ExternalSample) -> Sample:
        verdicts = task.judge(one.item, one.solution.program, sandbox)
        return sample_of(one.item, one.sample, one.solution, verdicts)

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(judge, external)
