"""Whether a run retains the memory that each step frees: a fifth to a third of a CPU's time."""

from __future__ import annotations

from multiturn.core.memory import available_memory, retain_freed_memory
from multiturn.jaxformer.config import TrainConfig
from multiturn.models.plan import plan_of

__all__ = ["memory_of_run", "retain_memory"]

_AMPLE = 4
"""How many times a run's memory must be available: holes between blocks may double it."""


def retain_memory(config: TrainConfig, available: int | None = None) -> bool:
    """Retain freed memory in this process if a run has ample memory.

    The entry point calls `share_one_heap` before any thread starts.

    Args:
        config: of the run.
        available: bytes; by default what this machine has.

    Returns:
        Whether freed memory is retained from now on.
    """
    found = available_memory() if available is None else available
    return found is not None and memory_of_run(config) * _AMPLE <= found and retain_freed_memory()


def memory_of_run(config: TrainConfig) -> int:
    """About how many bytes a run takes on one device, from its sizes alone.

    Weights, gradients and the moments of the optimizer in float32; what blocks save for the
    backward pass; logits and their gradient.
    """
    model, batch = config.model, config.batch
    tokens = batch.sequences * batch.length // batch.accumulate
    saved = 4 * tokens * model.layers * (12 * model.d_model + 3 * model.mlp_dim)
    logits = min(4 * tokens * model.vocab_size, config.precision.loss_bytes)
    return 16 * plan_of("model", model).parameters + saved + 3 * logits
