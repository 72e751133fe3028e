"""Sharding rules: a table from logical axes to the axes of a device mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from multiturn.core.errors import InputError
from multiturn.models.arrays import ParameterSpec, path_name

__all__ = ["REPLICATED", "TENSOR_PARALLEL", "TRAINING", "Rules", "partition_spec", "shardings"]

Rules = Mapping[str, str | tuple[str, ...] | None]
"""Logical axis -> mesh axis, several mesh axes, or None (replicated)."""

REPLICATED: Rules = dict.fromkeys(
    ("layers", "vocab", "embed", "heads", "kv_heads", "head", "ff"), None
)
"""Every array replicated on every device."""

TENSOR_PARALLEL: Rules = {
    **REPLICATED,
    "vocab": "model",
    "heads": "model",
    "kv_heads": "model",
    "ff": "model",
}
"""Heads and MLP sharded over the mesh axis ``model``, as in Megatron: one all-reduce after the
attention and one after the MLP."""

TRAINING: Rules = {
    **REPLICATED,
    "embed": "fsdp",
    "vocab": "tensor",
    "heads": "tensor",
    "kv_heads": "tensor",
    "ff": "tensor",
}
"""Every matrix sharded twice: over ``tensor`` as in Megatron, and over ``fsdp`` along the residual
stream, gathered layer by layer (ZeRO-3). A mesh axis of size 1 shards nothing, so data parallel,
fully sharded and tensor parallel training are shapes of one mesh."""


def partition_spec(info: ParameterSpec, rules: Rules, mesh: Mesh, *, name: str) -> PartitionSpec:
    """The partition spec of the array called `name`.

    Raises:
        InputError: no rule covers an axis, a rule names an unknown mesh axis, two dimensions
            have one mesh axis, or the mesh does not divide a size.
    """
    used: dict[str, str] = {}
    spec: list[str | tuple[str, ...] | None] = []
    make_spec: Any = PartitionSpec
    for logical, size in zip(info.axes, info.shape, strict=True):
        if logical not in rules:
            raise InputError(
                f"no sharding rule covers the axis {logical!r} of {name}",
                allowed=", ".join(rules),
                fix=f"add a rule for {logical!r}; None keeps a copy on every device",
            )
        rule = rules[logical]
        parts = 1
        for mesh_axis in () if rule is None else (rule,) if isinstance(rule, str) else rule:
            if mesh_axis not in mesh.shape:
                raise InputError(
                    f"the rule for {logical!r} names a mesh axis that is not there",
                    got=mesh_axis,
                    allowed=", ".join(mesh.shape),
                )
            if mesh_axis in used:
                raise InputError(
                    f"{name} would be split twice over the mesh axis {mesh_axis!r}",
                    got=f"{used[mesh_axis]} and {logical}",
                    fix="send one of the two to another mesh axis, or to None",
                )
            used[mesh_axis] = logical
            parts *= mesh.shape[mesh_axis]
        if size % parts:
            raise InputError(
                f"the axis {logical!r} of {name} does not divide over {parts} devices",
                got=size,
                allowed=f"a multiple of {parts}",
            )
        spec.append(rule)
    placed: PartitionSpec = make_spec(*spec)
    return placed


def shardings(declared: Any, mesh: Mesh, rules: Rules) -> Any:
    """The tree with a `NamedSharding` for each `ParameterSpec`.

    Raises:
        InputError: as `partition_spec`, naming the array.
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, info: NamedSharding(
            mesh, partition_spec(info, rules, mesh, name=path_name(path))
        ),
        declared,
    )
