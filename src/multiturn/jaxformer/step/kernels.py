"""The choice between the native CPU kernels and XLA for a train step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from multiturn.core.errors import EngineError, InputError, StorageError
from multiturn.jaxformer.config import BatchConfig, PrecisionConfig
from multiturn.models.attention import attend, causal_mask
from multiturn.models.config import DecoderConfig
from multiturn.models.native.measurements import Seconds, remembered_seconds
from multiturn.models.native.training.attention import causal_attention
from multiturn.models.native.training.library import load_training_kernels
from multiturn.models.native.training.matmul import differentiable_matmul

__all__ = ["BlockShape", "block_shape", "block_seconds", "use_native_kernels"]

log = logging.getLogger(__name__)

_MIN_FLOAT32_WIDTH = 128
"""Of a model for which float32 kernels are compiled: a smaller one trains in minutes."""
_MAX_TOKENS = 1024
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class BlockShape:
    """What decides how long one block of a model takes in a train step.

    Attributes:
        d_model: width of the residual stream.
        mlp_dim: width of the MLP.
        heads: query heads.
        kv_heads: key and value heads.
        head_dim: dimensions of each.
        rows: sequences of a batch.
        length: tokens of a sequence.
        weights: of the block's matrices.
    """

    d_model: int
    mlp_dim: int
    heads: int
    kv_heads: int
    head_dim: int
    rows: int
    length: int
    weights: int


def block_shape(config: DecoderConfig, batch: BatchConfig) -> BlockShape:
    """The shape of one block, for a batch."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    mlp_matrices = 3 if config.feed_forward == "swiglu" else 2
    return BlockShape(
        d_model=config.d_model,
        mlp_dim=config.mlp_dim,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_dim=config.head_dim,
        rows=batch.sequences,
        length=batch.length,
        weights=config.d_model * (2 * queries + 2 * keys + mlp_matrices * config.mlp_dim),
    )


def use_native_kernels(
    precision: PrecisionConfig, mesh: Mesh, shape: BlockShape | None = None
) -> bool:
    """Whether to use the native kernels; loads them if so.

    XLA cannot partition a foreign call, so they run on one device only. With ``kernels=auto`` both
    compute a block of this shape, once on each machine, and the faster one is chosen.

    Args:
        precision: of the run.
        mesh: of the run.
        shape: of a block; without it XLA is chosen unless the kernels are ``native``.

    Raises:
        InputError: ``kernels=native`` on another mesh than one CPU device.
        EngineError: ``kernels=native``, and they cannot be compiled.
    """
    fits = _is_one_cpu(mesh)
    if precision.kernels == "native" and not fits:
        raise InputError(
            "native kernels do not fit the mesh",
            got=f"{mesh.size} {mesh.devices.flat[0].platform} devices",
            allowed="one CPU device",
            fix="set precision.kernels=auto",
        )
    if precision.kernels == "native":
        load_training_kernels(log.warning)
        return True
    if precision.kernels == "xla" or not fits or shape is None:
        return False
    if precision.compute == "float32" and shape.d_model < _MIN_FLOAT32_WIDTH:
        return False
    try:
        library = load_training_kernels(log.warning)
    except (EngineError, StorageError) as error:
        log.warning("training runs on XLA, which is slower: %s", error.what)
        return False
    question = {
        "library": library.name,
        "jax": jax.__version__,
        "compute": precision.compute,
        "shape": shape,
    }
    seconds = remembered_seconds(
        "training", question, lambda: block_seconds(shape, precision.compute)
    )
    log.info("a block takes %.3f s natively, %.3f s with XLA", seconds["native"], seconds["xla"])
    return seconds["native"] < seconds["xla"]


def block_seconds(shape: BlockShape, dtype: str) -> Seconds:
    """How long the products and the attention of one block take forward and backward.

    Args:
        shape: of the block.
        dtype: of the activations and weights.

    Returns:
        The seconds with ``native`` kernels, which must be loaded, and with ``xla``.
    """
    tokens = min(shape.rows * shape.length, _MAX_TOKENS)
    x = jnp.ones((tokens, shape.d_model), dtype)
    weight = jnp.ones((shape.d_model, shape.mlp_dim), dtype)
    query = jnp.ones((1, shape.length, shape.heads, shape.head_dim), dtype)
    key = jnp.ones((1, shape.length, shape.kv_heads, shape.head_dim), dtype)
    positions = jnp.arange(shape.length)[None]

    def xla_attention(query: Any, key: Any, value: Any) -> Any:
        return attend(query, key, value, causal_mask(positions, positions))

    ways: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "native": (differentiable_matmul, causal_attention),
        "xla": (jnp.matmul, xla_attention),
    }
    products = {name: _gradient_of(way[0], x, weight) for name, way in ways.items()}
    attentions = {name: _gradient_of(way[1], query, key, key) for name, way in ways.items()}
    product_seconds, attention_seconds = _best_of_each(products), _best_of_each(attentions)
    batch_tokens = shape.rows * shape.length
    scale = shape.weights / (shape.d_model * shape.mlp_dim) * batch_tokens / tokens
    return {
        name: scale * product_seconds[name] + shape.rows * attention_seconds[name] for name in ways
    }


def _gradient_of(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A call that computes a function and its gradients."""

    def total(*arguments: Any) -> Any:
        return function(*arguments).astype(jnp.float32).sum()

    compiled = jax.jit(jax.value_and_grad(total, argnums=tuple(range(len(arguments)))))

    def call() -> Any:
        value, gradients = compiled(*arguments)
        return value.block_until_ready(), [each.block_until_ready() for each in gradients]

    return call


def _best_of_each(calls: dict[str, Callable[[], Any]]) -> Seconds:
    """The shortest time of each call; they take turns, so that a busy moment is everyone's."""
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best


def _is_one_cpu(mesh: Mesh) -> bool:
    device: Any = mesh.devices.flat[0]
    return bool(mesh.size == 1 and device.platform == "cpu")
