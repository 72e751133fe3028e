"""Which models fit the memory of a machine, and how fast they would be."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.hub.entries import ModelEntry
from multiturn.hub.registry import REGISTRY

__all__ = ["ModelFit", "better_model", "largest_fit", "memory_needed", "model_fits"]

_BESIDE_THE_WEIGHTS = 512 << 20
"""Bytes: the KV cache, a running program, and Python itself."""

_WEIGHTS_IN_MEMORY = 2.0
"""Bytes in memory for each byte of a file in 4 bits, if an engine holds it in 8 bits."""

MIN_TOKENS_PER_SECOND = 5.0
"""A model that would be slower than a person reads is not recommended."""


@dataclass(frozen=True, slots=True)
class ModelFit:
    """A model on a machine.

    Attributes:
        entry: the model.
        memory_needed: bytes.
        fits: whether the machine has that much memory.
        tokens_per_second: expected of one text, at most; None if the bandwidth is unknown.
    """

    entry: ModelEntry
    memory_needed: int
    fits: bool
    tokens_per_second: float | None

    @property
    def usable(self) -> bool:
        """Whether it fits and is fast enough to wait for."""
        speed = self.tokens_per_second
        return self.fits and (speed is None or speed >= MIN_TOKENS_PER_SECOND)


def memory_needed(entry: ModelEntry) -> int | None:
    """Bytes of memory to use a model; None if the size of its file is unknown."""
    size = entry.expected_bytes
    return None if size is None else int(size * _WEIGHTS_IN_MEMORY) + _BESIDE_THE_WEIGHTS


def model_fits(
    memory: int | None, *, bandwidth: float | None = None, family: str | None = None
) -> list[ModelFit]:
    """Every model with a family, the smallest first.

    Args:
        memory: bytes of the machine; None if unknown: then none fits.
        bandwidth: bytes that the processor reads from memory in a second. A new token reads all
            weights once.
        family: only this one.
    """
    found = []
    for entry in REGISTRY.values():
        needed, size = memory_needed(entry), entry.expected_bytes
        if entry.family is None or needed is None or size is None:
            continue
        if family in (None, entry.family):
            speed = None if bandwidth is None else bandwidth / size
            found.append(ModelFit(entry, needed, memory is not None and needed <= memory, speed))
    return sorted(found, key=lambda fit: fit.memory_needed)


def largest_fit(memory: int | None, *, bandwidth: float | None = None) -> ModelFit | None:
    """The best model for a machine: the largest that fits and is fast enough.

    Where none is fast enough, as when the machine is busy, it is the smallest that fits.
    """
    fits = [fit for fit in model_fits(memory, bandwidth=bandwidth) if fit.fits]
    usable = [fit for fit in fits if fit.usable] or fits[:1]
    return usable[-1] if usable else None


def better_model(
    name: str, memory: int | None, *, bandwidth: float | None = None
) -> ModelFit | None:
    """A larger model than `name` of the same family, if one fits.

    Args:
        name: of the registry; any other name has no better model.
        memory: as in `model_fits`; the model `name` need not be loaded beside it.
        bandwidth: as in `model_fits`.
    """
    entry = REGISTRY.get(name)
    if entry is None or entry.family is None:
        return None
    fits = model_fits(memory, bandwidth=bandwidth, family=entry.family)
    best = max((fit for fit in fits if fit.usable), key=lambda fit: fit.memory_needed, default=None)
    needed = memory_needed(entry)
    return best if best is not None and needed is not None and best.memory_needed > needed else None
