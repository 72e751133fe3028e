"""`multiturn bench variables`: the turn in which saved programs go wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.error_report import INTERRUPTED, say
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.settings import resolve_settings
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import INCLUDED_SETS
from multiturn.benchmarks.runner.results import SavedRun, find_runs, read_run
from multiturn.benchmarks.variables.differences import VARIABLE_ARMS, record_first_differences
from multiturn.core.records import to_plain
from multiturn.sandbox.open import open_sandbox

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
    console = console_for(sys.stdout)
    try:
        with open_sandbox(unsafe=resolve_settings({"unsafe": unsafe}).settings.unsafe) as sandbox:
            for path in find_runs(place):
                run = read_run(path)
                text = _why_not(run)
                if text is None:
                    with console.status(f"running {path}") as status:

                        def tell(done: int, total: int, path: Path = path) -> None:
                            status.update(f"running {path}: {done} of {total}")

                        new = record_first_differences(
                            sandbox, _task_of(run), run, passed=passed, fresh=fresh, listen=tell
                        )
                    text = f"{new} new samples"
                console.print(f"{path}: {text}", markup=False, highlight=False)
    except KeyboardInterrupt:
        say("stopped; the same command resumes", label=None)
        raise typer.Exit(INTERRUPTED) from None


def _why_not(run: SavedRun) -> str | None:
    """Why the programs of a run cannot be compared with references; None if they can."""
    if run.config.task not in INCLUDED_SETS:
        return f"not applicable: {run.config.task} has no reference solutions in Python"
    if run.config.arm not in VARIABLE_ARMS:
        return f"not applicable: programs of the arm {run.config.arm} have no turns of their own"
    if _task_of(run).problems_sha256 != run.config.problems_sha256:
        return "left out: it is of another version of the problems"
    return None


def _task_of(run: SavedRun) -> ProblemTask:
    task = open_task(run.config.task, arm=run.config.arm, limits=to_plain(run.config.limits))
    if not isinstance(task, ProblemTask):
        raise TypeError(f"the problems of {run.config.task} are no multi-turn problems")
    return task
