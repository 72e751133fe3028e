"""What a run would take on a mesh of accelerators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from multiturn.core.errors import InputError
from multiturn.jaxformer.config import MeshConfig, TrainConfig
from multiturn.jaxformer.plan.accelerators import Accelerator
from multiturn.jaxformer.plan.compile import CompiledStep, compile_step
from multiturn.jaxformer.run.flops import flops_per_token
from multiturn.models.plan import plan_of

__all__ = ["Plan", "parse_mesh", "plan_run", "find_fitting_plan"]

_ROOM = 0.92
"""The share of a device's memory that a run may take; the runtime needs some."""
_STATE = 16
"""Bytes of a parameter in float32: weights, two moments, and the gradient."""

Compile = Callable[[TrainConfig, int], CompiledStep]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run on a mesh.

    Attributes:
        mesh: sizes of all axes.
        devices: how many.
        accelerator: which.
        compiled: the step on one device.
        memory: bytes on one device, all together.
        fits: whether the device has them.
        flops_per_token: model FLOPs, by the formula.
        compiled_flops_per_token: counted in the compiled step; rematerialisation and the
            half of attention's square that causality wastes are in it.
        compute_seconds: of a step, the products at the device's peak.
        link_seconds: of a step, the collectives at the speed of the links.
        step_seconds: between the greater of both (all traffic hidden behind products) and
            their sum (none).
        utilisation: model FLOPs utilisation at either end; no kernel reaches the peak.
        run_seconds: of all steps, at either end.
    """

    mesh: MeshConfig
    devices: int
    accelerator: Accelerator
    compiled: CompiledStep
    memory: int
    fits: bool
    flops_per_token: float
    compiled_flops_per_token: float
    compute_seconds: float
    link_seconds: float
    step_seconds: tuple[float, float]
    utilisation: tuple[float, float]
    run_seconds: tuple[float, float]


def parse_mesh(text: str) -> MeshConfig:
    """A mesh as ``data=8,fsdp=4``; axes that are not named are 1.

    Raises:
        InputError: an axis that is none, or a size that is no whole number above 0.

    Example:
        >>> mesh_of("fsdp=8").fsdp
        8
    """
    sizes = {"data": 1, "fsdp": 1, "tensor": 1, "sequence": 1}
    for part in text.split(","):
        axis, _, size = part.strip().partition("=")
        if axis not in sizes or not size.isdecimal() or int(size) < 1:
            raise InputError(
                "the mesh cannot be read",
                got=part.strip(),
                allowed="data=N, fsdp=N, tensor=N and sequence=N, with commas between",
            )
        sizes[axis] = int(size)
    return MeshConfig(**sizes)


def plan_run(
    config: TrainConfig,
    mesh: MeshConfig,
    accelerator: Accelerator,
    *,
    compile_for: Compile = compile_step,
) -> Plan:
    """Compile a run's step for a mesh and work out what follows.

    Args:
        config: of the run.
        mesh: devices along each axis.
        accelerator: the device.
        compile_for: compiles the step; for tests.

    Raises:
        InputError: the mesh does not fit the model or the batch, or compiling failed.
    """
    config = replace(config, mesh=mesh)
    devices = mesh.data * mesh.fsdp * mesh.tensor * mesh.sequence
    compiled = compile_for(config, devices)
    memory = compiled.parameters + compiled.optimizer + compiled.batch + compiled.temporary
    per_token = flops_per_token(config.model, config.batch.length)
    tokens = config.batch.tokens
    compute = compiled.work.flops / accelerator.flops
    links = _link_seconds(compiled, accelerator)
    step = (max(compute, links), compute + links)
    ideal = per_token * tokens / devices / accelerator.flops
    return Plan(
        mesh=mesh,
        devices=devices,
        accelerator=accelerator,
        compiled=compiled,
        memory=memory,
        fits=memory <= _ROOM * accelerator.memory,
        flops_per_token=per_token,
        compiled_flops_per_token=compiled.work.flops * devices / tokens,
        compute_seconds=compute,
        link_seconds=links,
        step_seconds=step,
        utilisation=(ideal / step[0], ideal / step[1]),
        run_seconds=(step[0] * config.steps, step[1] * config.steps),
    )


def find_fitting_plan(
    config: TrainConfig,
    refused: Plan,
    *,
    compile_for: Compile = compile_step,
    tries: int = 3,
) -> tuple[Plan, int] | None:
    """A plan that fits where another does not, and into how many parts its batch is cut.

    On the same devices first, the state spread wider and the batch in smaller parts; then on
    twice and four times as many. None where none of the first `tries` fits.
    """
    for mesh, parts in list(_candidates(config, refused))[:tries]:
        smaller = replace(config, batch=replace(config.batch, accumulate=parts))
        try:
            plan = plan_run(smaller, mesh, refused.accelerator, compile_for=compile_for)
        except InputError:
            continue
        if plan.fits:
            return plan, parts
    return None


def _candidates(config: TrainConfig, refused: Plan) -> Iterator[tuple[MeshConfig, int]]:
    """Meshes whose state leaves room for activations, with the parts these then need."""
    state = _STATE * plan_of(config.name, config.model).parameters
    room = _ROOM * refused.accelerator.memory
    for devices in (refused.devices, 2 * refused.devices, 4 * refused.devices):
        for tensor in (1, 2, 4, 8):
            if devices % tensor or config.model.kv_heads % tensor:
                continue
            left = room - state / devices
            if left <= 0.15 * room:
                continue
            # Activations go with the tokens that a device has at once.
            now = config.batch.sequences / config.batch.accumulate / _rows(refused.mesh)
            wanted = refused.compiled.temporary / left
            rows = max(1, 2 ** math.floor(math.log2(max(now / wanted, 1))))
            over = devices // tensor
            parts = math.ceil(config.batch.sequences / over / rows)
            if config.batch.sequences % (parts * over) == 0:
                yield MeshConfig(data=1, fsdp=over, tensor=tensor), parts


def _rows(mesh: MeshConfig) -> int:
    return mesh.data * mesh.fsdp


def _link_seconds(compiled: CompiledStep, accelerator: Accelerator) -> float:
    """Rings over each group: a gather or a scatter passes all bytes once, a reduction twice."""
    total = 0.0
    for traffic in compiled.work.traffic:
        near = traffic.span <= accelerator.near
        speed = accelerator.link if near else accelerator.network
        share = (traffic.group - 1) / traffic.group
        passes = {"all-reduce": 2.0 * share, "collective-permute": 1.0}.get(traffic.kind, share)
        total += traffic.bytes * passes / speed
    return total
