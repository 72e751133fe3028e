"""Training as one call, for programs and notebooks."""

from __future__ import annotations

from pathlib import Path

from multiturn.jaxformer.config import TrainConfig, apply_overrides
from multiturn.jaxformer.recipes import load_recipe
from multiturn.jaxformer.run.train import TrainResult, main

__all__ = ["train"]


def train(config: TrainConfig | str | Path, *changes: str) -> TrainResult:
    """Train a model, or resume the run in ``config.out`` from its newest checkpoint.

    Args:
        config: what to train; or a recipe, by name or path.
        changes: ``key=value`` overrides of the config, such as
            ``"schedule.peak=1e-3"``.

    Returns:
        How the run ended, its last step and its last loss. The weights are in ``config.out``;
        `multiturn.load_model` reads them after `multiturn.jaxformer.export_run`.

    Raises:
        InputError: the recipe, an override, the data, the mesh or the checkpoints do not fit
            together; raised before the first step.
        DivergenceError: the loss is not finite, or spiked.
        StorageError: the disk is full or cannot be written.

    Example:
        ::

            import multiturn

            outcome = multiturn.train("nano", "steps=50", "out=runs/first")
            print(outcome.status, outcome.step, outcome.loss)
    """
    if isinstance(config, TrainConfig):
        return main(apply_overrides(config, changes))
    return main(load_recipe(str(config), changes))
