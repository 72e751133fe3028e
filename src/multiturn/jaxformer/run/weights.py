"""Initial weights of a run (init from), and the weights of a finished or running one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from multiturn.core.errors import InputError
from multiturn.core.records import to_plain
from multiturn.hub.checkpoints.reading import load_parameters, open_checkpoint
from multiturn.hub.resolve_model import resolve_model
from multiturn.jaxformer.config import MeshConfig, TrainConfig
from multiturn.jaxformer.lora.checkpoint import read_lora_parameters
from multiturn.jaxformer.lora.partition import lora_partition
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.run.checkpoints import Checkpoints
from multiturn.jaxformer.run.directory import changed_settings
from multiturn.jaxformer.step.state import full_partition, shape_with_sharding
from multiturn.models.arrays import abstract
from multiturn.models.config import DecoderConfig
from multiturn.models.lora import merge
from multiturn.models.parameters import Parameters
from multiturn.models.sharding import TRAINING, shardings

__all__ = ["load_initial_parameters", "load_run", "trained_steps"]


def load_initial_parameters(start: str, config: DecoderConfig, mesh: Mesh) -> Parameters:
    """Load the weights that a run is initialized from.

    Args:
        start: a run's directory, a checkpoint in the hub's layout, a GGUF file, or the name of a
            known model, which is downloaded if necessary.
        config: of the model to train, which must match the weights.
        mesh: to shard the weights of a run over.

    Raises:
        InputError: the weights are of another model; the message names the differences.
        ModelFileError: there is no such checkpoint.
    """
    path = Path(start).expanduser()
    if not (path / "checkpoints").is_dir():
        checkpoint = open_checkpoint(resolve_model(start))
        _check_same(checkpoint.config, config, start)
        return load_parameters(checkpoint, "float32")
    with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
        step = _latest_step(checkpoints, path)
        saved = checkpoints.config(step)
        _check_same(saved.model, config, start)
        return _restore_parameters(checkpoints, step, saved, mesh)


def load_run(directory: Path, step: int | None = None) -> tuple[Parameters, TrainConfig]:
    """The weights of a run, from its newest checkpoint or that of `step`, and its config.

    The weights are on one device. Those of a LoRA run have the factors merged.

    Raises:
        InputError: there is no such checkpoint.
    """
    if not (directory / "checkpoints").is_dir():
        raise InputError("the directory has no run", got=str(directory))
    with Checkpoints(directory / "checkpoints", read_only=True) as checkpoints:
        step = _latest_step(checkpoints, directory) if step is None else step
        config = checkpoints.config(step)
        mesh = make_mesh(MeshConfig(data=1), jax.local_devices()[:1])
        return _restore_parameters(checkpoints, step, config, mesh), config


def trained_steps(directory: Path) -> int:
    """Steps that the newest checkpoint of a run has; 0 without one."""
    if not (directory / "checkpoints").is_dir():
        return 0
    with Checkpoints(directory / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.latest() or 0


def _restore_parameters(
    checkpoints: Checkpoints, step: int, saved: TrainConfig, mesh: Mesh
) -> Parameters:
    if saved.lora is not None and saved.start is not None:
        base = load_initial_parameters(saved.start, saved.model, mesh)
        partition = lora_partition(saved.model, saved.lora)
        return merge(
            base, read_lora_parameters(checkpoints, step, partition, mesh), saved.lora.scale
        )
    specs = full_partition(saved.model).specs
    shapes = jax.tree.map(
        shape_with_sharding,
        abstract(specs),
        shardings(specs, mesh, TRAINING),
    )
    parameters: Parameters = checkpoints.parameters(step, shapes)
    return parameters


def _latest_step(checkpoints: Checkpoints, path: Path) -> int:
    step = checkpoints.latest()
    if step is None:
        raise InputError("the run has no checkpoint yet", got=str(path))
    return step


def _check_same(there: DecoderConfig, wanted: DecoderConfig, start: str) -> None:
    differing: dict[str, Any] = changed_settings(to_plain(there), to_plain(wanted))
    differing.pop("context", None)  # rotary embeddings have no parameters
    if differing:
        differences = "; ".join(
            f"{key} is {old} there, {new} here" for key, (old, new) in differing.items()
        )
        raise InputError(f"the starting weights are of another model: {differences}", got=start)
