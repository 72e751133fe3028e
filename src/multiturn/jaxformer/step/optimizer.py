"""AdamW with a learning-rate schedule, behind a clip of the gradient's global norm."""

from __future__ import annotations

from typing import Any

import jax
import optax

from multiturn.jaxformer.config import OptimizerConfig, ScheduleConfig

__all__ = ["learning_rate", "make_optimizer"]


def learning_rate(schedule: ScheduleConfig) -> optax.Schedule:
    """The learning rate at each step: linear warm-up from 0, cosine decay to `end`, then flat."""
    warm = optax.linear_schedule(0.0, schedule.peak, max(schedule.warmup_steps, 1))
    decay = optax.cosine_decay_schedule(
        schedule.peak,
        max(schedule.decay_steps - schedule.warmup_steps, 1),
        alpha=schedule.end / schedule.peak,
    )
    return optax.join_schedules([warm, decay], [schedule.warmup_steps])


def make_optimizer(
    optimizer: OptimizerConfig, schedule: ScheduleConfig, specs: Any
) -> optax.GradientTransformation:
    """Gradient clipping and AdamW (Loshchilov and Hutter, arXiv 1711.05101).

    Args:
        optimizer: its constants.
        schedule: of the learning rate.
        specs: a tree of `ParameterSpec` for the trained arrays; each says whether it decays.
    """
    return optax.chain(
        optax.clip_by_global_norm(optimizer.clip),
        optax.adamw(
            learning_rate(schedule),
            b1=optimizer.b1,
            b2=optimizer.b2,
            eps=optimizer.epsilon,
            weight_decay=optimizer.decay,
            mask=jax.tree.map(lambda spec: spec.decay, specs),
        ),
    )
