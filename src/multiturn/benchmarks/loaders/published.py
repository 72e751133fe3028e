"""The published Multi-Turn Programming Benchmark: 115 problems, one JSON object per line.

Source: Nijkamp et al., "CodeGen", in the public repository of its authors.
"""

from __future__ import annotations

import json
from pathlib import Path

from multiturn.benchmarks.loaders.public_files import PublicFile, UrlSource, checked_bytes, fetch
from multiturn.benchmarks.problem_set import Problem, ProblemTurn
from multiturn.core.errors import InputError
from multiturn.hub.progress import ProgressListener, silent
from multiturn.synthesis.published_format import read_published_problem

__all__ = ["MTPB", "MTPB_URL", "fetch_published", "read_published"]

MTPB = PublicFile(
    name="mtpb",
    file="mtpb.jsonl",
    size=87_959,
    sha256="3ab79ddb160f484a63491330ba72204930d56cc946f7c0c5fb469622a941f89c",
)
MTPB_URL = "https://raw.githubusercontent.com/salesforce/CodeGen/main/codegen1/benchmark/mtpb.jsonl"


def fetch_published(
    *, source: UrlSource | None = None, progress: ProgressListener = silent
) -> Path:
    """The published file on this machine; downloaded the first time.

    Raises:
        NetworkError, HashMismatchError, StorageError: as `multiturn.hub.downloads.ensure`.
    """
    return fetch(MTPB, source or UrlSource(MTPB_URL), progress=progress)


def read_published(path: Path, *, any_hash: bool = False) -> tuple[tuple[Problem, ...], str]:
    """The problems of a file in the published format, and its SHA-256.

    The problems are in the order of their numbers, like in the published sampler. They have no
    references, no single specification and no difficulty, and their programs may use numpy. Inputs
    and outputs are paired like in that sampler.

    Args:
        path: of the file.
        any_hash: accept a file other than the published one.

    Raises:
        HashMismatchError: it is not the published file.
        InputError: a line is not a problem; names the line.
        StorageError: it cannot be read.
    """
    data, sha256 = checked_bytes(path, MTPB, any_hash=any_hash)
    try:
        # Only at line feeds: text in JSON may contain other line separators.
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text: {error.reason}") from error
    problems = [
        _problem(line, f"{path.name}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not problems:
        raise InputError(f"{path.name} contains no problems")
    seen = set()
    for problem in problems:
        if problem.id in seen:
            raise InputError(f"{path.name} has two problems with one id", got=problem.id)
        seen.add(problem.id)
    return tuple(sorted(problems, key=_number)), sha256


_MAX_DIGITS = 18


def _number(problem: Problem) -> tuple[int, str]:
    is_number = problem.id.isdecimal() and len(problem.id) <= _MAX_DIGITS
    return (int(problem.id), "") if is_number else (0, problem.id)


def _problem(text: str, where: str) -> Problem:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}") from error
    sample = read_published_problem(data, where=where)
    if sample.id == "":
        raise InputError(f"{where}: the key 'id' is missing", fix="add it")
    inputs, outputs = zip(*sample.cases, strict=True)
    return Problem(
        id=str(sample.id),
        name=sample.name,
        description=sample.description,
        category=sample.category,
        difficulty=None,
        packages=("numpy",),
        max_gen_length=sample.max_gen_length,
        turns=tuple(ProblemTurn(prompt=prompt, reference="") for prompt in sample.prompts),
        single="",
        generate="",
        inputs=inputs,
        outputs=outputs,
    )
