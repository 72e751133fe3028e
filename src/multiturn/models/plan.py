"""Parameter counts and memory of a model, computed from its configuration alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from multiturn.models.arrays import ParameterSpec
from multiturn.models.config import DecoderConfig, named_config
from multiturn.models.parameters import named_arrays, parameter_specs

__all__ = ["PLAN_DTYPES", "ArrayPlan", "ModelPlan", "models_plan", "plan_of"]

PLAN_DTYPES = {"float32": 4, "bfloat16": 2, "int8": 1}
"""Bytes of one element, for each dtype in a plan."""


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """One array: its name, shape, logical axes and number of parameters."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """The size of a model, computed without allocating it.

    Attributes:
        name: of the model.
        config: of the model.
        parameters: number of parameters.
        weight_bytes: bytes of all arrays, by dtype.
        cache_bytes_per_token: bytes of the KV cache per token, by dtype.
        cache_bytes_per_sequence: bytes of the KV cache for a full context, by dtype.
        arrays: each array with its shape and axes.
    """

    name: str
    config: DecoderConfig
    parameters: int
    weight_bytes: dict[str, int]
    cache_bytes_per_token: dict[str, int]
    cache_bytes_per_sequence: dict[str, int]
    arrays: tuple[ArrayPlan, ...] = field(repr=False)


def models_plan(name: str) -> ModelPlan:
    """The plan of a CodeGen model by name.

    Raises:
        UnknownNameError: no such model.

    Example:
        >>> plan = models_plan("codegen-16b-mono")
        >>> f"{plan.parameters / 1e9:.2f}B, {plan.weight_bytes['bfloat16'] / 2**30:.1f} GiB"
        '16.03B, 29.9 GiB'
    """
    return plan_of(name, named_config(name))


def plan_of(name: str, config: DecoderConfig) -> ModelPlan:
    """The plan of any configuration.

    Args:
        name: labels the plan.
        config: of the model.
    """
    infos: list[tuple[str, ParameterSpec]] = list(named_arrays(parameter_specs(config)))
    arrays = tuple(
        ArrayPlan(array, info.shape, info.axes, math.prod(info.shape)) for array, info in infos
    )
    parameters = sum(array.parameters for array in arrays)
    cached = 2 * config.layers * config.kv_heads * config.head_dim
    return ModelPlan(
        name=name,
        config=config,
        parameters=parameters,
        weight_bytes={dtype: parameters * size for dtype, size in PLAN_DTYPES.items()},
        cache_bytes_per_token={dtype: cached * size for dtype, size in PLAN_DTYPES.items()},
        cache_bytes_per_sequence={
            dtype: cached * size * config.max_seq_len for dtype, size in PLAN_DTYPES.items()
        },
        arrays=arrays,
    )
