"""The device mesh of four axes, and the shardings of batches and activations over it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import BatchConfig, MeshConfig
from multiturn.models.config import DecoderConfig

__all__ = [
    "AXES",
    "BATCH_AXES",
    "batch_sharding",
    "check_divisible",
    "make_mesh",
    "with_sharding",
    "replicated",
    "resolve_axis_sizes",
    "activation_sharding",
    "embedding_sharding",
]

AXES = ("data", "fsdp", "sequence", "tensor")
"""Outermost first: neighbours in device order, which have the fastest links, share tensors."""

BATCH_AXES = ("data", "fsdp")

_spec: Any = PartitionSpec


def resolve_axis_sizes(config: MeshConfig, devices: int) -> MeshConfig:
    """The config with -1 replaced by the number of remaining devices.

    Raises:
        InputError: the axes do not multiply to the number of devices.
    """
    sizes = {axis: getattr(config, axis) for axis in AXES}
    given = math.prod(size for size in sizes.values() if size != -1)
    free = [axis for axis, size in sizes.items() if size == -1]
    if devices % given or (not free and given != devices):
        shape = " x ".join(f"{axis} {size}" for axis, size in sizes.items() if size != 1)
        raise InputError(
            f"the mesh ({shape or 'one device'}) does not fit the {devices} devices",
            got=given,
            allowed=f"a divisor of {devices}, with one axis -1 to take the rest"
            if free
            else f"{devices} in all",
            fix="set mesh.data=-1, or other sizes" if not free else "choose other sizes",
        )
    return replace(config, **dict.fromkeys(free, devices // given))


def make_mesh(config: MeshConfig, devices: Any = None) -> Mesh:
    """The mesh over `devices`, by default all devices of all hosts.

    Raises:
        InputError: as `resolve_axis_sizes`.
    """
    devices = jax.devices() if devices is None else devices
    sizes = resolve_axis_sizes(config, len(devices))
    return jax.make_mesh(
        tuple(getattr(sizes, axis) for axis in AXES),
        AXES,
        axis_types=(AxisType.Auto,) * len(AXES),
        devices=devices,
    )


def check_divisible(mesh: Mesh, model: DecoderConfig, batch: BatchConfig) -> None:
    """Check that the mesh divides the batch and the heads; `models.sharding` checks the arrays.

    Raises:
        InputError: something does not divide; the message names it.
    """
    rows = batch.sequences // batch.accumulate
    over = math.prod(mesh.shape[axis] for axis in BATCH_AXES)
    if rows % over:
        raise InputError(
            "the batch does not divide over the mesh's data x fsdp",
            got=f"{batch.sequences} sequences / {batch.accumulate} parts = {rows} over {over}",
            allowed=f"a multiple of {over * batch.accumulate} sequences",
            fix="change batch.sequences, batch.accumulate, or the mesh",
        )
    if batch.length % mesh.shape["sequence"]:
        raise InputError(
            "the sequence length does not divide over the mesh axis 'sequence'",
            got=batch.length,
            allowed=f"a multiple of {mesh.shape['sequence']}",
        )
    tensor = mesh.shape["tensor"]
    for what, size in (("heads", model.heads), ("key and value heads", model.kv_heads)):
        if size % tensor:
            raise InputError(
                f"the mesh axis 'tensor' does not divide the {what}",
                got=f"{size} {what} over {tensor} devices",
                allowed=f"a divisor of {size}",
                fix="choose another mesh.tensor",
            )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: rows over data and fsdp, length over sequence."""
    return NamedSharding(mesh, _spec(BATCH_AXES, "sequence"))


def activation_sharding(mesh: Mesh) -> NamedSharding:
    """The sharding of the residual stream [B, T, D]: like the batch; D is not sharded."""
    return NamedSharding(mesh, _spec(BATCH_AXES, "sequence", None))


def embedding_sharding(mesh: Mesh) -> NamedSharding:
    """The sharding of the embedding [V, D] during the lookup: V over tensor; D is not sharded."""
    return NamedSharding(mesh, _spec("tensor", None))


def with_sharding(x: Any, sharding: Any) -> Any:
    """An array, or a tree of arrays, with a sharding constraint."""
    constrain: Any = jax.lax.with_sharding_constraint
    return constrain(x, sharding)


def replicated(mesh: Mesh) -> NamedSharding:
    """A full copy on every device."""
    return NamedSharding(mesh, _spec())
