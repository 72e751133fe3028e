"""`multiturn train RECIPE`: train, or go on training."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli.command_line import command_line
from multiturn.apps.cli.faults import INTERRUPTED
from multiturn.apps.cli.interrupts import answering_ctrl_c
from multiturn.apps.cli.optional import needing
from multiturn.apps.cli.pull_progress import pull_display
from multiturn.apps.cli.working import Ticker, working
from multiturn.core.records import to_plain
from multiturn.hub.progress import told_to

if TYPE_CHECKING:
    from multiturn.jaxformer.config import TrainConfig

__all__ = ["run"]


def run(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A Python file that makes a config, or the name of a shipped one; "
            "FILE:NAME where it makes several."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes, such as schedule.peak=1e-3."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the config as JSON, and train nothing.")
    ] = False,
) -> None:
    """Train a model as a recipe says, or go on where an earlier call stopped.

    The same command resumes a run from its newest checkpoint. A run that is told to go
    (SIGTERM, SIGUSR1) saves and exits with 75, which asks to be started again; Ctrl-C saves
    too. A loss that is no number, or leaps up, stops the run with 3 and names its data.
    """
    # JAX takes a second to import, and `--help` must not wait for it.
    with working("starting JAX"), needing("train", purpose="training"):
        from multiturn.jaxformer.recipes import load_recipe
        from multiturn.jaxformer.run.preemption import PREEMPTED
        from multiturn.jaxformer.run.train import main

    # A recipe may name a model that is fetched first.
    with pull_display() as display, told_to(display):
        config = load_recipe(recipe, settings or [])
    if show:
        print(json.dumps(to_plain(config), indent=1))
        return
    # The libraries below log each fault that they also raise, which is told in one line.
    for library in ("absl", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with (
        answering_ctrl_c("the step at hand has ended, after which a checkpoint is written"),
        Ticker() as ticker,
    ):
        outcome = main(config, say=ticker.say, doing=ticker.doing)
        codes = {"preempted": PREEMPTED, "interrupted": INTERRUPTED}
        if outcome.status in codes:
            raise typer.Exit(codes[outcome.status])
        ticker.say(f"trained to step {outcome.step}; use it: {_next_step(config)}")


def _next_step(config: TrainConfig) -> str:
    """The commands that put a trained model to use."""
    from multiturn.jaxformer.lora.export import best_format, how_to_use

    run, to = config.directory, best_format(config)
    export = command_line("export", str(run), "--to", to)
    use = command_line("--model", how_to_use(run, run.parent / f"{run.name}-{to}", to))
    return f"{export} && {use}"
