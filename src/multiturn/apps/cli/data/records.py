"""`multiturn data records`: fine-tuning records from the built-in problems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli.extras import require_extra

__all__ = ["records"]


def records(
    out: Annotated[Path, typer.Argument(help="The output directory.")],
    cases: Annotated[
        int, typer.Option("--cases", min=1, help="Maximum number of cases per problem.")
    ] = 2,
    held_out: Annotated[
        float,
        typer.Option(
            "--held-out", min=0, max=1, help="Fraction of the problems to hold out for validation."
        ),
    ] = 0.2,
) -> None:
    """Write multi-turn records for fine-tuning from the project's own problems.

    Writes OUT/train.jsonl and OUT/held_out.jsonl. All cases of a problem are in the same file.
    Do not score a model that was tuned on these records on this problem set.
    """
    with require_extra("data", purpose="writing records"):
        from multiturn.benchmarks.training_records import write_training_records

    for part in write_training_records(out, cases=cases, held_out=held_out):
        print(f"{part.file}: {part.records} records of {part.problems} problems")
