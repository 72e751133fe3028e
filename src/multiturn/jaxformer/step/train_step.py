"""The train step and its counterpart for evaluation, compiled for a mesh."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Float

from multiturn.jaxformer.config import (
    BatchConfig,
    OptimizerConfig,
    PrecisionConfig,
    ScheduleConfig,
)
from multiturn.jaxformer.parallel.mesh import (
    BATCH_AXES,
    activation_sharding,
    batch_sharding,
    check_divisible,
    embedding_sharding,
    pinned,
    replicated,
)
from multiturn.jaxformer.step.kernels import use_native_kernels
from multiturn.jaxformer.step.loss import next_token_loss, num_chunks, token_losses
from multiturn.jaxformer.step.optimizer import learning_rate, make_optimizer
from multiturn.jaxformer.step.state import (
    Batch,
    ParameterPartition,
    TrainState,
    abstract_state,
    shape_with_sharding,
)
from multiturn.models.decoder import hidden_states
from multiturn.models.parameters import Parameters, cast_parameters

__all__ = ["REMAT", "Metrics", "TrainStep", "make_train_step"]

_MAX_UNROLLED_LAYERS = 8
"""Blocks that stand one after the other in the compiled step."""

REMAT: dict[str, Any] = {
    "none": False,
    "full": True,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}
"""`PrecisionConfig.remat` to what `hidden_states` takes."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Metrics:
    """Of one step; device scalars until they are read."""

    loss: Float[Array, ""]
    """Mean cross-entropy of a target, in nats."""
    total: Float[Array, ""]
    """The same with the z-loss: what was differentiated."""
    gradient_norm: Float[Array, ""]
    """Global, before the clip."""
    rate: Float[Array, ""]
    tokens: Float[Array, ""]
    """The sum of the targets' weights."""


@dataclass(frozen=True, slots=True)
class TrainStep:
    """The compiled functions of one run.

    Attributes:
        train: ``(state, batch, kept) -> (state, Metrics)``; takes the old state's memory.
            `kept` are the arrays that stay as they are (see `ParameterPartition`), None as a rule.
        evaluate: ``(parameters, batch, kept)`` -> the sums of weighted losses and of weights
            of each sequence, both [B].
        optimizer: of the state.
        state: its shapes and shardings.
        batch: its shapes and shardings.
    """

    train: Any
    evaluate: Any
    optimizer: optax.GradientTransformation
    state: TrainState
    batch: Batch

    def lower(self, kept: Any = None) -> Any:
        """The train step lowered ahead of time, from shapes alone; compile it for a plan."""
        return self.train.lower(self.state, self.batch, kept)


def make_train_step(
    partition: ParameterPartition,
    mesh: Mesh,
    *,
    batch: BatchConfig,
    schedule: ScheduleConfig,
    optimizer: OptimizerConfig,
    precision: PrecisionConfig,
    unroll: bool | int | None = None,
) -> TrainStep:
    """Put the step together; nothing is compiled or allocated yet.

    Raises:
        InputError: the mesh does not divide the batch, the heads or an array; native kernels
            are asked for where they cannot be.
        EngineError: native kernels are asked for and cannot be compiled.
    """
    check_divisible(mesh, partition.config, batch)
    updates = make_optimizer(optimizer, schedule, partition.declared)
    state_shape = abstract_state(partition, updates, mesh)
    rate = learning_rate(schedule)
    native = use_native_kernels(precision, mesh)
    if unroll is None:
        # A loop over blocks copies what each keeps for the backward pass; a long unrolled
        # program takes long to compile.
        unroll = native and partition.config.layers <= _MAX_UNROLLED_LAYERS
    forward = _Forward(partition, mesh, batch, precision, unroll, native)
    placed = jax.tree.map(lambda shape: shape.sharding, state_shape)
    everywhere, rows = replicated(mesh), batch_sharding(mesh)

    def gradient(parameters: Any, kept: Any, part: Batch) -> tuple[Any, Array, Array]:
        def loss(trained: Any) -> tuple[Array, Array]:
            decoder = partition.assemble(trained, kept)
            return forward.summed(decoder, part, optimizer.z_loss)

        (total, entropy), found = jax.value_and_grad(loss, has_aux=True)(parameters)
        # Reduced to where the weights lie, and never whole on a device.
        found = pinned(found, placed.parameters)
        return found, total, entropy

    def train(state: TrainState, whole: Batch, kept: Any) -> tuple[TrainState, Metrics]:
        summed, total, entropy = _accumulated(
            lambda part: gradient(state.parameters, kept, part), whole, batch.accumulate
        )
        # The sum over all parts divided by all their weights: the gradient of the whole
        # batch, however the weights are spread over its parts.
        tokens = jnp.sum(whole.weights)
        scale = 1.0 / jnp.maximum(tokens, 1.0)
        mean = jax.tree.map(lambda found: found * scale, summed)
        change, moments = updates.update(mean, state.optimizer, state.parameters)
        metrics = Metrics(
            loss=entropy * scale,
            total=total * scale,
            gradient_norm=optax.tree.norm(mean),
            rate=jnp.asarray(rate(state.step), jnp.float32),
            tokens=tokens,
        )
        changed = optax.apply_updates(state.parameters, change)
        return TrainState(step=state.step + 1, parameters=changed, optimizer=moments), metrics

    def evaluate(parameters: Any, part: Batch, kept: Any) -> tuple[Array, Array]:
        losses = forward.by_token(partition.assemble(parameters, kept), part)
        return jnp.sum(losses * part.weights, axis=1), jnp.sum(part.weights, axis=1)

    return TrainStep(
        train=jax.jit(
            train,
            in_shardings=(placed, rows, None),
            out_shardings=(placed, everywhere),
            donate_argnums=0,
        ),
        evaluate=jax.jit(
            evaluate, in_shardings=(placed.parameters, rows, None), out_shardings=everywhere
        ),
        optimizer=updates,
        state=state_shape,
        batch=_batch_shapes(batch, mesh),
    )


@dataclass(frozen=True, slots=True)
class _Forward:
    """The decoder's forward pass and loss, in the precision and on the mesh of a run."""

    partition: ParameterPartition
    mesh: Mesh
    batch: BatchConfig
    precision: PrecisionConfig
    unroll: bool | int
    native: bool

    def summed(self, decoder: Parameters, part: Batch, z_loss: float) -> tuple[Array, Array]:
        narrow = self._cast(decoder)
        hidden = self._hidden(narrow, part)
        return next_token_loss(
            narrow,
            hidden,
            _as_array(part.targets),
            _as_array(part.weights),
            z_loss=z_loss,
            slices=self._slices(),
            native=self.native,
        )

    def by_token(self, decoder: Parameters, part: Batch) -> Array:
        narrow = self._cast(decoder)
        hidden = self._hidden(narrow, part)
        return token_losses(
            narrow, hidden, _as_array(part.targets), slices=self._slices(), native=self.native
        )

    def _hidden(self, decoder: Parameters, part: Batch) -> Array:
        stream = activation_sharding(self.mesh)
        return hidden_states(
            decoder,
            _as_array(part.tokens),
            self.partition.config,
            segments=_as_array(part.segments) if self.batch.inside_documents else None,
            rematerialize=REMAT[self.precision.remat],
            unroll=self.unroll,
            constrain=lambda x: _as_array(pinned(x, stream)),
            native=self.native,
        )

    def _cast(self, decoder: Parameters) -> Parameters:
        """The weights in the compute dtype, except those that keep float32."""
        narrow = cast_parameters(decoder, self.partition.config, jnp.dtype(self.precision.compute))
        # The batch's rows lie on the axis that splits the embedding's columns. Without this
        # constraint every device would gather the looked-up rows of all devices.
        table = pinned(narrow.embedding, embedding_sharding(self.mesh))
        narrowed: Parameters = replace(narrow, embedding=_as_array(table))
        return narrowed

    def _slices(self) -> int:
        over = self.mesh.shape
        rows = self.batch.sequences // self.batch.accumulate
        for axis in BATCH_AXES:
            rows //= over[axis]
        return num_chunks(
            rows,
            self.batch.length // over["sequence"],
            -(-self.partition.config.vocab_size // over["tensor"]),
            most_bytes=self.precision.loss_bytes,
        )


def _accumulated(
    gradient: Callable[[Batch], tuple[Any, Array, Array]], whole: Batch, parts: int
) -> tuple[Any, Array, Array]:
    """The sums over the parts of a batch, taken one after the other."""
    if parts == 1:
        return gradient(whole)

    def dealt(array: Any) -> Array:
        # Row r goes to part r mod `parts`: each device then has its share of every part.
        rows, *rest = array.shape
        return jnp.moveaxis(jnp.reshape(array, (rows // parts, parts, *rest)), 1, 0)

    def body(sums: Any, part: Batch) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, gradient(part)), None

    split = jax.tree.map(dealt, whole)
    first = jax.tree.map(lambda array: array[0], split)
    empty = jax.tree.map(
        lambda shape: jnp.zeros(shape.shape, shape.dtype), jax.eval_shape(gradient, first)
    )
    sums, _ = jax.lax.scan(body, empty, split)
    summed: tuple[Any, Array, Array] = sums
    return summed


def _batch_shapes(batch: BatchConfig, mesh: Mesh) -> Batch:
    def shape(dtype: Any) -> Any:
        whole = jax.eval_shape(lambda: jnp.zeros((batch.sequences, batch.length), dtype))
        return shape_with_sharding(whole, batch_sharding(mesh))

    make: Any = Batch
    shapes: Batch = make(
        tokens=shape(jnp.int32),
        targets=shape(jnp.int32),
        weights=shape(jnp.float32),
        segments=shape(jnp.int32),
    )
    return shapes


def _as_array(array: Any) -> Array:
    return jnp.asarray(array)
