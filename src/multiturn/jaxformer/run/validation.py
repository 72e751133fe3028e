"""How well a model does on what it was never trained on."""

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
    """Figures of one group of held-out sequences.

    Attributes:
        loss: mean of a target, in nats.
        targets: that it is the mean of, by weight.
        bytes_per_token: of the text, where known.
    """

    loss: float
    targets: float
    bytes_per_token: float | None

    @property
    def perplexity(self) -> float:
        """Of a token."""
        return math.exp(min(self.loss, 700.0))

    @property
    def bits_per_byte(self) -> float | None:
        """Which, unlike the others, can be compared between tokenizers."""
        if self.bytes_per_token is None:
            return None
        return self.loss / math.log(2) / self.bytes_per_token

    def figures(self, group: str) -> dict[str, float]:
        """By the names they have in the metrics."""
        at = f"held_out/{group}/"
        found = {at + "loss": self.loss, at + "perplexity": self.perplexity}
        if self.bits_per_byte is not None:
            found[at + "bits_per_byte"] = self.bits_per_byte
        return found


def evaluate(
    step: TrainStep,
    parameters: Any,
    groups: Mapping[str, SequenceDataset],
    mesh: Mesh,
    *,
    rows: int,
    most: int,
    kept: Any = None,
) -> dict[str, ValidationMetrics]:
    """The figures of each group.

    Args:
        step: compiled functions of the run.
        parameters: the trained arrays.
        groups: sequences by language or other group.
        mesh: that the parameters lie on.
        rows: sequences computed at once.
        most: sequences of each group, spread evenly over it.
        kept: arrays that are not trained (see `ParameterPartition`).
    """
    found = {}
    for group, samples in groups.items():
        count = min(samples.count, most)
        chosen = [int(place) for place in np.linspace(0, samples.count - 1, count).round()]
        loss = targets = 0.0
        for first in range(0, count, rows):
            part = load_padded_batch(
                samples, chosen[first : first + rows], rows, batch_sharding(mesh)
            )
            losses, weights = step.evaluate(parameters, part, kept)
            loss += float(np.asarray(losses, np.float64).sum())
            targets += float(np.asarray(weights, np.float64).sum())
        if targets:
            found[group] = ValidationMetrics(loss / targets, targets, samples.bytes_per_token)
    return found
