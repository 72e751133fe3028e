"""Low-rank adaptation: a small trained product beside a matrix that stays as it is.

    y = x W + scale * (x A) B          A: [in, r]   B: [r, out]   scale = alpha / r

Source: Hu et al., LoRA, arXiv 2106.09685. `attach` puts the factors beside the matrices,
for training; `merge` adds them in, for everything else.
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
"""The matrices of `Layers` that can be adapted, and how many dimensions each reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """What is adapted, and by how much.

    Attributes:
        rank: columns of the first factor.
        alpha: the product counts ``alpha / rank`` times, so that the rate of learning need
            not change with the rank.
        targets: names of matrices of `Layers`.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("query", "key", "value", "attention_out")

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError("lora.rank is out of range", got=self.rank, allowed="1 or more")
        if not self.alpha > 0:
            raise InputError("lora.alpha is out of range", got=self.alpha, allowed="above 0")
        strange = [name for name in self.targets if name not in LORA_TARGETS]
        if strange or not self.targets:
            raise InputError(
                "lora.targets names no matrix of a block",
                got=", ".join(strange) or "nothing",
                allowed=", ".join(LORA_TARGETS),
            )
        if len(set(self.targets)) != len(self.targets):
            raise InputError("lora.targets names a matrix twice", got=", ".join(self.targets))

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.alpha / self.rank


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LowRank:
    """The two factors for one matrix of all layers, the layer in front."""

    lora_a: Float[Array, "L ... R"]
    lora_b: Float[Array, "L R ..."]


LoraParameters = dict[str, LowRank]
"""The adapted matrices of `Layers` by name."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LoraLinear:
    """A matrix with its factors, in the place of the matrix."""

    base: Array
    lora_a: Array
    lora_b: Array
    scale: float = field(metadata={"static": True})


def lora_specs(config: DecoderConfig, lora: LoraConfig) -> Any:
    """The `LoraParameters` with an `ParameterSpec` in place of each array.

    The first factor is drawn with deviation 1 / sqrt(3 in), as PEFT draws it, and the second
    is 0, so that an adapted model begins as what it was.

    Raises:
        InputError: the model has no such matrix.
    """
    layers = parameter_specs(config).layers
    make: Any = LowRank
    found = {}
    for name in lora.targets:
        info = getattr(layers, name)
        if info is None:
            there = [known for known in LORA_TARGETS if getattr(layers, known) is not None]
            raise InputError(
                "the model has no such matrix to adapt", got=name, allowed=", ".join(there)
            )
        cut = 1 + LORA_TARGETS[name]
        inner = 1
        for size in info.shape[1:cut]:
            inner *= size
        found[name] = make(
            lora_a=ParameterSpec(
                shape=(*info.shape[:cut], lora.rank),
                axes=(*info.axes[:cut], "rank"),
                dtype=jnp.float32,
                initializer=Normal((3 * inner) ** -0.5),
                decay=True,
            ),
            lora_b=ParameterSpec(
                shape=(config.layers, lora.rank, *info.shape[cut:]),
                axes=("layers", "rank", *info.axes[cut:]),
                dtype=jnp.float32,
                initializer=Constant(0.0),
                decay=True,
            ),
        )
    return found


def attach(parameters: Parameters, factors: LoraParameters, scale: float) -> Parameters:
    """The decoder with the factors beside their matrices; `decoder` computes with both."""
    adapted: dict[str, Any] = {
        name: LoraLinear(getattr(parameters.layers, name), low.lora_a, low.lora_b, scale)
        for name, low in factors.items()
    }
    return replace(parameters, layers=replace(parameters.layers, **adapted))


def merge(parameters: Parameters, factors: LoraParameters, scale: float) -> Parameters:
    """The decoder with the factors' products added to their matrices, in the type of these."""
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
    """The product that an einsum names, through the factors as well where there are some.

    Args:
        layout: as ``btd,dnh->btnh``; the weight's dimensions that `x` has come first.
        x: the states.
        weight: of one layer.
        precision: of the products.
        einsum: what computes them.
    """
    if not isinstance(weight, LoraLinear):
        return einsum(layout, x, weight, precision=precision)
    states, matrix, out = layout.replace("->", ",").split(",")
    read = "".join(axis for axis in matrix if axis in states)
    written = matrix.removeprefix(read)
    kept = "".join(axis for axis in states if axis not in read)
    low = einsum(f"{states},{read}r->{kept}r", x, weight.lora_a, precision=precision)
    change = einsum(f"{kept}r,r{written}->{out}", low, weight.lora_b, precision=precision)
    return einsum(layout, x, weight.base, precision=precision) + weight.scale * change
