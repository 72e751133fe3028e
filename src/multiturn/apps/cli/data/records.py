"""`multiturn data records`: what a model can be fine-tuned on without a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli.optional import needing

__all__ = ["records"]


def records(
    out: Annotated[Path, typer.Argument(help="The folder to write in.")],
    cases: Annotated[int, typer.Option("--cases", min=1, help="Most cases of each problem.")] = 2,
    held_out: Annotated[
        float, typer.Option("--held-out", min=0, max=1, help="The share of the problems.")
    ] = 0.2,
) -> None:
    """Write multi-turn records from the project's own problems, for fine-tuning.

    Makes OUT/train.jsonl and OUT/held_out.jsonl. A problem is in one of them with all of its
    cases. A model that was tuned on these records must not be scored on this problem set.
    """
    with needing("data", purpose="writing records"):
        from multiturn.benchmarks.training_records import write_training_records

    for part in write_training_records(out, cases=cases, held_out=held_out):
        print(f"{part.file}: {part.records} records of {part.problems} problems")
