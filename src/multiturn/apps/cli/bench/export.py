"""`multiturn bench export`: the samples of a run for a benchmark's own tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.screen import console_for
from multiturn.benchmarks.interchange.human_eval import write_completions
from multiturn.benchmarks.interchange.multipl_e import write_multipl_e_results
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.multipl_e.task import MultiplETask
from multiturn.benchmarks.runner.results import read_run
from multiturn.core.errors import InputError

__all__ = ["export"]


def export(
    place: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
    to: Annotated[
        Path, typer.Argument(metavar="PATH", help="A directory for MultiPL-E, else a file.")
    ],
    file: bench_options.File = None,
) -> None:
    """Write the samples of a run as the benchmark's own tools read them.

    A run of HumanEval becomes a samples.jsonl; a run of MultiPL-E becomes a directory with a file
    of results for each problem.
    """
    run = read_run(place)
    name = run.config.task
    if not name.startswith(("humaneval", "multipl-e")):
        raise InputError(
            "the benchmark has no tools of its own", got=name, allowed="humaneval, multipl-e"
        )
    console = console_for(sys.stdout)
    if not name.startswith("multipl-e"):
        write_completions(run.samples, to)
        console.print(f"{len(run.samples)} samples: {to}", markup=False, highlight=False)
        return
    with pull_display() as display:
        task = open_task(name, path=file, progress=display)
    if not isinstance(task, MultiplETask):
        raise TypeError("the task of a run of MultiPL-E is another one")
    if task.problems_sha256 != run.config.problems_sha256:
        raise InputError(
            "the run is of another problem file",
            got=f"sha256 {task.problems_sha256}",
            allowed=f"sha256 {run.config.problems_sha256}",
            fix="name that file with --file",
        )
    written = write_multipl_e_results(run.samples, task.problems, to, run.config.sampling)
    console.print(
        f"{len(run.samples)} samples of {len(written)} problems: {to}",
        markup=False,
        highlight=False,
    )
