"""`multiturn bench endings`: whether failed programs would pass if they ended earlier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.bench.saved_runs import examine_runs
from multiturn.apps.cli.settings import resolve_settings
from multiturn.benchmarks.endings import ENDING_ARMS, record_endings
from multiturn.benchmarks.loaders.task_names import read_task_name
from multiturn.benchmarks.problem_set import INCLUDED_SETS
from multiturn.benchmarks.runner.results import SavedRun

__all__ = ["endings"]

_SETS = (*INCLUDED_SETS, "mtpb")


def endings(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="A run, or a directory of runs.")],
    file: bench_options.File = None,
    any_hash: bench_options.AnyHash = False,
    fresh: bench_options.Fresh = False,
    unsafe: options.Unsafe = None,
) -> None:
    """Find out which failed programs would pass if their last text had ended earlier.

    The last text of each program that failed is cut after each statement that may print, in the
    sandbox, until one passes; no model is loaded, and samples and verdicts stay as they are. The
    result is saved beside the samples of each run, and `multiturn report` compares arms with it:
    how much of a difference is due to where texts end. After Ctrl-C or a kill the same command
    resumes. It needs multi-turn problems in Python.
    """
    examine_runs(
        place,
        _why_not,
        lambda sandbox, task, run, listen: record_endings(
            sandbox, task, run, fresh=fresh, listen=listen
        ),
        unsafe=resolve_settings({"unsafe": unsafe}).settings.unsafe,
        file=file,
        any_hash=any_hash,
    )


def _why_not(run: SavedRun) -> str | None:
    """Why the programs of a run have no such ends; None if they have."""
    name, language = read_task_name(run.config.task)
    if name not in _SETS:
        return f"not applicable: {run.config.task} has no multi-turn problems"
    if language not in (None, "python"):
        return f"not applicable: the programs of {run.config.task} are not in Python"
    if run.config.arm not in ENDING_ARMS:
        return (
            f"not applicable: programs of the arm {run.config.arm} do not end with a generated text"
        )
    return None
