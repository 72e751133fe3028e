"""`multiturn bench score`: perplexities of the prompts and references of saved runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.bench import options as bench_options
from multiturn.apps.cli.bench.engines import info_with_hash, open_bench_engine
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.settings import resolve_settings
from multiturn.benchmarks.loaders.open_task import open_task
from multiturn.benchmarks.loaders.task_names import read_task_name
from multiturn.benchmarks.loaders.tasks import ProblemTask
from multiturn.benchmarks.perplexity import score_run
from multiturn.benchmarks.problem_set import INCLUDED_SETS
from multiturn.benchmarks.runner.results import find_runs, read_run
from multiturn.core.errors import InputError
from multiturn.engines.protocol import Scorer

__all__ = ["score"]


def score(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="A run, or a directory of runs.")],
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME|PATH", help="The model of the runs.")
    ],
    file: bench_options.File = None,
    any_hash: bench_options.AnyHash = False,
    fresh: bench_options.Fresh = False,
    engine: options.Engine = None,
    context: options.Context = None,
    threads: options.Threads = None,
) -> None:
    """Score the prompts and the reference code of saved runs with their model.

    Prompts are scored in the context of the programs that the model wrote. The scores are saved
    beside the samples of each run; after Ctrl-C or a kill the same command resumes. `multiturn
    report` shows perplexities and bits per byte.
    """
    settings = resolve_settings(
        {"model": model, "engine": engine, "context": context, "threads": threads}
    ).settings
    console = console_for(sys.stdout)
    runs = [read_run(path) for path in find_runs(place)]
    with open_bench_engine(settings, console) as opened:
        if not isinstance(opened, Scorer):
            raise InputError(
                "this engine does not score given text",
                got=opened.info.engine,
                fix="choose another --engine",
            )
        info = info_with_hash(opened, settings.model)
        for run in runs:
            config = run.config
            task = open_task(
                config.task,
                arm=config.arm,
                path=None if read_task_name(config.task)[0] in INCLUDED_SETS else file,
                any_hash=any_hash,
            )
            if not isinstance(task, ProblemTask) or task.problems_sha256 != config.problems_sha256:
                raise InputError("the run is not of these multi-turn problems", got=str(run.path))
            new = score_run(opened, info, task, run, fresh=fresh)
            console.print(
                f"{run.path}: {len(run.samples)} samples have scores, {new} of them new",
                markup=False,
                highlight=False,
            )
