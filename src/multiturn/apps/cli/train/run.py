"""`multiturn train RECIPE`: train, or resume training."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli.command_line import command_line
from multiturn.apps.cli.error_report import INTERRUPTED
from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.interrupts import answering_ctrl_c
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.status_line import Ticker, working
from multiturn.core.records import to_plain
from multiturn.hub.progress import report_progress_to

if TYPE_CHECKING:
    from multiturn.jaxformer.config import TrainConfig

__all__ = ["next_step", "run", "train_stage"]


def run(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A Python file that defines a config, or the name of a bundled recipe; "
            "FILE:NAME if it defines several."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, such as schedule.peak=1e-3."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the config as JSON without training.")
    ] = False,
) -> None:
    """Train a model from a recipe, or resume an earlier run.

    The same command resumes a run from its newest checkpoint. On SIGTERM or SIGUSR1 the run
    saves a checkpoint and exits with 75, which asks for a restart; Ctrl-C saves one too. A NaN
    loss or a loss spike stops the run with exit code 3 and names the data of that step.
    """
    # Importing JAX is slow, and `--help` must be fast.
    with working("starting JAX"), require_extra("train", purpose="training"):
        from multiturn.jaxformer.recipes import load_recipe

    # A recipe may name a model to download.
    with pull_display() as display, report_progress_to(display):
        config = load_recipe(recipe, settings or [])
    if show:
        print(json.dumps(to_plain(config), indent=1))
        return
    train_stage(config)


def train_stage(config: TrainConfig) -> None:
    """Train one run, or resume it, with progress on standard error.

    Raises:
        Exit: it was preempted or interrupted, and has saved.
    """
    from multiturn.jaxformer.run.preemption import PREEMPTED
    from multiturn.jaxformer.run.retained_memory import retain_memory
    from multiturn.jaxformer.run.train import main

    retain_memory(config)

    # These libraries log each error that they also raise.
    for library in ("absl", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with (
        answering_ctrl_c("the current step is finished and a checkpoint is written"),
        Ticker() as ticker,
    ):
        outcome = main(config, say=ticker.say, doing=ticker.doing)
        codes = {"preempted": PREEMPTED, "interrupted": INTERRUPTED}
        if outcome.status in codes:
            raise typer.Exit(codes[outcome.status])
        ticker.say(f"trained to step {outcome.step}; use it: {next_step(config)}")


def next_step(config: TrainConfig) -> str:
    """The commands that export and use the trained model."""
    from multiturn.jaxformer.lora.export import best_format, how_to_use

    run, to = config.directory, best_format(config)
    export = command_line("export", str(run), "--to", to)
    use = command_line("--model", how_to_use(run, run.parent / f"{run.name}-{to}", to))
    return f"{export} && {use}"
