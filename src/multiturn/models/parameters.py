"""The parameters of a decoder: dataclass pytrees with the layers stacked."""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from multiturn.models.arrays import Constant, Initializer, Normal, ParameterSpec
from multiturn.models.config import DecoderConfig

__all__ = ["Layers", "Parameters", "cast_parameters", "parameter_specs", "named_arrays"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Layers:
    """The arrays of all blocks, stacked along a leading layer axis for one compiled scan.

    Axes: L layers, D `d_model`, N query heads, K key-value heads, H `head_dim`, F `mlp_dim`. An
    array that the configuration does not have is None.
    """

    norm_scale: Float[Array, "L D"]
    """Before the attention; in a parallel block, before both branches."""
    norm_bias: Float[Array, "L D"] | None
    """Bias of the same norm."""
    mlp_norm_scale: Float[Array, "L D"] | None
    """Before the MLP; None in a parallel block."""
    mlp_norm_bias: Float[Array, "L D"] | None
    """Bias of the same norm."""
    query: Float[Array, "L D N H"]
    """Projection to the queries."""
    key: Float[Array, "L D K H"]
    """Projection to the keys."""
    value: Float[Array, "L D K H"]
    """Projection to the values."""
    query_bias: Float[Array, "L N H"] | None
    """Bias of the queries."""
    key_bias: Float[Array, "L K H"] | None
    """Bias of the keys."""
    value_bias: Float[Array, "L K H"] | None
    """Bias of the values."""
    attention_out: Float[Array, "L N H D"]
    """Projection of the heads' outputs to the residual stream."""
    gate: Float[Array, "L D F"] | None
    """Gate of SwiGLU."""
    up: Float[Array, "L D F"]
    """Projection to the MLP's hidden layer."""
    up_bias: Float[Array, "L F"] | None
    """Bias of the hidden layer."""
    down: Float[Array, "L F D"]
    """Projection of the hidden layer to the residual stream."""
    down_bias: Float[Array, "L D"] | None
    """Bias of that projection."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Parameters:
    """The arrays of a decoder. Axes: V vocabulary, D `d_model`."""

    embedding: Float[Array, "V D"]
    """Token embeddings."""
    layers: Layers
    """The blocks."""
    final_norm_scale: Float[Array, " D"]
    """Scale of the norm before the head."""
    final_norm_bias: Float[Array, " D"] | None
    """Bias of the same norm."""
    head: Float[Array, "D V"] | None
    """The output head; None if it is tied to the embedding."""
    head_bias: Float[Array, " V"] | None
    """Bias of the head."""


def parameter_specs(config: DecoderConfig, dtype: DTypeLike = jnp.float32) -> Any:
    """The `Parameters` of a configuration with a `ParameterSpec` for each array.

    Initial values: normal with standard deviation 0.02, and 0.02 / sqrt(2 * layers) for the two
    projections into the residual stream (GPT-2's rule), whose variance then does not grow with the
    depth; biases 0, scales 1.
    """
    c = config
    usual, into_stream = Normal(0.02), Normal(0.02 / (2 * c.layers) ** 0.5)
    zero, one = Constant(0.0), Constant(1.0)
    sizes = {
        "layers": c.layers,
        "vocab": c.vocab_size,
        "embed": c.d_model,
        "heads": c.heads,
        "kv_heads": c.kv_heads,
        "head": c.head_dim,
        "ff": c.mlp_dim,
    }

    def array(
        axes: str,
        initializer: Initializer,
        *,
        present: bool = True,
        decay: bool = False,
        keep_float32: bool = False,
    ) -> ParameterSpec | None:
        if not present:
            return None
        names = tuple(axes.split())
        return ParameterSpec(
            shape=tuple(sizes[name] for name in names),
            axes=names,
            dtype=dtype,
            initializer=initializer,
            decay=decay,
            keep_float32=keep_float32,
        )

    # Weight decay applies to matrices only. The number of dimensions does not identify them:
    # with stacked layers, the scales and biases of norms have two as well.
    matrix, in_norm = partial(array, decay=True), partial(array, keep_float32=True)

    centred, gated = c.norm == "layer", c.feed_forward == "swiglu"
    layers = {
        "norm_scale": in_norm("layers embed", one),
        "norm_bias": in_norm("layers embed", zero, present=centred),
        "mlp_norm_scale": in_norm("layers embed", one, present=not c.parallel_residual),
        "mlp_norm_bias": in_norm("layers embed", zero, present=centred and not c.parallel_residual),
        "query": matrix("layers embed heads head", usual),
        "key": matrix("layers embed kv_heads head", usual),
        "value": matrix("layers embed kv_heads head", usual),
        "query_bias": array("layers heads head", zero, present=c.qkv_bias),
        "key_bias": array("layers kv_heads head", zero, present=c.qkv_bias),
        "value_bias": array("layers kv_heads head", zero, present=c.qkv_bias),
        "attention_out": matrix("layers heads head embed", into_stream),
        "gate": matrix("layers embed ff", usual, present=gated),
        "up": matrix("layers embed ff", usual),
        "up_bias": array("layers ff", zero, present=c.feed_forward_bias),
        "down": matrix("layers ff embed", into_stream),
        "down_bias": array("layers embed", zero, present=c.feed_forward_bias),
    }
    outer = {
        "embedding": matrix("vocab embed", usual),
        "final_norm_scale": in_norm("embed", one),
        "final_norm_bias": in_norm("embed", zero, present=centred),
        "head": matrix("embed vocab", usual, present=not c.tie_embeddings),
        "head_bias": array("vocab", zero, present=c.head_bias, keep_float32=True),
    }
    # The same dataclasses hold specs, shapes, shardings and arrays.
    as_layers: Any = Layers
    as_parameters: Any = Parameters
    return as_parameters(layers=as_layers(**layers), **outer)


def cast_parameters(parameters: Any, config: DecoderConfig, dtype: DTypeLike) -> Any:
    """The parameters in another dtype, except the arrays with `keep_float32`.

    Args:
        parameters: a tree like that of `parameter_specs`; a matrix may be a subtree, as in LoRA.
        config: of the decoder.
        dtype: of the arrays that are cast.
    """

    def cast(spec: ParameterSpec, array: Any) -> Any:
        wanted = jnp.float32 if spec.keep_float32 else dtype
        return jax.tree.map(lambda part: part.astype(wanted), array)

    return jax.tree.map(cast, parameter_specs(config), parameters)


def named_arrays(parameters: Any) -> Iterator[tuple[str, Any]]:
    """Each array with its name, such as ``embedding`` or ``layers.query``."""
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if isinstance(value, Layers):
            for name, array in named_arrays(value):
                yield f"{field.name}.{name}", array
        elif value is not None:
            yield field.name, value
