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
    replicated,
    with_sharding,
)
from multiturn.jaxformer.step.kernels import block_shape, use_native_kernels
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

__all__ = ["REMAT", "StepMetrics", "TrainStep", "make_train_step"]

_MAX_UNROLLED_LAYERS = 8
"""A deeper model runs its blocks in a loop: unrolled, it would take too long to compile."""

REMAT: dict[str, Any] = {
    "none": False,
    "full": True,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}
"""The `rematerialize` argument of `hidden_states` for each `PrecisionConfig.remat`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StepMetrics:
    """The metrics of one step; device scalars until they are read."""

    loss: Float[Array, ""]
    """Mean cross-entropy of the targets, in nats."""
    total: Float[Array, ""]
    """The loss plus the z-loss, which is what the gradient is of."""
    gradient_norm: Float[Array, ""]
    """The global norm before clipping."""
    learning_rate: Float[Array, ""]
    tokens: Float[Array, ""]
    """The sum of the loss mask."""

    def read(self) -> dict[str, float]:
        """The values by their names in ``metrics.jsonl``; waits for the device."""
        return {
            "loss": float(self.loss),
            "total": float(self.total),
            "gradient_norm": float(self.gradient_norm),
            "rate": float(self.learning_rate),
            "tokens": float(self.tokens),
        }


@dataclass(frozen=True, slots=True)
class TrainStep:
    """The compiled functions of one run.

    Attributes:
        train: ``(state, batch, frozen_parameters) -> (state, StepMetrics)``; reuses the memory
            of the old state. `frozen_parameters` is None unless the partition freezes arrays.
        evaluate: ``(parameters, batch, frozen_parameters) -> (losses, targets)``, the sums of the
            masked losses and of the loss mask for each sequence, both [B].
        optimizer: of the state.
        state: its shapes and shardings.
        batch: its shapes and shardings.
        native: whether it uses the native CPU kernels.
    """

    train: Any
    evaluate: Any
    optimizer: optax.GradientTransformation
    state: TrainState
    batch: Batch
    native: bool

    def lower(self, frozen_parameters: Any = None) -> Any:
        """Lower the train step ahead of time, from shapes alone."""
        return self.train.lower(self.state, self.batch, frozen_parameters)


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
    """Make the train step of a run; nothing is compiled or allocated yet.

    Raises:
        InputError: the mesh does not divide the batch, the heads or an array; native kernels
            were requested for another mesh than one CPU device.
        EngineError: native kernels were requested and cannot be compiled.
    """
    check_divisible(mesh, partition.config, batch)
    updates = make_optimizer(optimizer, schedule, partition.specs)
    state_shape = abstract_state(partition, updates, mesh)
    rate_at = learning_rate(schedule)
    native = use_native_kernels(precision, mesh, block_shape(partition.config, batch))
    if unroll is None:
        # A loop over blocks copies what each block saves for the backward pass.
        unroll = native and partition.config.layers <= _MAX_UNROLLED_LAYERS
    forward = _Forward(partition, mesh, batch, precision, unroll, native)
    layout = jax.tree.map(lambda shape: shape.sharding, state_shape)
    everywhere, rows = replicated(mesh), batch_sharding(mesh)

    def gradient(parameters: Any, frozen_parameters: Any, part: Batch) -> tuple[Any, Array, Array]:
        def loss(trained: Any) -> tuple[Array, Array]:
            decoder = partition.assemble(trained, frozen_parameters)
            return forward.loss_sum(decoder, part, optimizer.z_loss)

        (total, entropy), found = jax.value_and_grad(loss, has_aux=True)(parameters)
        # A reduce-scatter: no device ever holds the full gradient.
        found = with_sharding(found, layout.parameters)
        return found, total, entropy

    def train(
        state: TrainState, batch_arrays: Batch, frozen_parameters: Any
    ) -> tuple[TrainState, StepMetrics]:
        summed, total, entropy = _accumulate_gradients(
            lambda part: gradient(state.parameters, frozen_parameters, part),
            batch_arrays,
            batch.accumulate,
        )
        # Divided once, by the mask's sum over all microbatches: however the counted targets are
        # spread over them, the gradient is that of the full batch.
        tokens = jnp.sum(batch_arrays.loss_mask)
        scale = 1.0 / jnp.maximum(tokens, 1.0)
        mean = jax.tree.map(lambda found: found * scale, summed)
        change, moments = updates.update(mean, state.optimizer, state.parameters)
        metrics = StepMetrics(
            loss=entropy * scale,
            total=total * scale,
            gradient_norm=optax.tree.norm(mean),
            learning_rate=jnp.asarray(rate_at(state.step), jnp.float32),
            tokens=tokens,
        )
        changed = optax.apply_updates(state.parameters, change)
        return TrainState(step=state.step + 1, parameters=changed, optimizer=moments), metrics

    def evaluate(parameters: Any, part: Batch, frozen_parameters: Any) -> tuple[Array, Array]:
        losses = forward.token_losses(partition.assemble(parameters, frozen_parameters), part)
        return jnp.sum(losses * part.loss_mask, axis=1), jnp.sum(part.loss_mask, axis=1)

    return TrainStep(
        train=jax.jit(
            train,
            in_shardings=(layout, rows, None),
            out_shardings=(layout, everywhere),
            donate_argnums=0,
        ),
        evaluate=jax.jit(
            evaluate, in_shardings=(layout.parameters, rows, None), out_shardings=everywhere
        ),
        optimizer=updates,
        state=state_shape,
        batch=_batch_shapes(batch, mesh),
        native=native,
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

    def loss_sum(self, decoder: Parameters, part: Batch, z_loss: float) -> tuple[Array, Array]:
        narrow = self._cast(decoder)
        hidden = self._hidden(narrow, part)
        return next_token_loss(
            narrow,
            hidden,
            _as_array(part.targets),
            _as_array(part.loss_mask),
            z_loss=z_loss,
            chunks=self._chunks(),
            native=self.native,
        )

    def token_losses(self, decoder: Parameters, part: Batch) -> Array:
        narrow = self._cast(decoder)
        hidden = self._hidden(narrow, part)
        return token_losses(
            narrow, hidden, _as_array(part.targets), chunks=self._chunks(), native=self.native
        )

    def _hidden(self, decoder: Parameters, part: Batch) -> Array:
        activations = activation_sharding(self.mesh)
        return hidden_states(
            decoder,
            _as_array(part.tokens),
            self.partition.config,
            segments=_as_array(part.segments) if self.batch.inside_documents else None,
            rematerialize=REMAT[self.precision.remat],
            unroll=self.unroll,
            constrain=lambda x: _as_array(with_sharding(x, activations)),
            native=self.native,
        )

    def _cast(self, decoder: Parameters) -> Parameters:
        """The weights in the compute dtype, except those that keep float32."""
        narrow = cast_parameters(decoder, self.partition.config, jnp.dtype(self.precision.compute))
        # The batch's rows lie on the axis that splits the embedding's columns. Without this
        # constraint every device would gather the looked-up rows of all devices.
        table = with_sharding(narrow.embedding, embedding_sharding(self.mesh))
        narrowed: Parameters = replace(narrow, embedding=_as_array(table))
        return narrowed

    def _chunks(self) -> int:
        over = self.mesh.shape
        rows = self.batch.sequences // self.batch.accumulate
        for axis in BATCH_AXES:
            rows //= over[axis]
        return num_chunks(
            rows,
            self.batch.length // over["sequence"],
            -(-self.partition.config.vocab_size // over["tensor"]),
            max_bytes=self.precision.loss_bytes,
        )


def _accumulate_gradients(
    gradient: Callable[[Batch], tuple[Any, Array, Array]], batch_arrays: Batch, steps: int
) -> tuple[Any, Array, Array]:
    """Gradient accumulation: the sums over `steps` microbatches, computed one after another."""
    if steps == 1:
        return gradient(batch_arrays)

    def split(array: Any) -> Array:
        # Row r goes to microbatch r mod `steps`, so each device has a share of every microbatch.
        rows, *rest = array.shape
        return jnp.moveaxis(jnp.reshape(array, (rows // steps, steps, *rest)), 1, 0)

    def body(sums: Any, part: Batch) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, gradient(part)), None

    microbatches = jax.tree.map(split, batch_arrays)
    first = jax.tree.map(lambda array: array[0], microbatches)
    zeros = jax.tree.map(
        lambda shape: jnp.zeros(shape.shape, shape.dtype), jax.eval_shape(gradient, first)
    )
    sums, _ = jax.lax.scan(body, zeros, microbatches)
    summed: tuple[Any, Array, Array] = sums
    return summed


def _batch_shapes(batch: BatchConfig, mesh: Mesh) -> Batch:
    def shape(dtype: Any) -> Any:
        array = jax.eval_shape(lambda: jnp.zeros((batch.sequences, batch.length), dtype))
        return shape_with_sharding(array, batch_sharding(mesh))

    make: Any = Batch
    shapes: Batch = make(
        tokens=shape(jnp.int32),
        targets=shape(jnp.int32),
        loss_mask=shape(jnp.float32),
        segments=shape(jnp.int32),
    )
    return shapes


def _as_array(array: Any) -> Array:
    return jnp.asarray(array)
