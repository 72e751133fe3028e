"""What a run carries from step to step, declared before it exists."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Float, Int

from multiturn.jaxformer.parallel.mesh import replicated
from multiturn.models.arrays import abstract, initialize
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters, parameter_specs
from multiturn.models.sharding import TRAINING, Rules, shardings

__all__ = [
    "Batch",
    "TrainState",
    "ParameterPartition",
    "init_state",
    "abstract_state",
    "full_partition",
    "shape_with_sharding",
]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch:
    """One step's sequences, or a part of them."""

    tokens: Int[Array, "B T"] | np.ndarray[Any, Any]
    targets: Int[Array, "B T"] | np.ndarray[Any, Any]
    """The token after each."""
    weights: Float[Array, "B T"] | np.ndarray[Any, Any]
    """How much each target counts: 0 for padding, prompts, and borders between documents."""
    segments: Int[Array, "B T"] | np.ndarray[Any, Any]
    """Which document of its sequence a token belongs to."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All that a step changes. Randomness is a function of the config's seed and `step`."""

    step: Int[Array, ""]
    """How many steps were done."""
    parameters: Any
    """The master weights, float32."""
    optimizer: Any
    """Of optax."""


@dataclass(frozen=True, slots=True)
class ParameterPartition:
    """What is trained, and how a decoder comes of it.

    Attributes:
        config: of the decoder.
        declared: the trained arrays, a tree of `ParameterSpec` in float32.
        assemble: the trained arrays, and those that stay as they are (None for a whole
            model), to the decoder's parameters; differentiated through.
        rules: the sharding table for `declared`.
    """

    config: DecoderConfig
    declared: Any
    assemble: Callable[[Any, Any], Parameters]
    rules: Rules


def full_partition(config: DecoderConfig, rules: Rules = TRAINING) -> ParameterPartition:
    """Every array of the decoder is trained."""
    return ParameterPartition(config, parameter_specs(config, jnp.float32), _itself, rules)


def _itself(trained: Any, kept: Any) -> Parameters:
    del kept
    parameters: Parameters = trained
    return parameters


def abstract_state(
    partition: ParameterPartition, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """The state as `jax.ShapeDtypeStruct`s with their shardings: no memory is taken.

    The optimizer's moments lie where their parameters lie.

    Raises:
        InputError: the mesh does not divide an array; the message names it.
    """
    placed = shardings(partition.declared, mesh, partition.rules)
    shapes = jax.tree.map(shape_with_sharding, abstract(partition.declared), placed)
    everywhere = replicated(mesh)
    moments = optax.tree_utils.tree_map_params(
        optimizer,
        shape_with_sharding,
        jax.eval_shape(optimizer.init, shapes),
        placed,
        transform_non_params=lambda shape: shape_with_sharding(shape, everywhere),
    )
    step = shape_with_sharding(jax.eval_shape(lambda: jnp.zeros((), jnp.int32)), everywhere)
    # The same dataclass carries shapes and arrays.
    make: Any = TrainState
    state: TrainState = make(step=step, parameters=shapes, optimizer=moments)
    return state


def shape_with_sharding(shape: Any, sharding: Any) -> Any:
    """The shape and type of an array, or of its declaration, at a place on a mesh."""
    make: Any = jax.ShapeDtypeStruct
    return make(shape.shape, jnp.dtype(shape.dtype), sharding=sharding)


def init_state(
    partition: ParameterPartition,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    seed: int,
    *,
    parameters: Any = None,
) -> TrainState:
    """The state before step 0: new weights, or the given ones, and an optimizer at rest.

    Each array is made on the devices that keep it.
    """
    placed = jax.tree.map(lambda shape: shape.sharding, abstract_state(partition, optimizer, mesh))
    if parameters is None:
        parameters = initialize(partition.declared, seed, shardings=placed.parameters)
    else:
        parameters = jax.device_put(
            jax.tree.map(lambda array: array.astype(jnp.float32), parameters), placed.parameters
        )
    moments = jax.jit(optimizer.init, out_shardings=placed.optimizer)(parameters)
    step = jax.device_put(jnp.zeros((), jnp.int32), placed.step)
    return TrainState(step=step, parameters=parameters, optimizer=moments)
