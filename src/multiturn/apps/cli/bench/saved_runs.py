"""What commands on saved runs share: their tasks, and a walk over runs with a sandbox."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import typer

from multiturn.apps.cli.error_report import INTERRUPTED, say
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.screen import console_for
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.task_names import read_task_name
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.problem_set import INCLUDED_SETS
from multiturn.benchmarks.runner.config import RunConfig
from multiturn.benchmarks.runner.results import SavedRun, find_runs, read_run
from multiturn.benchmarks.task import Task
from multiturn.core.records import to_plain
from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.protocol import Sandbox

__all__ = ["examine_runs", "task_of_run"]

Listen = Callable[[int, int], None]
"""Receives how many samples of how many are done."""


def task_of_run(config: RunConfig, file: Path | None = None, *, any_hash: bool = False) -> Task:
    """The problems of a saved run under its arm and limits.

    Args:
        config: of the run.
        file: a problem file, in place of the published one.
        any_hash: accept that file even if it is not the published one.

    Raises:
        MultiturnError: as `open_task`.
    """
    with pull_display() as display:
        return open_task(
            config.task,
            arm=config.arm,
            path=None if read_task_name(config.task)[0] in INCLUDED_SETS else file,
            any_hash=any_hash,
            limits=to_plain(config.limits),
            progress=display,
        )


def examine_runs(
    place: Path,
    why_not: Callable[[SavedRun], str | None],
    record: Callable[[Sandbox, ProblemTask, SavedRun, Listen], int],
    *,
    unsafe: bool,
    file: Path | None = None,
    any_hash: bool = False,
) -> None:
    """Examine the samples of multi-turn runs in the sandbox, and say for each run what was done.

    Args:
        place: a run, or a directory of runs.
        why_not: why a run cannot be examined; None if it can.
        record: examines a run and returns how many samples are new.
        unsafe: run programs with limits only if they cannot be isolated.
        file: a problem file, in place of the published one.
        any_hash: accept that file even if it is not the published one.

    Raises:
        MultiturnError: a run is broken; the sandbox failed.
        typer.Exit: the user stopped it.
    """
    console = console_for(sys.stdout)
    try:
        with open_sandbox(unsafe=unsafe) as sandbox:
            for path in find_runs(place):
                run = read_run(path)
                text = why_not(run)
                if text is None:
                    task = task_of_run(run.config, file, any_hash=any_hash)
                    if not isinstance(task, ProblemTask):
                        raise TypeError(f"{run.config.task} has no multi-turn problems")
                    if task.problems_sha256 != run.config.problems_sha256:
                        text = "left out: it is of another version of the problems"
                    else:
                        with console.status(f"running {path}") as status:

                            def tell(done: int, total: int, path: Path = path) -> None:
                                status.update(f"running {path}: {done} of {total}")

                            text = f"{record(sandbox, task, run, tell)} new samples"
                console.print(f"{path}: {text}", markup=False, highlight=False)
    except KeyboardInterrupt:
        say("stopped; the same command resumes", label=None)
        raise typer.Exit(INTERRUPTED) from None
