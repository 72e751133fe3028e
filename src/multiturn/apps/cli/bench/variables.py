"""`multiturn bench variables`: the turn in which saved programs go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.bench.saved_runs import examine_runs
from multiturn.apps.cli.settings import resolve_settings
from multiturn.benchmarks.problem_set import INCLUDED_SETS
from multiturn.benchmarks.runner.results import SavedRun
from multiturn.benchmarks.variables.differences import VARIABLE_ARMS, record_first_differences

__all__ = ["variables"]


def variables(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="A run, or a directory of runs.")],
    passed: Annotated[
        bool,
        typer.Option("--passed", help="Also look at samples that passed, as a check."),
    ] = False,
    fresh: bench_options.Fresh = False,
    unsafe: options.Unsafe = None,
) -> None:
    """Find the first turn after which the variables of saved programs differ from the reference's.

    Every program that failed runs again in the sandbox, turn by turn; no model is loaded, and
    samples and verdicts stay as they are. The turns are saved beside the samples of each run, and
    `multiturn report` shows them. After Ctrl-C or a kill the same command resumes. It needs
    problems with reference solutions, and an arm that writes the turns in order.
    """
    examine_runs(
        place,
        _why_not,
        lambda sandbox, task, run, listen: record_first_differences(
            sandbox, task, run, passed=passed, fresh=fresh, listen=listen
        ),
        unsafe=resolve_settings({"unsafe": unsafe}).settings.unsafe,
    )


def _why_not(run: SavedRun) -> str | None:
    """Why the programs of a run cannot be compared with references; None if they can."""
    if run.config.task not in INCLUDED_SETS:
        return f"not applicable: {run.config.task} has no reference solutions in Python"
    if run.config.arm not in VARIABLE_ARMS:
        return f"not applicable: programs of the arm {run.config.arm} have no turns of their own"
    return None
