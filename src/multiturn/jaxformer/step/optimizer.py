"""AdamW with decay chosen by parameter name, under a clip of the global norm."""

from __future__ import annotations

from typing import Any

import jax
import optax

from multiturn.jaxformer.config import OptimizerConfig, ScheduleConfig
from multiturn.models.arrays import path_name

__all__ = ["decays", "learning_rate", "make_optimizer"]

_DECAYED = frozenset(
    {"embedding", "head", "query", "key", "value", "attention_out", "gate", "up", "down"}
)


def decays(name: str) -> bool:
    """Whether weight decay pulls at the array called `name`: at matrices alone.

    The name decides, not the number of dimensions: with the layers stacked for a scan the
    scales and biases of norms have two as well, and "more than one dimension" decays them.

    Example:
        >>> decays("layers.query"), decays("layers.norm_scale"), decays("layers.up_bias")
        (True, False, False)
    """
    last = name.rpartition(".")[2]
    return last in _DECAYED or last.startswith("lora_")


def learning_rate(schedule: ScheduleConfig) -> optax.Schedule:
    """The rate at each step: linear warm-up from 0, a cosine to the end rate, then flat."""
    warm = optax.linear_schedule(0.0, schedule.peak, max(schedule.warmup_steps, 1))
    decay = optax.cosine_decay_schedule(
        schedule.peak,
        max(schedule.decay_steps - schedule.warmup_steps, 1),
        alpha=schedule.end / schedule.peak,
    )
    return optax.join_schedules([warm, decay], [schedule.warmup_steps])


def make_optimizer(
    optimizer: OptimizerConfig, schedule: ScheduleConfig
) -> optax.GradientTransformation:
    """Clip, Adam, decoupled decay (Loshchilov and Hutter, arXiv 1711.05101), rate."""
    return optax.chain(
        optax.clip_by_global_norm(optimizer.clip),
        optax.adamw(
            learning_rate(schedule),
            b1=optimizer.b1,
            b2=optimizer.b2,
            eps=optimizer.epsilon,
            weight_decay=optimizer.decay,
            mask=_decay_mask,
        ),
    )


def _decay_mask(parameters: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: decays(path_name(path)), parameters)
