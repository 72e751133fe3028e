"""The texts of benchmarks, from their published files.

Any JSON or JSON lines file is read, plain or ``.gz``: each record is a problem, named by its
`task_id`, `id` or `name`, and all strings in it are its texts. So the project's own set, the
Multi-Turn Programming Benchmark and HumanEval are read as published. Any other file is one
problem.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multiturn.core.errors import InputError
from multiturn.core.lines import split_lines

__all__ = ["BenchmarkProblem", "read_problems"]

_NAMES = ("task_id", "id", "name")


@dataclass(frozen=True, slots=True)
class BenchmarkProblem:
    """A problem of a benchmark.

    Attributes:
        file: the name of its file.
        name: in the file.
        texts: all its strings.
    """

    file: str
    name: str
    texts: tuple[str, ...]


def read_problems(path: Path) -> list[BenchmarkProblem]:
    """The problems of a file.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
        names = [suffix for suffix in path.suffixes if suffix != ".gz"]
        if names and names[-1] in (".jsonl", ".json"):
            problems = list(_records(path.name, text, lines=names[-1] == ".jsonl"))
        else:
            problems = [BenchmarkProblem(path.name, path.name, (text,))] if text.strip() else []
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise InputError(f"the problems cannot be read: {error}", got=str(path)) from error
    if not problems:
        raise InputError("the file has no problems", got=str(path))
    return problems


def _records(file: str, text: str, *, lines: bool) -> Iterator[BenchmarkProblem]:
    if lines:
        records = [json.loads(line) for line in split_lines(text) if line.strip()]
    else:
        value = json.loads(text)
        records = value if isinstance(value, list) else [value]
    for number, record in enumerate(records, 1):
        named = record if isinstance(record, dict) else {}
        name = next((str(named[key]) for key in _NAMES if key in named), str(number))
        texts = {key: value for key, value in named.items() if key not in _NAMES} or record
        yield BenchmarkProblem(file, name, tuple(_strings(texts)))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
