"""The files of MultiPL-E's own tools: completions to judge, and results.

A problem has one file. ``NAME.json`` has the problem and its ``completions``;
``NAME.results.json`` has the problem and its ``results``, each with the complete ``program``, what
it printed, its ``exit_code`` and a ``status``: ``OK``, ``SyntaxError``, ``Timeout`` or
``Exception``. Both may be compressed with gzip.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from multiturn.benchmarks.interchange.external_samples import (
    ExternalSample,
    SampleLine,
    number_samples,
    read_lines,
    text_of,
)
from multiturn.benchmarks.multipl_e.problems import MultiplEProblem, decompressed
from multiturn.benchmarks.multipl_e.task import MultiplETask
from multiturn.benchmarks.runner.config import SampleSettings
from multiturn.benchmarks.runner.samples import Sample
from multiturn.benchmarks.solver import Solution
from multiturn.core.errors import InputError, storage_errors
from multiturn.core.files import write_atomically
from multiturn.sandbox.oracles.verdicts import Verdict
from multiturn.sandbox.outcomes import Status

__all__ = ["external_multipl_e", "read_multipl_e_samples", "write_multipl_e_results"]

_STATUS: Mapping[Status, str] = MappingProxyType(
    {
        Status.FINISHED: "OK",
        Status.SYNTAX_ERROR: "SyntaxError",
        Status.TIMED_OUT_CPU: "Timeout",
        Status.TIMED_OUT_WALL: "Timeout",
    }
)
_OTHER_STATUS = "Exception"
_MAX_TOKENS = 512


def read_multipl_e_samples(path: Path) -> tuple[SampleLine, ...]:
    """Read samples: files of MultiPL-E, or one of JSON lines.

    Args:
        path: a directory with a file per problem, of completions or of results; or one such file;
            or JSON lines with ``name`` and either ``completion`` or ``program``.

    Returns:
        One line per sample, with ``name`` and either ``completion`` or ``program``; a sample from
        a file of results has its ``status`` too.

    Raises:
        InputError: a file is none of these, or there are no samples; names the file.
        StorageError: a file cannot be read.
    """
    if not path.is_dir():
        single = path.name.removesuffix(".gz").endswith(".json")
        return tuple(_samples_of(path)) if single else read_lines(path)
    with storage_errors(path, "reading the samples"):
        names = sorted(path.rglob("*.json")) + sorted(path.rglob("*.json.gz"))
    found = [line for name in names for line in _samples_of(name)]
    if not found:
        raise InputError(f"{path.name} has no samples", allowed="NAME.json, NAME.results.json")
    return tuple(found)


def external_multipl_e(
    lines: Sequence[SampleLine], task: MultiplETask
) -> tuple[ExternalSample, ...]:
    """Samples of MultiPL-E as samples of a task.

    A completion follows the prompt of its problem, and the tests follow it. A program is judged as
    it is.

    Raises:
        InputError: a line is not a sample, or its problem is not in the task.
    """
    items = {item.id: item for item in task.items()}

    def solution(line: SampleLine) -> Solution:
        if "program" in line.data:
            return Solution(program=text_of(line, "program"), steps=())
        problem = task.problems[text_of(line, "name")]
        program = f"{problem.prompt}{text_of(line, 'completion')}\n{problem.tests}"
        return Solution(program=program, steps=())

    for line in lines:
        if text_of(line, "name") not in items:
            raise InputError(
                f"{line.where}: {task.name} has no such problem", got=line.data["name"]
            )
    return number_samples((items[line.data["name"]], solution(line)) for line in lines)


def write_multipl_e_results(
    samples: Iterable[Sample],
    problems: Mapping[str, MultiplEProblem],
    directory: Path,
    sampling: SampleSettings,
) -> tuple[Path, ...]:
    """Write ``NAME.results.json.gz`` for every problem that has samples.

    Standard output is not part of a saved sample and is empty there; standard error has the line
    that names the error.

    Args:
        samples: of a run of `MultiplETask`.
        problems: of that task, by name.
        directory: made if it does not exist.
        sampling: of the run.

    Raises:
        InputError: a sample is of another problem.
        StorageError: a file cannot be written.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        if sample.item.problem not in problems:
            raise InputError("a sample is of another problem", got=sample.item.problem)
        results.setdefault(sample.item.problem, []).append(_result(sample))
    written = []
    with storage_errors(directory, "making the directory of results"):
        directory.mkdir(parents=True, exist_ok=True)
    for name, found in results.items():
        problem = problems[name]
        document = {
            "name": name,
            "language": problem.language,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": _MAX_TOKENS,
            "prompt": problem.prompt,
            "tests": problem.tests,
            "stop_tokens": list(problem.stop_tokens),
            "results": found,
        }
        path = directory / f"{name}.results.json.gz"
        # No time in the header: the same samples give the same bytes.
        write_atomically(path, gzip.compress(json.dumps(document, indent=2).encode(), mtime=0))
        written.append(path)
    return tuple(written)


def _result(sample: Sample) -> dict[str, Any]:
    verdict = sample.verdicts["strict"]
    return {
        "program": sample.program,
        "stdout": "",
        "stderr": (verdict.outcome.error if verdict.outcome else None) or verdict.difference or "",
        "exit_code": _exit_code(verdict),
        "status": _STATUS.get(verdict.outcome.status, _OTHER_STATUS)
        if verdict.outcome
        else _OTHER_STATUS,
        "timestamp": 0,
    }


def _exit_code(verdict: Verdict) -> int:
    """As MultiPL-E has it: 0 for success, -1 for a program that was ended."""
    if verdict.passed:
        return 0
    outcome = verdict.outcome
    if outcome is not None and outcome.exit_code:
        return outcome.exit_code
    return 1 if outcome is not None and outcome.status is Status.SYNTAX_ERROR else -1


def _samples_of(path: Path) -> Iterator[SampleLine]:
    """The samples of one file of MultiPL-E."""
    with storage_errors(path, "reading the samples"):
        data = path.read_bytes()
    try:
        document: Any = json.loads(decompressed(data).decode("utf-8-sig"))
    except InputError as error:
        raise InputError(f"{path.name}: {error.what}", allowed=error.allowed) from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        raise InputError(f"{path.name} is no file of MultiPL-E", allowed="a mapping with a name")
    name = document["name"]
    for number, result in enumerate(_list_of(document, "results", path), 1):
        where = f"{path.name}: result {number}"
        if not isinstance(result, dict) or not isinstance(result.get("program"), str):
            raise InputError(f"{where} has no program", got=result)
        sample = {"name": name, "program": result["program"], "status": result.get("status")}
        yield SampleLine(where, sample)
    for number, completion in enumerate(_list_of(document, "completions", path), 1):
        where = f"{path.name}: completion {number}"
        if not isinstance(completion, str):
            raise InputError(f"{where} is not text", got=completion)
        yield SampleLine(where, {"name": name, "completion": completion})


def _list_of(document: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    found = document.get(key, [])
    if not isinstance(found, list):
        raise InputError(f"{path.name}: {key} is not a list", got=found)
    return found
