"""Validation: loss, perplexity and bits per byte on data that is not trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.sharding import Mesh

from multiturn.jaxformer.datasets.protocol import SequenceDataset
from multiturn.jaxformer.parallel.mesh import batch_sharding
from multiturn.jaxformer.run.prefetch import load_padded_batch
from multiturn.jaxformer.step.train_step import TrainStep

__all__ = ["ValidationMetrics", "evaluate"]


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """The metrics of one validation group.

    Attributes:
        loss: mean cross-entropy of the targets, in nats.
        targets: the sum of the loss mask.
        bytes_per_token: of the text, if known.
    """

    loss: float
    targets: float
    bytes_per_token: float | None

    @property
    def perplexity(self) -> float:
        """Perplexity per token."""
        return math.exp(min(self.loss, 700.0))

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte, the one metric that compares across tokenizers."""
        if self.bytes_per_token is None:
            return None
        return self.loss / math.log(2) / self.bytes_per_token

    def named(self, group: str) -> dict[str, float]:
        """The metrics by their names in ``metrics.jsonl``."""
        prefix = f"held_out/{group}/"
        found = {prefix + "loss": self.loss, prefix + "perplexity": self.perplexity}
        if self.bits_per_byte is not None:
            found[prefix + "bits_per_byte"] = self.bits_per_byte
        return found


def evaluate(
    step: TrainStep,
    parameters: Any,
    groups: Mapping[str, SequenceDataset],
    mesh: Mesh,
    *,
    rows: int,
    max_sequences: int,
    frozen_parameters: Any = None,
) -> dict[str, ValidationMetrics]:
    """Validate on each group.

    Args:
        step: the compiled functions of the run.
        parameters: the trained arrays.
        groups: sequences by language or other group.
        mesh: of the parameters.
        rows: sequences computed at once.
        max_sequences: maximum sequences of each group, spread evenly over it.
        frozen_parameters: arrays that are not trained (see `ParameterPartition`).
    """
    found = {}
    for group, dataset in groups.items():
        count = min(dataset.count, max_sequences)
        chosen = [int(index) for index in np.linspace(0, dataset.count - 1, count).round()]
        loss = targets = 0.0
        for first in range(0, count, rows):
            part = load_padded_batch(
                dataset, chosen[first : first + rows], rows, batch_sharding(mesh)
            )
            losses, loss_mask = step.evaluate(parameters, part, frozen_parameters)
            loss += float(np.asarray(losses, np.float64).sum())
            targets += float(np.asarray(loss_mask, np.float64).sum())
        if targets:
            found[group] = ValidationMetrics(loss / targets, targets, dataset.bytes_per_token)
    return found
