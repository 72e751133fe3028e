"""The training state: step, master weights and optimizer state, with their shardings."""

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
    """The sequences of one step, or of one microbatch."""

    tokens: Int[Array, "B T"] | np.ndarray[Any, Any]
    targets: Int[Array, "B T"] | np.ndarray[Any, Any]
    """The token after each."""
    loss_mask: Float[Array, "B T"] | np.ndarray[Any, Any]
    """How much each target counts: 0 for padding, for prompts and at document boundaries."""
    segments: Int[Array, "B T"] | np.ndarray[Any, Any]
    """The document of its sequence that each token belongs to."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Everything that a step changes. Randomness is a function of the config's seed and `step`."""

    step: Int[Array, ""]
    """Completed steps."""
    parameters: Any
    """The master weights, float32."""
    optimizer: Any
    """The state of the optax transformation."""


@dataclass(frozen=True, slots=True)
class ParameterPartition:
    """A decoder's arrays, divided into trained and frozen ones.

    Attributes:
        config: of the decoder.
        specs: the trained arrays, a tree of `ParameterSpec` in float32.
        assemble: ``(trained, frozen_parameters) -> Parameters`` of the decoder; gradients flow
            through it. `frozen_parameters` is None where every array is trained.
        rules: the sharding table for `specs`.
    """

    config: DecoderConfig
    specs: Any
    assemble: Callable[[Any, Any], Parameters]
    rules: Rules


def full_partition(config: DecoderConfig, rules: Rules = TRAINING) -> ParameterPartition:
    """A partition that trains every array of the decoder."""
    return ParameterPartition(config, parameter_specs(config, jnp.float32), _all_trained, rules)


def _all_trained(trained: Any, frozen_parameters: Any) -> Parameters:
    del frozen_parameters
    parameters: Parameters = trained
    return parameters


def abstract_state(
    partition: ParameterPartition, optimizer: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
    """The state as `jax.ShapeDtypeStruct`s with shardings, without allocating memory.

    The optimizer's moments are sharded like their parameters.

    Raises:
        InputError: the mesh does not divide an array; the message names it.
    """
    layout = shardings(partition.specs, mesh, partition.rules)
    shapes = jax.tree.map(shape_with_sharding, abstract(partition.specs), layout)
    on_all = replicated(mesh)
    moments = optax.tree_utils.tree_map_params(
        optimizer,
        shape_with_sharding,
        jax.eval_shape(optimizer.init, shapes),
        layout,
        transform_non_params=lambda shape: shape_with_sharding(shape, on_all),
    )
    step = shape_with_sharding(jax.eval_shape(lambda: jnp.zeros((), jnp.int32)), on_all)
    # The same dataclass carries shapes and arrays.
    make: Any = TrainState
    state: TrainState = make(step=step, parameters=shapes, optimizer=moments)
    return state


def shape_with_sharding(shape: Any, sharding: Any) -> Any:
    """The shape and dtype of an array, or of its spec, with a sharding."""
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
    """The state before step 0: new or given weights, and a fresh optimizer.

    Each array is created on the devices that hold it.
    """
    layout = jax.tree.map(lambda shape: shape.sharding, abstract_state(partition, optimizer, mesh))
    if parameters is None:
        parameters = initialize(partition.specs, seed, shardings=layout.parameters)
    else:
        parameters = jax.device_put(
            jax.tree.map(lambda array: array.astype(jnp.float32), parameters), layout.parameters
        )
    moments = jax.jit(optimizer.init, out_shardings=layout.optimizer)(parameters)
    step = jax.device_put(jnp.zeros((), jnp.int32), layout.step)
    return TrainState(step=step, parameters=parameters, optimizer=moments)
