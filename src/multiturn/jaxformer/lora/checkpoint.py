"""The trained factors of a LoRA run, from its checkpoints."""

from __future__ import annotations

from pathlib import Path

import jax
from jax.sharding import Mesh

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import MeshConfig, TrainConfig
from multiturn.jaxformer.lora.partition import lora_partition
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.run.checkpoints import Checkpoints
from multiturn.jaxformer.step.state import ParameterPartition, shape_with_sharding
from multiturn.models.arrays import abstract
from multiturn.models.lora import LoraParameters
from multiturn.models.sharding import shardings

__all__ = ["load_lora_run", "read_lora_parameters"]


def load_lora_run(directory: Path, step: int | None = None) -> tuple[LoraParameters, TrainConfig]:
    """The factors of a run, from its newest checkpoint or that of `step`, and its config.

    Raises:
        InputError: there is no such checkpoint, or the run trained every array.
    """
    if not (directory / "checkpoints").is_dir():
        raise InputError("the directory has no run", got=str(directory))
    with Checkpoints(directory / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.latest() if step is None else step
        if step is None:
            raise InputError("the run has no checkpoint yet", got=str(directory))
        config = checkpoints.config(step)
        if config.lora is None:
            raise InputError("the run is not a LoRA run", got=str(directory))
        mesh = make_mesh(MeshConfig(data=1), jax.local_devices()[:1])
        return read_lora_parameters(
            checkpoints, step, lora_partition(config.model, config.lora), mesh
        ), config


def read_lora_parameters(
    checkpoints: Checkpoints, step: int, partition: ParameterPartition, mesh: Mesh
) -> LoraParameters:
    """The factors in a checkpoint, sharded over a mesh."""
    shapes = jax.tree.map(
        shape_with_sharding,
        abstract(partition.specs),
        shardings(partition.specs, mesh, partition.rules),
    )
    factors: LoraParameters = checkpoints.parameters(step, shapes)
    return factors
