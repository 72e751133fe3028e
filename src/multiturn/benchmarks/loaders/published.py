"""The published Multi-Turn Programming Benchmark: 115 problems, one JSON object a line.

Source: Nijkamp et al., "CodeGen", in the public repository of its authors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.loaders.public_files import PublicFile, UrlSource, checked_bytes, fetch
from multiturn.benchmarks.problem_set import Category, Problem, Turn
from multiturn.core.errors import InputError
from multiturn.core.records import read_record
from multiturn.hub.progress import ProgressListener, silent

__all__ = ["MTPB", "MTPB_URL", "USUAL_LENGTH", "fetch_published", "read_published"]

MTPB = PublicFile(
    name="mtpb",
    file="mtpb.jsonl",
    size=87_959,
    sha256="3ab79ddb160f484a63491330ba72204930d56cc946f7c0c5fb469622a941f89c",
)
MTPB_URL = "https://raw.githubusercontent.com/salesforce/CodeGen/main/codegen1/benchmark/mtpb.jsonl"
USUAL_LENGTH = 256
"""Tokens of a turn where a problem does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PublishedLine:
    """A problem as it stands in the published file."""

    id: str
    name: str
    description: str
    category: Category
    prompts: tuple[str, ...]
    inputs: tuple[Mapping[str, object], ...]
    outputs: tuple[object, ...]
    max_gen_length: int = USUAL_LENGTH

    def __post_init__(self) -> None:
        if not self.prompts:
            raise InputError("there are no prompts")
        if len(self.inputs) != len(self.outputs):
            raise InputError("inputs and outputs are not of one length")
        if self.max_gen_length < 1:
            raise InputError(
                "max_gen_length is out of range", got=self.max_gen_length, allowed="1 or more"
            )


def fetch_published(
    *, source: UrlSource | None = None, progress: ProgressListener = silent
) -> Path:
    """The published file on this machine, fetched where it is not here yet.

    Raises:
        NetworkError, HashMismatchError, StorageError: as `multiturn.hub.pull.ensure`.
    """
    return fetch(MTPB, source or UrlSource(MTPB_URL), progress=progress)


def read_published(path: Path, *, any_hash: bool = False) -> tuple[tuple[Problem, ...], str]:
    """The problems of a file of the published format, and its sha256.

    They are in the order of their numbers, as the published sampler takes them. They have no
    references, no single specification and no difficulty; their programs may use numpy.

    Args:
        path: of the file.
        any_hash: read it even if it is not the published one.

    Raises:
        HashMismatchError: it is not the published file.
        InputError: a line is no problem; names the line.
        StorageError: it cannot be read.
    """
    data, sha256 = checked_bytes(path, MTPB, any_hash=any_hash)
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is no UTF-8 text: {error.reason}") from error
    problems = [
        _problem(line, f"{path.name}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not problems:
        raise InputError(f"{path.name} holds no problems")
    ids = [problem.id for problem in problems]
    if twice := next((each for each in ids if ids.count(each) > 1), None):
        raise InputError(f"{path.name} has two problems of one id", got=twice)
    return tuple(sorted(problems, key=_number)), sha256


def _number(problem: Problem) -> tuple[int, str]:
    return (int(problem.id), "") if problem.id.isdecimal() else (0, problem.id)


def _problem(text: str, where: str) -> Problem:
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    line = read_record(data, _PublishedLine, where=where)
    return Problem(
        id=line.id,
        name=line.name,
        description=line.description,
        category=line.category,
        difficulty=None,
        packages=("numpy",),
        max_gen_length=line.max_gen_length,
        turns=tuple(Turn(prompt=prompt, reference="") for prompt in line.prompts),
        single="",
        generate="",
        inputs=line.inputs,
        outputs=line.outputs,
    )
