"""`multiturn train plan`: the memory and time of a run on other devices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from multiturn.apps.cli import options
from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.status_line import working
from multiturn.core.records import to_plain

if TYPE_CHECKING:
    from multiturn.jaxformer.plan.estimate import Plan

__all__ = ["plan"]

_REFUSED = 1


def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe, as for `multiturn train`.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, such as batch.accumulate=8."),
    ] = None,
    mesh: Annotated[
        str, typer.Option("--mesh", help="Devices along each axis, e.g. data=8,fsdp=4.")
    ] = "data=1",
    on: Annotated[
        str,
        typer.Option("--on", help="The device: a100-80, h100, h200, tpu-v4, tpu-v5e or tpu-v5p."),
    ] = "h100",
    as_json: options.Json = False,
) -> None:
    """Compile the train step for many devices, and estimate the memory and time of a run.

    The command compiles the step for virtual devices on this CPU, without training or
    allocating weights. If the mesh has too little memory, the command suggests another one.
    """
    with require_extra("train", purpose="planning a run"):
        from multiturn.jaxformer.plan.accelerators import find_accelerator
        from multiturn.jaxformer.plan.estimate import find_fitting_plan, parse_mesh, plan_run
        from multiturn.jaxformer.recipes import load_recipe

    accelerator = find_accelerator(on)
    wanted = parse_mesh(mesh)
    config = load_recipe(recipe, settings or [])
    with working(f"compiling the step of {config.name} for other devices"):
        found = plan_run(config, wanted, accelerator)
    if as_json:
        print(json.dumps(to_plain(found), indent=1))
    else:
        _show(config.name, found)
    if found.fits:
        return
    print(
        f"does not fit: {found.memory / 1e9:.1f} GB per device exceed "
        f"{accelerator.title}'s {accelerator.memory / 1e9:.0f} GB"
    )
    with working("searching for a mesh with enough memory"):
        better = find_fitting_plan(config, found)
    if better is None:
        print("no mesh of up to four times as many devices has enough memory")
    else:
        smaller, parts = better
        sizes = smaller.mesh
        print(
            f"this fits: --mesh fsdp={sizes.fsdp},tensor={sizes.tensor} "
            f"batch.accumulate={parts}, with {smaller.memory / 1e9:.1f} GB per device"
        )
    raise typer.Exit(_REFUSED)


def _show(name: str, plan: Plan) -> None:
    compiled, axes = plan.compiled, plan.mesh
    print(
        f"{name} on {plan.devices} x {plan.accelerator.title} "
        f"(data {axes.data}, fsdp {axes.fsdp}, tensor {axes.tensor}, sequence {axes.sequence}); "
        f"compiled in {compiled.seconds:.0f} s"
    )
    print("memory per device, GB")
    for title, size in (
        ("parameters", compiled.parameters),
        ("optimizer", compiled.optimizer),
        ("batch", compiled.batch),
        ("gradients and activations (max)", compiled.temporary),
        ("total", plan.memory),
    ):
        print(f"  {title:<36}{size / 1e9:10.2f}")
    print("FLOPs per token, GFLOP")
    print(f"  {'by the formula':<36}{plan.flops_per_token / 1e9:10.2f}")
    print(f"  {'in the compiled matrix products':<36}{plan.compiled_flops_per_token / 1e9:10.2f}")
    print("collectives per step and device")
    for traffic in compiled.work.traffic:
        where = "near" if traffic.span <= plan.accelerator.near else "far"
        among = f"among {traffic.group}, {where}"
        moved = traffic.bytes / 1e9
        print(f"  {traffic.kind:<18}{among:<16}{traffic.count:10,}{moved:12.2f} GB")
    low, high = plan.step_seconds
    print("time per step, s")
    print(f"  {'matrix products at peak FLOPs':<36}{plan.compute_seconds:10.3f}")
    print(f"  {'collectives at link bandwidth':<36}{plan.link_seconds:10.3f}")
    print(f"  {'step, traffic overlapped or not':<36}{low:10.3f} to {high:.3f}")
    best, worst = plan.utilisation
    print(f"  model FLOPs utilisation (MFU): {worst:.0%} to {best:.0%} at most")
    days = [seconds / 86400 for seconds in plan.run_seconds]
    print(f"  all steps: {days[0]:.1f} to {days[1]:.1f} days")
