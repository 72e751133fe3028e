"""Samples that somebody else's program had a model write: read, and judged by our oracles."""

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

from multiturn.benchmarks.dialogue import Written
from multiturn.benchmarks.runner.samples import Sample, sample_of
from multiturn.benchmarks.task import Item, Task
from multiturn.core.errors import InputError, storage_errors
from multiturn.sandbox.protocol import Sandbox

__all__ = ["Given", "Line", "judge_given", "numbered", "read_lines", "text_of"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file of samples."""

    where: str
    """The file's name and the line's number, for messages."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """One sample, as somebody gave it."""

    item: Item
    sample: int
    """Which of the item's samples, from 0."""
    written: Written


def read_lines(path: Path) -> tuple[Line, ...]:
    """Read a file of samples, a JSON mapping a line, packed with gzip or not.

    Raises:
        InputError: a line is no mapping, or there is none; names the line.
        StorageError: the file cannot be read.
    """
    with storage_errors(path, "reading the samples"):
        data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        lines = data.decode("utf-8-sig").split("\n")
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


def _read_line(line: str, where: str) -> Line:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{where} is no mapping", got=line)
    return Line(where, data)


def text_of(line: Line, key: str) -> str:
    """The text under a key.

    Raises:
        InputError: there is none; names the line.
    """
    value = line.data.get(key)
    if not isinstance(value, str):
        raise InputError(f"{line.where}: {key} is missing or no text", got=value)
    return value


def numbered(written: Iterable[tuple[Item, Written]]) -> tuple[Given, ...]:
    """Several samples of one item are its samples 0, 1, 2 and so on."""
    before: Counter[str] = Counter()
    found = []
    for item, one in written:
        found.append(Given(item, before[item.id], one))
        before[item.id] += 1
    return tuple(found)


def judge_given(
    given: Sequence[Given], task: Task, sandbox: Sandbox, *, threads: int | None = None
) -> Iterator[Sample]:
    """Judge samples by the oracles of a task, in the order in which they are given.

    Args:
        given: of this task.
        task: has the oracles.
        sandbox: runs the programs.
        threads: how many are judged side by side; one a CPU by default.

    Raises:
        SandboxUnavailableError: the sandbox failed.
    """

    def judge(one: Given) -> Sample:
        verdicts = task.judge(one.item, one.written.program, sandbox)
        return sample_of(one.item, one.sample, one.written, verdicts)

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(judge, given)
