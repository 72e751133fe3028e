"""Which parameters a config trains: all of the decoder, or LoRA factors beside frozen matrices."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.step.state import ParameterPartition, full_partition
from multiturn.models.config import DecoderConfig
from multiturn.models.lora import LoraConfig, attach, lora_specs
from multiturn.models.parameters import Parameters, cast_parameters, parameter_specs
from multiturn.models.sharding import TRAINING, Rules, shardings

__all__ = ["LORA_RULES", "lora_partition", "place_frozen_parameters", "make_partition"]

LORA_RULES: Rules = {**TRAINING, "rank": None}
"""A factor is sharded like its matrix; the rank is too small to shard."""


def make_partition(config: TrainConfig) -> ParameterPartition:
    """The trained and frozen parameters of a run.

    Raises:
        InputError: a LoRA run without `start`, or a target that the model does not have.
    """
    if config.lora is None:
        return full_partition(config.model)
    if config.start is None:
        raise InputError(
            "a LoRA run has no weights to adapt",
            fix="set start to a model's name, a GGUF file, a checkpoint or a run",
        )
    return lora_partition(config.model, config.lora)


def lora_partition(config: DecoderConfig, lora: LoraConfig) -> ParameterPartition:
    """A partition that trains LoRA factors and freezes the decoder's own arrays."""
    return ParameterPartition(
        config, lora_specs(config, lora), partial(_attached, scale=lora.scale), LORA_RULES
    )


def _attached(trained: Any, frozen_parameters: Any, *, scale: float) -> Parameters:
    return attach(frozen_parameters, trained, scale)


def place_frozen_parameters(base: Parameters, config: TrainConfig, mesh: Mesh) -> Parameters:
    """The frozen arrays in the compute dtype, sharded over the mesh.

    They never change, so they need no float32 master copy.
    """
    narrow = cast_parameters(base, config.model, jnp.dtype(config.precision.compute))
    placed: Parameters = jax.device_put(
        narrow, shardings(parameter_specs(config.model), mesh, TRAINING)
    )
    return placed
