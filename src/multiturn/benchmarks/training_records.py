"""Multi-turn records from this project's problem set, for fine-tuning."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems
from multiturn.core.errors import storage_errors
from multiturn.core.files import write_atomically
from multiturn.jaxformer.datasets.text_files import in_validation_split

__all__ = ["WrittenRecords", "write_training_records"]


@dataclass(frozen=True, slots=True)
class WrittenRecords:
    """One file of records."""

    file: Path
    records: int
    problems: int


def write_training_records(
    out: Path, *, cases: int = 2, held_out: float = 0.2
) -> tuple[WrittenRecords, WrittenRecords]:
    """Write ``train.jsonl`` and ``held_out.jsonl``.

    All cases of a problem are in the same file, chosen by the hash of its id: the validation
    problems are unseen, not seen ones with other numbers.

    Args:
        out: a directory, created if necessary.
        cases: maximum number of cases per problem.
        held_out: the share of problems for validation.

    Raises:
        StorageError: the directory cannot be written.
    """
    parts: dict[str, list[str]] = {"train": [], "held_out": []}
    problems = {"train": 0, "held_out": 0}
    for problem in own_problems():
        part = "held_out" if in_validation_split(problem.id, held_out) else "train"
        problems[part] += 1
        for case, variables in enumerate(problem.inputs[:cases]):
            filled = problem.fill(variables)
            turns = [
                {"prompt": prompt, "code": code}
                for prompt, code in zip(filled.prompts, filled.references, strict=True)
            ]
            record = {"id": f"{problem.id}/{case}", "header": problem.header, "turns": turns}
            parts[part].append(json.dumps(record) + "\n")
    with storage_errors(out, "writing records"):
        out.mkdir(parents=True, exist_ok=True)
    for part, lines in parts.items():
        write_atomically(out / f"{part}.jsonl", "".join(lines))
    train, held = (
        WrittenRecords(out / f"{part}.jsonl", len(lines), problems[part])
        for part, lines in parts.items()
    )
    return train, held
