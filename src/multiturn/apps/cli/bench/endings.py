"""`multiturn bench endings`: whether failed programs would pass if they ended earlier."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from multiturn.apps.cli import options
from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.error_report import INTERRUPTED, say
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.settings import resolve_settings
from multiturn.benchmarks.endings import ENDING_ARMS, record_endings
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.task_names import read_task_name
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import INCLUDED_SETS
from multiturn.benchmarks.runner.results import SavedRun, find_runs, read_run
from multiturn.core.records import to_plain
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox

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
    console = console_for(sys.stdout)
    try:
        with open_sandbox(unsafe=resolve_settings({"unsafe": unsafe}).settings.unsafe) as sandbox:
            for path in find_runs(place):
                run = read_run(path)
                text = _why_not(run)
                if text is None:
                    task = _task_of(run, file, any_hash=any_hash)
                    text = _examine(console, sandbox, task, run, fresh=fresh)
                console.print(f"{path}: {text}", markup=False, highlight=False)
    except KeyboardInterrupt:
        say("stopped; the same command resumes", label=None)
        raise typer.Exit(INTERRUPTED) from None


def _examine(
    console: Console, sandbox: Sandbox, task: ProblemTask, run: SavedRun, *, fresh: bool
) -> str:
    """Examine a run; what to say of it."""
    if task.problems_sha256 != run.config.problems_sha256:
        return "left out: it is of another version of the problems"
    with console.status(f"running {run.path}") as status:

        def tell(done: int, total: int) -> None:
            status.update(f"running {run.path}: {done} of {total}")

        return f"{record_endings(sandbox, task, run, fresh=fresh, listen=tell)} new samples"


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


def _task_of(run: SavedRun, file: Path | None, *, any_hash: bool) -> ProblemTask:
    with pull_display() as display:
        task = open_task(
            run.config.task,
            arm=run.config.arm,
            path=None if read_task_name(run.config.task)[0] in INCLUDED_SETS else file,
            any_hash=any_hash,
            limits=to_plain(run.config.limits),
            progress=display,
        )
    if not isinstance(task, ProblemTask):
        raise TypeError(f"the problems of {run.config.task} are no multi-turn problems")
    return task
