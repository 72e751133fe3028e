"""`multiturn models show NAME --plan`: the arrays and the memory of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from multiturn.apps.cli.extras import require_extra
from multiturn.core.records import to_plain
from multiturn.hub.downloads import locate
from multiturn.hub.progress import human_size

if TYPE_CHECKING:
    from multiturn.models.plan import ModelPlan

__all__ = ["show_plan"]


def show_plan(name: str, *, as_json: bool) -> None:
    """Print the arrays, the parameters and the memory of a model. Allocates nothing.

    Args:
        name: a CodeGen model; or another model or file that is on this machine.
        as_json: print JSON instead of tables.

    Raises:
        UnknownNameError, ModelFileError: as their names say.
        MissingDependencyError: JAX is not installed.
    """
    with require_extra("jax", purpose="planning a model"):
        from multiturn.hub.checkpoints.reading import open_checkpoint
        from multiturn.models.config import codegen_names
        from multiturn.models.plan import models_plan, plan_of
    path = None if name.casefold() in codegen_names() else locate(name)
    plan = models_plan(name) if path is None else plan_of(name, open_checkpoint(Path(path)).config)
    if as_json:
        print(json.dumps(to_plain(plan), indent=1))
    else:
        _print_plan(plan)


def _print_plan(plan: ModelPlan) -> None:
    config = plan.config
    print(
        f"{plan.name}: {plan.parameters:,} parameters, "
        f"a context window of {config.max_seq_len} tokens"
    )
    print(f"\n{'dtype':10}  {'weights':>9}  {'cache per token':>18}  {'per full context':>18}")
    for dtype, weights in plan.weight_bytes.items():
        token, sequence = plan.cache_bytes_per_token[dtype], plan.cache_bytes_per_sequence[dtype]
        sizes = f"{human_size(weights):>9}  {human_size(token):>18}  {human_size(sequence):>18}"
        print(f"{dtype:10}  {sizes}")
    width = max(len(array.name) for array in plan.arrays)
    print(f"\n{'array':{width}}  {'parameters':>14}  shape")
    for array in plan.arrays:
        shape = ", ".join(
            f"{axis} {size}" for axis, size in zip(array.axes, array.shape, strict=True)
        )
        print(f"{array.name:{width}}  {array.parameters:14,}  {shape}")
