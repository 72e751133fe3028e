"""The real train step, compiled ahead of time for virtual devices.

`compile_step` starts ``python -m multiturn.jaxformer.plan.compile``, because a process cannot
change its number of devices after the first array. The weights are not allocated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp

from multiturn.core.errors import InputError, MultiturnError
from multiturn.core.records import read_record, to_plain
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.lora.partition import lora_partition
from multiturn.jaxformer.parallel.mesh import make_mesh
from multiturn.jaxformer.plan.hlo import Work, count_work
from multiturn.jaxformer.step.state import full_partition, shape_with_sharding
from multiturn.jaxformer.step.train_step import make_train_step
from multiturn.models.arrays import abstract
from multiturn.models.parameters import parameter_specs
from multiturn.models.sharding import TRAINING, shardings

__all__ = ["CompiledStep", "compile_step"]

_PASS = "spmd-partitioning"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStep:
    """The memory and work of one step on one device; sizes in bytes.

    Attributes:
        parameters: the master weights and frozen parameters.
        optimizer: its moments.
        batch: tokens, targets, loss mask and segments.
        temporary: gradients and activations as allocated by the CPU compiler. It computes in
            float32 where an accelerator has bfloat16, so this is an upper bound.
        work: matrix products and collectives.
        xla_flops: XLA's own count, with each loop body once.
        seconds: to lower and compile.
    """

    parameters: int
    optimizer: int
    batch: int
    temporary: int
    work: Work
    xla_flops: float
    seconds: float


def compile_step(config: TrainConfig, devices: int, *, timeout: float = 1800) -> CompiledStep:
    """Compile the step of a config for its mesh.

    Args:
        config: its mesh sizes must multiply to `devices`.
        devices: how many virtual devices.
        timeout: seconds.

    Raises:
        InputError: the mesh does not fit the devices, the batch or the arrays; or the
            compiler failed or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="multiturn-plan-") as dumped:
        flags = (
            f"--xla_force_host_platform_device_count={devices} --xla_dump_to={dumped} "
            f"--xla_dump_hlo_pass_re={_PASS} --xla_dump_hlo_module_re=jit_train"
        )
        try:
            done = subprocess.run(
                [sys.executable, "-m", "multiturn.jaxformer.plan.compile", dumped],
                input=json.dumps(to_plain(config)),
                env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(
                "compiling the step took too long",
                got=f"more than {timeout:.0f} s",
                fix="plan for fewer devices",
            ) from error
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        answer = json.loads(last)
    except ValueError as error:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise InputError(f"the step could not be compiled: {reason}") from error
    if "error" in answer:
        raise InputError(answer["error"])
    return read_record(answer, CompiledStep, where="the compiled step")


def _main() -> None:
    """Read a config from standard input and print a `CompiledStep` or an error as JSON."""
    try:
        answer = to_plain(_compile(json.load(sys.stdin), Path(sys.argv[1])))
    except MultiturnError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def _compile(plain: object, dumped: Path) -> CompiledStep:
    config = read_record(plain, TrainConfig, where="config")
    mesh = make_mesh(config.mesh)
    partition = (
        full_partition(config.model)
        if config.lora is None
        else lora_partition(config.model, config.lora)
    )
    step = make_train_step(
        partition,
        mesh,
        batch=config.batch,
        schedule=config.schedule,
        optimizer=config.optimizer,
        # Accelerators do not run the CPU kernels, whose work could not be counted either.
        precision=replace(config.precision, kernels="xla"),
    )
    frozen_parameters = None
    if config.lora is not None:
        specs = parameter_specs(config.model, jnp.dtype(config.precision.compute))
        layout = shardings(specs, mesh, TRAINING)
        frozen_parameters = jax.tree.map(shape_with_sharding, abstract(specs), layout)
    begin = time.monotonic()
    lowered = step.lower(frozen_parameters)
    compiled = lowered.compile()
    seconds = time.monotonic() - begin
    if mesh.devices.size > 1:
        texts = sorted(dumped.glob(f"*after_{_PASS}*.txt"))
        if not texts:
            raise InputError("the compiler left no partitioned module")
        text = texts[-1].read_text("utf-8")
    else:
        # One device has no partitioning pass, so its input module is the partitioned one.
        text = lowered.compiler_ir("hlo").get_hlo_module().to_string()
    costs = compiled.cost_analysis() or {}
    return CompiledStep(
        parameters=_bytes_of((step.state.parameters, frozen_parameters)),
        optimizer=_bytes_of(step.state.optimizer),
        batch=_bytes_of(step.batch),
        temporary=int(compiled.memory_analysis().temp_size_in_bytes),
        work=count_work(text),
        xla_flops=float(costs.get("flops", 0.0)),
        seconds=seconds,
    )


def _bytes_of(shapes: object) -> int:
    """The bytes of the arrays on one device."""
    total = 0
    for shape in jax.tree.leaves(shapes):
        part = shape.sharding.shard_shape(shape.shape)
        size = jnp.dtype(shape.dtype).itemsize
        for length in part:
            size *= length
        total += size
    return total


if __name__ == "__main__":
    _main()
