"""`multiturn train chain RECIPE`: all stages of a chain, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli.error_report import say
from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.interrupts import answering_ctrl_c
from multiturn.apps.cli.status_line import working
from multiturn.apps.cli.train.run import next_step, train_stage
from multiturn.core.errors import UnknownNameError

if TYPE_CHECKING:
    from multiturn.jaxformer.config import TrainConfig
    from multiturn.jaxformer.recipes import TrainingChain

__all__ = ["chain", "train_chain"]


def chain(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A Python file that defines several configs, or the name of a bundled recipe."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of every stage, such as seed=1."),
    ] = None,
) -> None:
    """Train all stages of a recipe, each from the weights of the stage before.

    The same command resumes a chain that was stopped, or killed, at any moment: finished stages
    are skipped, and the current one continues from its newest checkpoint. Corpora that the recipe
    names are built first if the data of a stage are missing.
    """
    train_chain(recipe, settings or [])


def train_chain(
    recipe: str, settings: Sequence[str] = (), *, until: str | None = None
) -> TrainConfig:
    """Train the stages of a recipe that are not finished.

    Args:
        recipe: a Python file, or the name of a bundled recipe.
        settings: overrides of every stage.
        until: the last stage to train; by default all are.

    Returns:
        The config of the last stage.

    Raises:
        InputError: as `load_chain`.
        UnknownNameError: the recipe has no stage `until`.
    """
    with working("starting JAX"), require_extra("train", purpose="training"):
        from multiturn.jaxformer.recipes import load_chain
        from multiturn.jaxformer.run.weights import trained_steps

    loaded = load_chain(recipe, settings)
    if until is not None and until not in loaded.stages:
        raise UnknownNameError("stage of the recipe", until, loaded.stages)
    _build_missing(loaded)
    for number, (name, config) in enumerate(loaded.stages.items(), 1):
        title = f"stage {number} of {len(loaded.stages)}, {name}"
        if trained_steps(config.directory) >= config.steps:
            say(f"{title}: finished before; use it: {next_step(config)}", label=None)
        else:
            say(f"{title}: {config.directory}", label=None)
            train_stage(config)
        if name == until:
            break
    return config


def _build_missing(loaded: TrainingChain) -> None:
    """Build the corpora of a chain, in order, if a stage has no data."""
    from multiturn.jaxformer.datasets.open import has_packed_corpus

    missing = [
        config.data.path
        for config in loaded.stages.values()
        if config.data.kind == "packed" and not has_packed_corpus(config.data.path)
    ]
    if not missing or not loaded.corpora:
        return  # training says what is missing
    with require_extra("data", purpose="building a corpus"):
        from multiturn.apps.cli.data.build_progress import build_display
        from multiturn.data.api import build_corpus

        for name in loaded.corpora:
            say(f"building the corpus {name}, for {', '.join(missing)}", label=None)
            with answering_ctrl_c("the current tasks are finished"), build_display() as display:
                build_corpus(name, progress=display)
