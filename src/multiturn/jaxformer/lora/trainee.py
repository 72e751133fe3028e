"""What a config trains: the whole decoder, or small factors beside matrices that stay."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.step.state import Trainee, whole_model
from multiturn.models.config import DecoderConfig
from multiturn.models.lora import LoraConfig, attach, lora_specs
from multiturn.models.parameters import Parameters, cast_parameters, parameter_specs
from multiturn.models.sharding import TRAINING, Rules, shardings

__all__ = ["LORA_RULES", "lora_trainee", "place_base", "trainee_of"]

LORA_RULES: Rules = {**TRAINING, "rank": None}
"""A factor is cut where its matrix is; the rank is too small to cut."""


def trainee_of(config: TrainConfig) -> Trainee:
    """What a run trains.

    Raises:
        InputError: it adapts no weights, or a matrix that the model has not.
    """
    if config.lora is None:
        return whole_model(config.model)
    if config.start is None:
        raise InputError(
            "a LoRA run has no weights to adapt",
            fix="set start to a model's name, a GGUF file, a checkpoint or a run",
        )
    return lora_trainee(config.model, config.lora)


def lora_trainee(config: DecoderConfig, lora: LoraConfig) -> Trainee:
    """The factors are trained; the decoder's own arrays are what the step calls `kept`."""
    return Trainee(
        config, lora_specs(config, lora), partial(_attached, scale=lora.scale), LORA_RULES
    )


def _attached(trained: Any, kept: Any, *, scale: float) -> Parameters:
    return attach(kept, trained, scale)


def place_base(base: Parameters, config: TrainConfig, mesh: Mesh) -> Parameters:
    """The arrays that stay as they are, in the type of computation, laid out on the mesh.

    They never change, so they need no float32 master copy.
    """
    narrow = cast_parameters(base, config.model, jnp.dtype(config.precision.compute))
    placed: Parameters = jax.device_put(
        narrow, shardings(parameter_specs(config.model), mesh, TRAINING)
    )
    return placed
