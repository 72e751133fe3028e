"""Estimates of the memory and time of a run on a mesh of accelerators."""

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

_USABLE_MEMORY = 0.92
"""The share of a device's memory available to a run; the runtime needs the rest."""
_STATE_BYTES = 16
"""Bytes for each parameter in float32: weight, two moments, and gradient."""

Compile = Callable[[TrainConfig, int], CompiledStep]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run on a mesh.

    Attributes:
        mesh: sizes of all axes.
        devices: how many.
        accelerator: which.
        compiled: the step on one device.
        memory: total bytes on one device.
        fits: whether the device has enough memory.
        flops_per_token: model FLOPs, by the formula.
        compiled_flops_per_token: counted in the compiled step, with rematerialization and
            the half of attention that the causal mask discards.
        compute_seconds: of the matrix products of a step at the device's peak.
        link_seconds: of the collectives of a step at the speed of the links.
        step_seconds: from the maximum of both (all communication overlaps) to their sum (none
            overlaps).
        utilisation: model FLOPs utilization for both step times; no kernel reaches the peak.
        run_seconds: of all steps, for both step times.
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
    """Parse a mesh such as ``data=8,fsdp=4``; other axes are 1.

    Raises:
        InputError: an unknown axis, or a size that is not a positive integer.

    Example:
        >>> parse_mesh("fsdp=8").fsdp
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
    """Compile a run's step for a mesh and estimate memory and time.

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
    per_token = flops_per_token(config.model, config.batch.length, config.lora)
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
        fits=memory <= _USABLE_MEMORY * accelerator.memory,
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
    """A plan that fits, and its gradient accumulation steps, after another plan did not fit.

    The same devices are tried first, with more sharding and smaller microbatches; then twice and
    four times as many. None if none of the first `tries` fits.
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
    """Meshes whose state leaves memory for activations, each with its accumulation steps."""
    state = _STATE_BYTES * plan_of(config.name, config.model).parameters
    usable = _USABLE_MEMORY * refused.accelerator.memory
    for devices in (refused.devices, 2 * refused.devices, 4 * refused.devices):
        for tensor in (1, 2, 4, 8):
            if devices % tensor or config.model.kv_heads % tensor:
                continue
            left = usable - state / devices
            if left <= 0.15 * usable:
                continue
            # Activations are proportional to the tokens of a microbatch on a device.
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
    """Ring algorithms: a gather or scatter moves all bytes once, a reduction twice."""
    total = 0.0
    for traffic in compiled.work.traffic:
        near = traffic.span <= accelerator.near
        speed = accelerator.link if near else accelerator.network
        share = (traffic.group - 1) / traffic.group
        passes = {"all-reduce": 2.0 * share, "collective-permute": 1.0}.get(traffic.kind, share)
        total += traffic.bytes * passes / speed
    return total
