"""What a config trains: the whole decoder, or small factors beside matrices that stay."""

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
"""A factor is cut where its matrix is; the rank is too small to cut."""


def make_partition(config: TrainConfig) -> ParameterPartition:
    """What a run trains.

    Raises:
        InputError: it adapts no weights, or a matrix that the model has not.
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
    """The factors are trained; the decoder's own arrays are what the step calls `kept`."""
    return ParameterPartition(
        config, lora_specs(config, lora), partial(_attached, scale=lora.scale), LORA_RULES
    )


def _attached(trained: Any, kept: Any, *, scale: float) -> Parameters:
    return attach(kept, trained, scale)


def place_frozen_parameters(base: Parameters, config: TrainConfig, mesh: Mesh) -> Parameters:
    """The arrays that stay as they are, in the type of computation, laid out on the mesh.

    They never change, so they need no float32 master copy.
    """
    narrow = cast_parameters(base, config.model, jnp.dtype(config.precision.compute))
    placed: Parameters = jax.device_put(
        narrow, shardings(parameter_specs(config.model), mesh, TRAINING)
    )
    return placed
