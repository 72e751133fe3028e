"""LoRA, low-rank adaptation: a small trained product beside a frozen matrix.

    y = x W + scale * (x A) B          A: [in, r]   B: [r, out]   scale = alpha / r

Source: Hu et al., LoRA, arXiv 2106.09685. `attach` adds the factors to the parameters
for training; `merge` adds their product to the matrices for inference.
"""

# ruff: noqa: F722 - shapes in annotations

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from multiturn.core.errors import InputError
from multiturn.core.ranges import Range, check_ranges
from multiturn.models.arrays import Constant, Normal, ParameterSpec
from multiturn.models.config import DecoderConfig
from multiturn.models.parameters import Parameters, parameter_specs

__all__ = [
    "LORA_TARGETS",
    "LoraLinear",
    "LoraParameters",
    "LoraConfig",
    "LowRank",
    "attach",
    "lora_specs",
    "merge",
    "project",
]

LORA_TARGETS = {
    "query": 1,
    "key": 1,
    "value": 1,
    "attention_out": 2,
    "gate": 1,
    "up": 1,
    "down": 1,
}
"""The matrices of `Layers` that can be adapted, and how many input dimensions each has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """Which matrices are adapted, and how.

    Attributes:
        rank: of the product.
        alpha: the product is scaled by ``alpha / rank``, so that the learning rate need not
            change with the rank.
        targets: names of matrices of `Layers`.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("query", "key", "value", "attention_out")

    def __post_init__(self) -> None:
        check_ranges(self, {"rank": Range(1), "alpha": Range(0, above=True)}, what="lora.")
        unknown = [name for name in self.targets if name not in LORA_TARGETS]
        if unknown or not self.targets:
            raise InputError(
                "lora.targets names no matrix of a block",
                got=", ".join(unknown) or "nothing",
                allowed=", ".join(LORA_TARGETS),
            )
        if len(set(self.targets)) != len(self.targets):
            raise InputError("lora.targets names a matrix twice", got=", ".join(self.targets))

    @property
    def scale(self) -> float:
        """The factor of the product."""
        return self.alpha / self.rank


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LowRank:
    """The two factors for one matrix, stacked over the layers."""

    lora_a: Float[Array, "L ... R"]
    lora_b: Float[Array, "L R ..."]


LoraParameters = dict[str, LowRank]
"""The factors by the name of their matrix in `Layers`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LoraLinear:
    """A matrix with its factors; takes the place of the matrix in `Layers`."""

    base: Array
    lora_a: Array
    lora_b: Array
    scale: float = field(metadata={"static": True})


def lora_specs(config: DecoderConfig, lora: LoraConfig) -> Any:
    """The `LoraParameters` with a `ParameterSpec` for each array.

    The first factor starts with a standard deviation of 1 / sqrt(3 in), as in PEFT, and the second
    at 0, so that adapting starts from the unchanged model.

    Raises:
        InputError: the model has no such matrix.
    """
    layers = parameter_specs(config).layers
    make: Any = LowRank
    found = {}
    for name in lora.targets:
        spec = getattr(layers, name)
        if spec is None:
            known_targets = [known for known in LORA_TARGETS if getattr(layers, known) is not None]
            raise InputError(
                "the model has no such matrix to adapt", got=name, allowed=", ".join(known_targets)
            )
        cut = 1 + LORA_TARGETS[name]
        inner = 1
        for size in spec.shape[1:cut]:
            inner *= size
        found[name] = make(
            lora_a=ParameterSpec(
                shape=(*spec.shape[:cut], lora.rank),
                axes=(*spec.axes[:cut], "rank"),
                dtype=jnp.float32,
                initializer=Normal((3 * inner) ** -0.5),
                decay=True,
            ),
            lora_b=ParameterSpec(
                shape=(config.layers, lora.rank, *spec.shape[cut:]),
                axes=("layers", "rank", *spec.axes[cut:]),
                dtype=jnp.float32,
                initializer=Constant(0.0),
                decay=True,
            ),
        )
    return found


def attach(parameters: Parameters, factors: LoraParameters, scale: float) -> Parameters:
    """The parameters with the factors beside their matrices; `decoder` computes with both."""
    adapted: dict[str, Any] = {
        name: LoraLinear(getattr(parameters.layers, name), low.lora_a, low.lora_b, scale)
        for name, low in factors.items()
    }
    return replace(parameters, layers=replace(parameters.layers, **adapted))


def merge(parameters: Parameters, factors: LoraParameters, scale: float) -> Parameters:
    """The parameters with each product added to its matrix, in the dtype of the matrix."""
    merged: dict[str, Any] = {}
    for name, low in factors.items():
        base = getattr(parameters.layers, name)
        product = jnp.einsum(
            "lir,lro->lio",
            _flat(low.lora_a, -1),
            low.lora_b.reshape(*low.lora_b.shape[:2], -1),
            precision=jax.lax.Precision.HIGHEST,
        ).reshape(base.shape)
        merged[name] = (base.astype(jnp.float32) + scale * product).astype(base.dtype)
    return replace(parameters, layers=replace(parameters.layers, **merged))


def _flat(array: Array, inner: int) -> Array:
    """[L, ..., R] as [L, in, R]."""
    return array.reshape(array.shape[0], inner, array.shape[-1])


def project(
    layout: str,
    x: Array,
    weight: Array | LoraLinear,
    precision: jax.lax.Precision,
    einsum: Callable[..., Array] = jnp.einsum,
) -> Array:
    """An einsum of states with a weight, through its LoRA factors too where it has them.

    Args:
        layout: such as ``btd,dnh->btnh``; the weight's contracted dimensions come first.
        x: the states.
        weight: of one layer.
        precision: of the einsum.
        einsum: the implementation.
    """
    if not isinstance(weight, LoraLinear):
        return einsum(layout, x, weight, precision=precision)
    states, matrix, out = layout.replace("->", ",").split(",")
    inputs = "".join(axis for axis in matrix if axis in states)
    outputs = matrix.removeprefix(inputs)
    batch = "".join(axis for axis in states if axis not in inputs)
    low = einsum(f"{states},{inputs}r->{batch}r", x, weight.lora_a, precision=precision)
    change = einsum(f"{batch}r,r{outputs}->{out}", low, weight.lora_b, precision=precision)
    return einsum(layout, x, weight.base, precision=precision) + weight.scale * change
